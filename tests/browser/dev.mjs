// `tegata dev` on a place of its own, and a browser to look at it.
// The first argument of the script that imports this is the binary.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { launch } from "./browser.mjs";

const tegata = resolve(process.argv[2]);
const { TEGATA_STACK: _, ...environment } = process.env;

// A directory of the script's own, and the place in it.
export const work = mkdtempSync(join(tmpdir(), "tegata-browser-"));
export const place = join(work, "place");
const local = `--local=${place}`;

export function run(...args) {
  return execFileSync(tegata, [local, ...args], { encoding: "utf8", env: environment });
}

export async function until(what, holds) {
  for (let attempt = 0; attempt < 150; attempt++) {
    if (await holds()) return;
    await new Promise((done) => setTimeout(done, 200));
  }
  assert.fail(`not within 30 s: ${what}`);
}

// Starts both, the browser with options of `launch`. `end` stops them and removes the directory.
export async function start({ args = [], browser: options = {} } = {}) {
  const dev = spawn(tegata, [local, "dev", "--port", "0", ...args], {
    env: environment,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise((done) => dev.once("exit", done));
  // A check that breaks off leaves nothing behind that keeps its output open.
  process.once("exit", () => dev.kill("SIGINT"));
  let browser;
  async function end() {
    await browser?.close();
    dev.kill("SIGINT");
    await ended;
    rmSync(work, { recursive: true, force: true });
  }
  try {
    const address = await new Promise((done, failed) => {
      dev.once("exit", (code) => failed(new Error(`tegata dev ended with ${code}`)));
      createInterface({ input: dev.stdout }).on("line", (line) => {
        const found = line.match(/(http:\/\/127\.0\.0\.1:\d+)/);
        if (found) done(found[1]);
      });
    });
    browser = await launch(options);
    return { address, browser, end };
  } catch (error) {
    await end();
    throw error;
  }
}
