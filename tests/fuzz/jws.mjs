// Inputs that an authentic JWS never has: the same for the same seed.
//
// usage of the scripts that import this: [SECONDS | --executions N] [SEED]

import { createRequire } from "node:module";
import { basename } from "node:path";
import { parseArgs } from "node:util";

const { buildSync } = createRequire(new URL("../../client/package.json", import.meta.url))("esbuild");

/** A module of the client. */
export async function client(name) {
  const { outputFiles } = buildSync({ entryPoints: [new URL(`../../client/src/${name}.ts`, import.meta.url).pathname], bundle: true, format: "esm", write: false });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}

const { values, positionals } = parseArgs({ options: { executions: { type: "string" } }, allowPositionals: true });
const seconds = values.executions ? Infinity : Number(positionals.shift() ?? 60);
const longest = Number(values.executions ?? Infinity);
let state = Number(positionals.shift() ?? Date.now() % 2 ** 32) >>> 0;
const seed = state;
const below = (n) => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * n);
};
const pick = (list) => list[below(list.length)];

const VALUES = [
  null, true, false, 0, -0, -1, 1, 1e308, 1.5, 2 ** 53, -(2 ** 53), 1795309391, "", "0", "x", [], {}, [1], { a: 1 }, [[]],
  "2026-11-22T10:00:00+09:00", "2026-11-22T10:00:00Z", "+275760-09-13T00:00:00Z", "-271821-04-20T00:00:00Z", "9999-12-31",
  { percent: "10", tenants: 5 }, { version: "..", files: [] }, { version: 5, files: null },
  "Infinity", "__proto__", "constructor", "toString", "\u0000", "\ud800", "example.cybozu.com", "sheet",
];
const base64 = (data) => Buffer.from(data).toString("base64url");

/** A text with some bytes changed, cut out or doubled. */
function broken(text) {
  const bytes = [...Buffer.from(text)];
  for (let changes = 1 + below(4); changes > 0; changes--) {
    const at = below(bytes.length + 1);
    if (below(3) === 0) bytes.splice(at, 1 + below(8));
    else if (below(2)) bytes.splice(at, 0, ...bytes.slice(at, at + below(16)));
    else bytes[at] = pick([below(256), 0x22, 0x7b, 0x7d, 0x5c, 0x2e, 0x2c, 0x30]);
  }
  return Buffer.from(bytes);
}

/** JSON with some members exchanged, removed or added; `more` are names that it need not have. */
function changed(value, more) {
  const copy = structuredClone(value);
  for (let changes = below(4); changes > 0; changes--) {
    const name = below(8) ? pick(Object.keys(copy)) : pick(["__proto__", "crit", "b64", "jwk", "x", ...more]);
    if (below(4) === 0) delete copy[name];
    else Object.defineProperty(copy, name, { value: pick(VALUES), enumerable: true, configurable: true, writable: true });
  }
  const text = JSON.stringify(copy);
  return below(4) ? text : broken(text);
}

/** A JWS with some of its header and claims changed. */
function jws(head, claims, more) {
  const parts = [changed(head, more), changed(claims, more), Buffer.alloc(64)].map(base64);
  if (below(3)) parts[0] = base64(JSON.stringify(head));
  const text = parts.slice(0, below(20) ? 3 : 2).join(".");
  return below(10) ? text : broken(text).toString("latin1");
}

/**
 * Makes one JWS after the other, all signatures taken for good, and gives each to `check`, which throws
 * if something is wrong, and returns whether it was accepted.
 */
export async function fuzz(head, claims, more, check) {
  const { digest } = crypto.subtle;
  const subtle = { importKey: async () => ({}), verify: async () => true, digest: digest.bind(crypto.subtle) };
  Object.defineProperty(globalThis, "crypto", { value: { subtle } });
  const name = basename(process.argv[1]);
  const begin = performance.now();
  let [executions, accepted, input] = [0, 0, ""];
  try {
    while (performance.now() < begin + seconds * 1000 && executions < longest) {
      for (let i = 0; i < 1_000; i++) {
        input = jws(head, claims, more);
        accepted += (await check(input)) ? 1 : 0;
        executions++;
      }
    }
    if (accepted < executions / 100) throw new Error("hardly anything was accepted");
  } catch (error) {
    console.error(`${name}: seed ${seed}, after ${executions}: ${input}`);
    throw error;
  }
  const rate = Math.round((executions / (performance.now() - begin)) * 1000);
  console.log(`${name}: ${executions} executed (${rate} a second), ${accepted} of them accepted (seed ${seed})`);
}
