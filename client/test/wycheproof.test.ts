// Signatures that verifiers have got wrong before, by Project Wycheproof: ECDSA on P-256 with
// SHA-256, in the encoding of a JWS (IEEE P1363). And the ways in which its JWS vectors are wrong,
// done to a lease.

import { readFileSync } from "node:fs";
import { createHmac, webcrypto } from "node:crypto";
import { afterEach, describe, expect, it, vi } from "vitest";
import { verify } from "../src/lease.js";
import type { Key } from "../src/types.js";
import { b64, claims, lease, signer, signers } from "./world.js";

type Test = [id: number, comment: string, message: string, signature: string, result: string];
const { groups } = JSON.parse(
  readFileSync(new URL("vectors/ecdsa_p256_sha256_p1363.json", import.meta.url), "utf8"),
) as { groups: { x: string; y: string; tests: Test[] }[] };

const judge = (jws: string, keys: Key[]) =>
  verify(jws, { product: "sheet", endpoint: "", keys }, "example.cybozu.com");

afterEach(() => vi.unstubAllGlobals());

describe("Wycheproof's vectors of ECDSA", () => {
  it("are all there", () => {
    const results = groups.flatMap(({ tests }) => tests.map((test) => test[4]));
    expect(results).toHaveLength(262);
    expect(new Set(results)).toEqual(new Set(["valid", "invalid"]));
  });

  it.each(groups.map((group, number) => [number, group] as const))(
    "by key %i are judged as they are to be",
    async (_, { x, y, tests }) => {
      const hex = (digits: string) => b64(Buffer.from(digits, "hex"));
      const key: Key = { kty: "EC", crv: "P-256", x: hex(x), y: hex(y), kid: "vector" };
      const head = b64(JSON.stringify({ alg: "ES256", kid: "vector", typ: "license+jwt" }));
      const body = b64(JSON.stringify(claims()));
      for (const [id, comment, message, signature, result] of tests) {
        // What is signed is the vector's message: a lease cannot be it.
        const { subtle } = webcrypto;
        vi.stubGlobal("crypto", {
          subtle: {
            importKey: subtle.importKey.bind(subtle),
            verify: (algorithm: never, key: never, signature: never, signed: Uint8Array) => {
              expect(new TextDecoder().decode(signed)).toBe(`${head}.${body}`);
              return subtle.verify(algorithm, key, signature, Buffer.from(message, "hex"));
            },
          },
        });
        const verdict = await judge(`${head}.${body}.${hex(signature)}`, [key]);
        const expected = result === "valid" ? { lease: claims() } : { why: "forged" };
        expect(verdict, `${id}: ${comment}`).toEqual(expected);
      }
    },
  );

  it("of another size are refused, also where WebCrypto takes them", async () => {
    // As Firefox 153 does: r and s are the halves of what it is given.
    const { subtle } = webcrypto;
    vi.stubGlobal("crypto", {
      subtle: { importKey: subtle.importKey.bind(subtle), verify: async () => true },
    });
    const [head, body] = (await lease()).split(".");
    const judged = (size: number) =>
      judge(`${head}.${body}.${b64(Buffer.alloc(size, 1))}`, [signers.old.jwk]);
    for (const size of [0, 2, 62, 63, 65, 66, 70]) {
      expect(await judged(size), String(size)).toEqual({ why: "forged" });
    }
    expect(await judged(64)).toEqual({ lease: claims() });
  });
});

describe("a lease with the faults of Wycheproof's vectors of JWS", async () => {
  const jws = await lease();
  const [head, body, tail] = jws.split(".") as [string, string, string];
  const other = (text: string) => (text[0] === "X" ? "Y" : "X") + text.slice(1);
  const none = b64(JSON.stringify({ alg: "none", kid: "2026-a", typ: "license+jwt" }));
  const hmac = b64(JSON.stringify({ alg: "HS256", kid: "2026-a", typ: "license+jwt" }));
  const mac = (secret: string | Buffer) =>
    b64(createHmac("sha256", secret).update(`${hmac}.${body}`).digest());
  const { x, y } = signers.old.jwk;
  const point = Buffer.concat([x, y].map((half) => Buffer.from(half, "base64url")));
  const mallory = await signer("2026-a");

  it.each([
    ["modified signature", `${head}.${body}.${other(tail)}`],
    ["missing signature", `${head}.${body}.`],
    ["missing signature and separator", `${head}.${body}`],
    ["modified payload", `${head}.${other(body)}.${tail}`],
    ["missing payload", `${head}..${tail}`],
    ["missing payload and separator", `${head}.${tail}`],
    ["modified header", `${other(head)}.${body}.${tail}`],
    ["missing header", `.${body}.${tail}`],
    ["missing header and separator", `${body}.${tail}`],
    ["missing header and signature", `.${body}.`],
    ["missing header, signature and separators", body],
    ["empty string", ""],
    ["extra empty component", `${jws}.`],
    ["extra component", `${jws}.foo`],
    ["no algorithm and no signature", `${none}.${body}.`],
    ["no algorithm, and the signature", `${none}.${body}.${tail}`],
    ["JSON serialization", JSON.stringify({ payload: body, signatures: [{ protected: head, signature: tail }] })],
    ["flattened JSON serialization", JSON.stringify({ payload: body, protected: head, signature: tail })],
    ["an HMAC with the key's point", `${hmac}.${body}.${mac(point)}`],
    ["an HMAC with the key's uncompressed point", `${hmac}.${body}.${mac(Buffer.concat([Buffer.from([4]), point]))}`],
    ["an HMAC with the key's JWK", `${hmac}.${body}.${mac(JSON.stringify(signers.old.jwk))}`],
    ["a key of the attacker's in the header", await lease({}, mallory, { jwk: mallory.jwk })],
  ])("is refused: %s", async (_, broken) => {
    expect(await judge(jws, [signers.old.jwk])).toEqual({ lease: claims() });
    expect(await judge(broken, [signers.old.jwk])).toEqual({ why: "forged" });
  });
});
