// Builds the package's scripts into plugin/js, and the part that the CDN serves into dist/cdn.

import { readFileSync } from "node:fs";
import { build } from "esbuild";

const read = (name) => JSON.parse(readFileSync(new URL(name, import.meta.url), "utf8"));
let vendor;
try {
  vendor = read("vendor.json");
} catch {
  throw new Error("no vendor.json: npm run pin");
}
const { version } = read("plugin/manifest.json");

const options = {
  absWorkingDir: import.meta.dirname,
  bundle: true,
  minify: true,
  charset: "utf8",
  target: "es2022",
  // kintone runs classic scripts.
  format: "iife",
  // Chromium then compiles the functions while it loads the file: the first check takes half as long.
  banner: { js: "//# allFunctionsCalledOnLoad" },
  define: { VENDOR: JSON.stringify(vendor), VERSION: JSON.stringify(version) },
};
const scripts = ["desktop", "mobile", "config"].map((name) => `src/${name}.ts`);
await build({ ...options, entryPoints: scripts, outdir: "plugin/js" });
await build({ ...options, entryPoints: ["src/main.ts"], outdir: "dist/cdn" });
