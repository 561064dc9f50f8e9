// Fuzzes the client's reading of a lease: the signature is taken for good, so that what is behind it
// meets what an authentic lease never has.
//
// usage: node tests/fuzz/lease.mjs [SECONDS | --executions N] [SEED]
//
// Nothing may be thrown; a flaw is one of those that are documented; and what is read decides as the
// rules say: usable between two instants, and never from its hard stop on.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";

const { buildSync } = createRequire(new URL("../../client/package.json", import.meta.url))("esbuild");
const { outputFiles } = buildSync({ entryPoints: [new URL("../../client/src/lease.ts", import.meta.url).pathname], bundle: true, format: "esm", write: false });
const { verify, stateAt } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);

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

Object.defineProperty(globalThis, "crypto", { value: { subtle: { importKey: async () => ({}), verify: async () => true } } });

const FLAWS = ["forged", "unknown_key", "wrong_product", "wrong_tenant", "wrong_issuer", "malformed"];
const CODES = ["VALID", "GRACE", "EXPIRED", "SUSPENDED", "NOT_STARTED"];
const key = { kty: "EC", crv: "P-256", x: "x", y: "y", kid: "kid" };
const options = { product: "sheet", endpoint: "", keys: [key], issuer: "https://license.example.com" };
const HEAD = { alg: "ES256", kid: "kid", typ: "license+jwt" };
const CLAIMS = {
  iss: options.issuer, aud: "sheet", sub: "example.cybozu.com", iat: 1795309391, nbf: 1790989391, exp: 1796518991,
  jti: "id", kind: "paid", edition: "standard", users: 50, quotas: { records: 10000 },
  term: { starts_on: "2026-11-01", ends_on: "2027-10-31" }, usable_from: "2026-10-03T10:00:00+09:00",
  suspended_from: "2027-01-01T00:00:00+09:00", valid_until: "2027-11-01T09:00:00+09:00", grace_until: "2027-11-08T09:00:00+09:00",
};
const VALUES = [
  null, true, false, 0, -0, -1, 1, 1e308, 1.5, 2 ** 53, -(2 ** 53), 1795309391, "", "0", "x", [], {}, [1], { a: 1 }, [[]],
  "2026-11-22T10:00:00+09:00", "2026-11-22T10:00:00Z", "+275760-09-13T00:00:00Z", "-271821-04-20T00:00:00Z", "9999-12-31",
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

/** JSON with some members exchanged, removed or added. */
function changed(value) {
  const copy = structuredClone(value);
  for (let changes = below(4); changes > 0; changes--) {
    const name = below(8) ? pick(Object.keys(copy)) : pick(["__proto__", "crit", "b64", "jwk", "x", "suspended_from"]);
    if (below(4) === 0) delete copy[name];
    else Object.defineProperty(copy, name, { value: pick(VALUES), enumerable: true, configurable: true, writable: true });
  }
  const text = JSON.stringify(copy);
  return below(4) ? text : broken(text);
}

function lease() {
  const parts = [changed(HEAD), changed(CLAIMS), Buffer.alloc(64)].map(base64);
  if (below(3)) parts[0] = base64(JSON.stringify(HEAD));
  const jws = parts.slice(0, below(20) ? 3 : 2).join(".");
  return below(10) ? jws : broken(jws).toString("latin1");
}

const begin = performance.now();
const end = begin + seconds * 1000;
let [executions, accepted] = [0, 0];
try {
  while (performance.now() < end && executions < longest) {
    for (let i = 0; i < 1_000; i++) {
      globalThis.jws = lease();
      const verdict = await verify(globalThis.jws, options, "example.cybozu.com");
      executions++;
      if (!verdict.lease) {
        assert(FLAWS.includes(verdict.why), verdict.why);
        continue;
      }
      accepted++;
      const { exp, iat } = verdict.lease;
      assert(Number.isSafeInteger(exp) && Number.isSafeInteger(iat));
      assert.equal(verdict.lease.sub, "example.cybozu.com");
      for (const now of [0, 1795309391000, exp * 1000 - 1, exp * 1000, exp * 1000 + 1, 8.64e15]) {
        const held = stateAt(verdict.lease, now);
        if (!held) continue;
        assert(CODES.includes(held.code));
        assert.equal(held.usable, held.code === "VALID" || held.code === "GRACE");
        assert(!held.usable || now < exp * 1000, "usable after its hard stop");
        assert(held.until === undefined || Date.parse(held.until) > now, "it changes in the past");
      }
    }
  }
} catch (error) {
  console.error(`lease.mjs: seed ${seed}, after ${executions}: ${globalThis.jws}`);
  throw error;
}
assert(accepted > executions / 100, "hardly any lease was read");
const rate = Math.round((executions / (performance.now() - begin)) * 1000);
console.log(`lease.mjs: ${executions} executed (${rate} a second), ${accepted} of them read as leases (seed ${seed})`);
