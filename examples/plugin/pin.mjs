// Writes vendor.json: the addresses of your stack, and the public keys that the plug-in pins.
//
// usage: npm run pin -- PRODUCT API CDN ISSUER     a stack; `tegata dev` has API and CDN at one address

import { writeFileSync } from "node:fs";

const [product, api, cdn, issuer] = process.argv.slice(2);
if (!issuer) {
  console.error("usage: npm run pin -- PRODUCT API CDN ISSUER");
  process.exit(2);
}

async function keys(name) {
  const address = new URL(`/.well-known/${name}`, cdn);
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: ${response.status}`);
  const { keys } = await response.json();
  console.log(`${address}: ${keys.map(({ kid }) => kid).join(", ")}`);
  return keys.map(({ kty, crv, x, y, kid }) => ({ kty, crv, x, y, kid }));
}

const vendor = {
  ...{ product, api, cdn, issuer },
  licenseKeys: await keys("jwks.json"),
  releaseKeys: await keys("release-keys.json"),
};
writeFileSync(new URL("vendor.json", import.meta.url), `${JSON.stringify(vendor, null, 2)}\n`);
