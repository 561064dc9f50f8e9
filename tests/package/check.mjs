// The npm package as a vendor gets it: packed, installed into a fresh project, type-checked, bundled
// with esbuild and with Vite, used as plain scripts, and run.
//
// usage: node tests/package/check.mjs

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runInNewContext } from "node:vm";

const here = fileURLToPath(new URL(".", import.meta.url));
const client = join(here, "../../client");
const project = mkdtempSync(join(tmpdir(), "tegata-package-"));
const run = (command, ...args) => execFileSync(command, args, { cwd: project, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
const bin = (name, ...args) => run(join(project, "node_modules/.bin", name), ...args);

/** Runs scripts in a page that has kintone's proxy and nothing else of kintone; returns what was asked and answered. */
async function page(...scripts) {
  const asked = [];
  const kintone = {
    getLoginUser: () => ({ language: "ja" }),
    async proxy(url, method, headers) {
      asked.push([method, url, headers["X-License-Serial"]]);
      return ['{"code":"NOT_FOUND"}', 404, {}];
    },
  };
  const context = { kintone, location: { hostname: "example.cybozu.com" }, navigator: {}, URL, setTimeout, clearTimeout, performance, crypto, fetch: async () => { throw new TypeError(); } };
  context.self = context.window = context;
  for (const script of scripts) runInNewContext(script, context);
  return { license: await context.outcome, asked };
}

try {
  const [{ filename, files, size }] = JSON.parse(run("npm", "pack", client, "--json", "--silent"));
  const names = files.map(({ path }) => path).sort();
  const modules = ["index", "loader", "pinned"].flatMap((name) => [`dist/${name}.js`, `dist/${name}.d.ts`]);
  for (const name of [...modules, "dist/tegata-client.js", "dist/tegata-loader.js", "README.md", "LOADER.md", "LICENSE-MIT", "LICENSE-APACHE"]) {
    assert(names.includes(name), `${name} is in the package`);
  }
  assert(names.every((name) => /^(dist\/|LICENSE-|[A-Z]+(\.ja)?\.md$|package\.json$)/.test(name)), `nothing else is: ${names}`);

  for (const name of ["package.json", "package-lock.json"]) cpSync(join(here, name), join(project, name));
  cpSync(join(here, "project"), project, { recursive: true });
  run("npm", "ci", "--no-audit", "--no-fund", "--silent", "--prefer-offline");
  run("npm", "install", "--no-audit", "--no-fund", "--silent", "--no-save", "--offline", `./${filename}`);

  const strict = ["--ignoreConfig", "--noEmit", "--strict", "--exactOptionalPropertyTypes", "--skipLibCheck", "false", "--target", "es2022", "--lib", "es2022,dom", "--types", ""];
  bin("tsc", ...strict, "--module", "es2022", "--moduleResolution", "bundler", "main.ts");
  bin("tsc", ...strict, "--module", "nodenext", "main.ts");

  bin("esbuild", "main.ts", "--bundle", "--minify", "--charset=utf8", "--log-level=warning", "--outfile=esbuild.js");
  bin("vite", "build", "--logLevel", "error");
  const read = (name) => readFileSync(join(project, name), "utf8");
  const script = (name) => read(`node_modules/tegata-client/dist/${name}`);
  const kinds = {
    "esbuild": [read("esbuild.js")],
    "Vite": [read("dist/plugin.js")],
    "plain scripts": [script("tegata-client.js"), script("tegata-loader.js"), read("script.js")],
  };
  for (const [kind, scripts] of Object.entries(kinds)) {
    const { license, asked } = await page(...scripts);
    assert.deepEqual(asked, [["GET", "https://license.example.com/v1/products/sheet/domains/example.cybozu.com/license", "ABCD-EFGH-IJKL-2345"]], kind);
    assert.equal(license.code, "NOT_FOUND", kind);
    assert.equal(license.message.user, "この機能は現在利用できません。管理者にお問い合わせください。", kind);
  }
  console.log(`package: ${names.length} files, ${size} bytes; runs with ${Object.keys(kinds).join(", ")}`);
} finally {
  rmSync(project, { recursive: true, force: true });
}
