// Makes private.ppk, which signs the plug-in's zip: the plug-in's id in kintone is its public key's hash.
// Keep it: with another key an update is another plug-in.

import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";

const { privateKey } = generateKeyPairSync("rsa", {
  // What kintone-plugin-packer makes.
  modulusLength: 1024,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs1", format: "pem" },
});
writeFileSync(new URL("private.ppk", import.meta.url), privateKey, { mode: 0o600, flag: "wx" });
