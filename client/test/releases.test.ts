// The vectors that the vendor's side writes (crates/signing/tests/release_vectors.rs): this side reads
// the same documents as it does, and finds the same tenants in a stage.

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { isInStage, verifyRelease } from "../src/release.js";

const vectors = JSON.parse(
  readFileSync(new URL("vectors/releases.json", import.meta.url), "utf8"),
);
const signer = { product: vectors.product, keys: vectors.keys.keys };
const verdict = (jws: string) => verifyRelease(jws, signer).then(() => "valid", String);

describe("release documents", () => {
  test.each(vectors.documents as { name: string; jws: string; verdict: string }[])(
    "$name",
    async ({ jws, verdict: expected }) => {
      expect(await verdict(jws)).toBe(expected);
    },
  );
});

describe("a tenant's number", () => {
  test.each(vectors.numbers as { version: string; domain: string; number: string; belongs_to: Record<string, boolean> }[])(
    "of $domain in $version",
    async ({ version, domain, number, belongs_to }) => {
      const claims = { iss: "", aud: "sheet", iat: 0, version, files: {} };
      for (const [percent, expected] of Object.entries(belongs_to)) {
        const stage = { percent: Number(percent) };
        expect(await isInStage({ ...claims, stage }, domain), percent).toBe(expected);
      }
      expect(await isInStage({ ...claims, stage: { tenants: [number] } }, domain)).toBe(true);
      expect(await isInStage({ ...claims, stage: { tenants: [number.replace(/./, "g")] } }, domain)).toBe(false);
    },
  );
});

test("who runs what of a document", async () => {
  const { jws } = vectors.documents.find(({ name }: { name: string }) => name === vectors.runs.document);
  const document = await verifyRelease(jws, signer);
  for (const { domain, at, version } of vectors.runs.cases) {
    const counts = document.from! <= at && (await isInStage(document, domain));
    expect((counts ? document : document.before!).version, `${domain} at ${at}`).toBe(version);
  }
});
