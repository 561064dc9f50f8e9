// What is published: small, whole, and of use without a bundler.

import { readFileSync } from "node:fs";
import { runInNewContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";

const dist = new URL("../dist/", import.meta.url);
const read = (name: string) => readFileSync(new URL(name, dist), "utf8");

it("the module weighs no more than 6 KB gzipped, messages included", () => {
  expect(gzipSync(read("index.js"), { level: 9 }).length).toBeLessThanOrEqual(6144);
  expect(read("index.js")).toContain("管理者にお問い合わせください。");
});

it.each([["loader", 3072], ["pinned", 1536]])("%s.js weighs no more than %d bytes gzipped", (name, bytes) => {
  expect(gzipSync(read(`${name}.js`), { level: 9 }).length).toBeLessThanOrEqual(bytes);
});

it.each([["loader", "loadPlugin"], ["pinned", "loadPinned"]])("%s.js exports %s", async (name, load) => {
  expect(Object.keys(await import(new URL(`${name}.js`, dist).href))).toEqual([load]);
});

it("the module exports the check, and how serials are read", async () => {
  const module = await import(new URL("index.js", dist).href);
  expect(Object.keys(module).sort()).toEqual(["checkLicense", "normalizeSerial"]);
});

it.each([
  ["tegata-client.js", "tegata", ["checkLicense", "normalizeSerial"]],
  ["tegata-loader.js", "tegataLoader", ["loadPlugin"]],
])("the script %s defines %s, with the same in it", (script, name, members) => {
  const page: Record<string, object> = {};
  runInNewContext(read(script), page);
  expect(Object.keys(page)).toEqual([name]);
  expect(Object.keys(page[name]!).sort()).toEqual(members);
});

it("the package has the version of the workspace", () => {
  const at = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");
  const [, version] = at("../Cargo.toml").match(/\[workspace\.package\]\nversion = "(.+)"/)!;
  expect(JSON.parse(at("package.json")).version).toBe(version);
});

it("nothing that is published asks, evaluates or brings a dependency along", () => {
  for (const name of ["index.js", "loader.js", "pinned.js", "tegata-client.js", "tegata-loader.js"]) {
    expect(read(name)).not.toMatch(/\balert\(|\bconfirm\(|\beval\(|new Function|\bimport\b|require\(/);
  }
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  expect(manifest.dependencies).toBeUndefined();
});
