// Builds dist/. `--check` builds aside, and fails if dist/ is not what was built.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/**
 * Chromium then compiles the file's functions while it loads, and not one by one during the first check, which
 * halves that (docs/PERFORMANCE.md). Other browsers take it for a comment.
 */
const COMPILE_AT_ONCE = "//# allFunctionsCalledOnLoad";

/** What the modules may weigh, gzipped, in bytes. */
const LIMITS = { index: 6144, loader: 3072, pinned: 1536 };

const here = dirname(fileURLToPath(import.meta.url));
const check = process.argv.includes("--check");
const dist = join(here, "dist");
const out = check ? mkdtempSync(join(tmpdir(), "tegata-client-")) : dist;

function fail(message) {
  console.error(message);
  process.exitCode = 1;
}

async function bundle(entry, file, options) {
  await build({
    absWorkingDir: here,
    entryPoints: [entry],
    outfile: join(out, file),
    bundle: true,
    minify: true,
    charset: "utf8",
    target: "es2022",
    legalComments: "none",
    ...(entry === "src/index.ts" && { banner: { js: COMPILE_AT_ONCE } }),
    ...options,
  });
  const bytes = readFileSync(join(out, file));
  const size = gzipSync(bytes, { level: 9 }).length;
  console.log(`${file}: ${bytes.length} bytes, ${size} gzipped`);
  return size;
}

try {
  if (!check) {
    rmSync(dist, { recursive: true, force: true });
  }
  const entries = Object.keys(LIMITS).map((name) => `src/${name}.ts`);
  for (const [name, limit] of Object.entries(LIMITS)) {
    if ((await bundle(`src/${name}.ts`, `${name}.js`, { format: "esm" })) > limit) {
      fail(`${name}.js is heavier than ${limit} bytes gzipped`);
    }
  }
  // For plug-ins without a bundler.
  await bundle("src/index.ts", "tegata-client.js", { format: "iife", globalName: "tegata" });
  await bundle("src/loader.ts", "tegata-loader.js", { format: "iife", globalName: "tegataLoader" });

  const tsc = join(here, "node_modules/.bin/tsc");
  const flags = ["--ignoreConfig", "--declaration", "--emitDeclarationOnly", "--rootDir", "src"];
  const like = ["--strict", "--target", "es2022", "--module", "es2022"];
  const resolve = ["--moduleResolution", "bundler", "--lib", "es2022,dom", "--types", ""];
  const types = [...flags, ...like, ...resolve, "--outDir", out, ...entries];
  if (spawnSync(tsc, types, { cwd: here, stdio: "inherit" }).status !== 0) {
    fail("tsc failed");
  }
  // Only what the entries' declarations refer to is of use to anybody.
  const reached = new Set();
  const reach = (name) => {
    if (!reached.has(name)) {
      reached.add(name);
      const text = readFileSync(join(out, name), "utf8");
      for (const [, next] of text.matchAll(/from "\.\/([\w-]+)\.js"/g)) {
        reach(`${next}.d.ts`);
      }
    }
  };
  entries.forEach((entry) => reach(entry.replace("src/", "").replace(".ts", ".d.ts")));
  for (const name of readdirSync(out)) {
    if (name.endsWith(".d.ts") && !reached.has(name)) {
      rmSync(join(out, name));
    }
  }

  if (check) {
    const built = readdirSync(out).sort();
    const kept = existsSync(dist) ? readdirSync(dist).sort() : [];
    for (const name of new Set([...built, ...kept])) {
      const same =
        built.includes(name) &&
        kept.includes(name) &&
        readFileSync(join(out, name)).equals(readFileSync(join(dist, name)));
      if (!same) {
        fail(`dist/${name} is not what the sources build: run npm run build`);
      }
    }
  }
} finally {
  if (check) {
    rmSync(out, { recursive: true, force: true });
  }
}
