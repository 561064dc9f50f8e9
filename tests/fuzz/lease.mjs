// Fuzzes the client's reading of a lease: the signature is taken for good, so that what is behind it
// meets what an authentic lease never has.
//
// usage: node tests/fuzz/lease.mjs [SECONDS | --executions N] [SEED]
//
// Nothing may be thrown; a flaw is one of those that are documented; and what is read decides as the
// rules say: usable between two instants, and never from its hard stop on.

import assert from "node:assert/strict";
import { client, fuzz } from "./jws.mjs";

const { verify, stateAt } = await client("lease");

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

await fuzz(HEAD, CLAIMS, ["suspended_from"], async (jws) => {
  const verdict = await verify(jws, options, "example.cybozu.com");
  if (!verdict.lease) {
    assert(FLAWS.includes(verdict.why), verdict.why);
    return false;
  }
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
  return true;
});
