// Fuzzes the loader's reading of a release document: the signature is taken for good, so that what is
// behind it meets what an authentic document never has.
//
// usage: node tests/fuzz/release.mjs [SECONDS | --executions N] [SEED]
//
// Nothing may be thrown but a flaw that is documented; and what is accepted names versions and files
// whose addresses are below the product's, and decides for a tenant.

import assert from "node:assert/strict";
import { client, fuzz } from "./jws.mjs";

const { verifyRelease, isInStage } = await client("release");

const FLAWS = ["forged", "unknown_key", "wrong_product", "wrong_issuer", "malformed"];
const key = { kty: "EC", crv: "P-256", x: "x", y: "y", kid: "kid" };
const signer = { product: "sheet", keys: [key], issuer: "https://license.example.com" };
const HEAD = { alg: "ES256", kid: "kid", typ: "release+jwt" };
const files = { "plugin.min.js": `sha384-${"A".repeat(64)}`, "chunk/a.js": `sha384-${"B".repeat(64)}` };
const CLAIMS = {
  iss: signer.issuer, aud: "sheet", iat: 1796000000, version: "1.9.0", files, notice: "2026-12-05-sheet-1.9.0",
  from: 1796000400, stage: { percent: 10, tenants: ["9ffcc6e684108cabdd4272274a357104"] }, before: { version: "1.8.0", files },
};

await fuzz(HEAD, CLAIMS, ["from", "stage", "before"], async (text) => {
  const document = await verifyRelease(text, signer).catch((flaw) => assert(FLAWS.includes(flaw), flaw));
  if (!document) return false;
  assert.equal(document.text, text);
  assert.equal(document.aud, "sheet");
  assert(Number.isSafeInteger(document.iat) && Number.isSafeInteger(document.from ?? 0));
  for (const { version, files } of [document, document.before ?? document]) {
    assert.equal(typeof version, "string");
    for (const path in files) assert(new URL(`https://cdn.example.com/sheet/${version}/${path}`).host === "cdn.example.com");
  }
  if (document.stage) assert.equal(typeof (await isInStage(document, "example.cybozu.com")), "boolean");
  return true;
});
