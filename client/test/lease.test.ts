// Which leases are authentic, and what they say at an instant.

import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { stateAt, verify, type Claims } from "../src/lease.js";
import type { Key, Options } from "../src/types.js";
import { b64, claims, lease, signer, signers } from "./world.js";

const options = {
  product: "sheet",
  endpoint: "",
  keys: [signers.old.jwk, signers.next.jwk],
  issuer: "https://license.example.com",
} satisfies Options;

const judge = (jws: string, changes: Partial<Options> = {}, domain = "example.cybozu.com") =>
  verify(jws, { ...options, ...changes }, domain);

const parts = async () => (await lease()).split(".") as [string, string, string];

describe("an authentic lease", () => {
  it.each(Object.values(signers))("is accepted by either pinned key", async (by) => {
    expect(await judge(await lease({}, by))).toEqual({ lease: claims() });
  });

  it("may have text that is not ASCII, and no issuer to be checked against", async () => {
    const jws = await lease({ edition: "スタンダード", iss: "anybody" });
    expect((await judge(jws, { issuer: undefined })).lease?.edition).toBe("スタンダード");
  });

  it("may have a suspension and be a trial", async () => {
    const suspended_from = "2026-12-01T00:00:00+09:00";
    expect(await judge(await lease({ suspended_from, kind: "trial" }))).toHaveProperty("lease");
  });
});

describe("a signature", () => {
  it("does not cover other claims", async () => {
    const [head, , tail] = await parts();
    const body = b64(JSON.stringify(claims({ valid_until: "2099-01-01T00:00:00+09:00" })));
    expect(await judge(`${head}.${body}.${tail}`)).toEqual({ why: "forged" });
  });

  it.each(["none", "HS256", "ES384", "ES256K", "es256", "", null, undefined, ["ES256"]])(
    "is of no algorithm but ES256, so not %j",
    async (alg) => {
      expect(await judge(await lease({}, signers.old, { alg }))).toEqual({ why: "forged" });
    },
  );

  it("is not absent", async () => {
    const head = b64(JSON.stringify({ alg: "none", typ: "license+jwt", kid: "2026-a" }));
    const [, body] = await parts();
    expect(await judge(`${head}.${body}.`)).toEqual({ why: "forged" });
    expect(await judge(`${(await parts())[0]}.${body}.`)).toEqual({ why: "forged" });
  });

  it("is not an HMAC with the public key", async () => {
    const head = b64(JSON.stringify({ alg: "HS256", kid: "2026-a", typ: "license+jwt" }));
    const input = `${head}.${b64(JSON.stringify(claims()))}`;
    for (const secret of [JSON.stringify(signers.old.jwk), signers.old.jwk.x]) {
      const mac = createHmac("sha256", secret).update(input).digest();
      expect(await judge(`${input}.${b64(mac)}`)).toEqual({ why: "forged" });
      expect(await judge(`${input}.${b64(Buffer.concat([mac, mac]))}`)).toEqual({ why: "forged" });
    }
  });

  it("is not zeros, nor DER, nor cut, nor longer", async () => {
    const [head, body, tail] = await parts();
    const raw = Buffer.from(tail, "base64url");
    const integer = (half: Buffer) => {
      const bytes = half[0]! & 0x80 ? Buffer.concat([Buffer.from([0]), half]) : half;
      return Buffer.concat([Buffer.from([2, bytes.length]), bytes]);
    };
    const rs = Buffer.concat([integer(raw.subarray(0, 32)), integer(raw.subarray(32))]);
    for (const signature of [
      Buffer.alloc(64),
      Buffer.alloc(0),
      Buffer.concat([Buffer.from([0x30, rs.length]), rs]),
      raw.subarray(0, 63),
      Buffer.concat([raw, Buffer.alloc(1)]),
    ]) {
      expect(await judge(`${head}.${body}.${b64(signature)}`)).toEqual({ why: "forged" });
    }
  });
});

describe("the compact form", () => {
  it("is base64url without padding, in its one spelling, and in three parts", async () => {
    const [head, body, tail] = await parts();
    const standard = Buffer.from(tail, "base64url").toString("base64").replace(/=/g, "");
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const unused = alphabet[alphabet.indexOf(tail.at(-1)!) + 1];
    for (const jws of [
      `${head}.${body}.${tail}==`,
      `${head}.${body}.${tail.slice(0, -1)}${unused}`,
      `${head}.${body}.${tail}\n`,
      ` ${head}.${body}.${tail}`,
      `${head}.${body}.${tail}.`,
      `${head}.${body}.${tail}.${tail}`,
      `${head}.${body}`,
      `${head}..${tail}`,
      "",
      "..",
      "<!doctype html>",
    ]) {
      expect(await judge(jws), jws).toEqual({ why: "forged" });
    }
    expect(standard).toHaveLength(86);
    if (/[+/]/.test(standard)) {
      expect(await judge(`${head}.${body}.${standard}`)).toEqual({ why: "forged" });
    }
  });

  it("is refused in base64's other alphabet", async () => {
    // Until a signature has a character in which the alphabets differ.
    for (;;) {
      const jws = await lease();
      const tail = jws.split(".")[2]!;
      if (/[-_]/.test(tail)) {
        const other = jws.slice(0, -tail.length) + tail.replace(/-/g, "+").replace(/_/g, "/");
        expect(await judge(jws)).toHaveProperty("lease");
        expect(await judge(other)).toEqual({ why: "forged" });
        break;
      }
    }
  });

  it("is a text", async () => {
    for (const jws of [undefined, null, 5, {}, ["a.b.c"]]) {
      expect(await judge(jws as never)).toEqual({ why: "forged" });
    }
  });
});

describe("the header", () => {
  it.each(["JWT", "jwt", "LICENSE+JWT", "application/license+jwt", undefined, null])(
    "has the type license+jwt, not %j",
    async (typ) => {
      expect(await judge(await lease({}, signers.old, { typ }))).toEqual({ why: "forged" });
    },
  );

  it("has nothing else, such as what might change how the rest is read", async () => {
    const mallory = await signer("2026-a");
    for (const [by, header] of [
      [signers.old, { crit: [] }],
      [signers.old, { crit: ["exp"], exp: 1 }],
      [signers.old, { b64: false, crit: ["b64"] }],
      [signers.old, { b64: true }],
      [mallory, { jwk: mallory.jwk }],
      [mallory, { jku: "https://evil.example/jwks.json" }],
      [mallory, { x5c: ["MII"] }],
    ] as const) {
      expect(await judge(await lease({}, by, header)), JSON.stringify(header)).toEqual({
        why: "forged",
      });
    }
  });

  it("names a pinned key", async () => {
    const stranger = await signer("2027-a");
    expect(await judge(await lease({}, stranger))).toEqual({ why: "unknown_key" });
    for (const kid of [undefined, null, "", ["2026-a"], { toString: 1 }]) {
      const jws = await lease({}, signers.old, { kid });
      expect(await judge(jws), JSON.stringify(kid)).toEqual({ why: "unknown_key" });
    }
  });

  it("does not pass for one without kid where a pinned key has none either", async () => {
    const { kid: _, ...nameless } = signers.old.jwk;
    const jws = await lease({}, signers.old, { kid: undefined });
    const verdict = await judge(jws, { keys: [nameless as Key] });
    expect(verdict).toEqual({ why: "unknown_key" });
  });
});

describe("a pinned key", () => {
  it("that another signed with is not the named one", async () => {
    const jws = await lease({}, signers.next, { kid: signers.old.jwk.kid });
    expect(await judge(jws)).toEqual({ why: "forged" });
  });

  it("is the only one of its kid", async () => {
    const keys = [signers.old.jwk, { ...signers.next.jwk, kid: signers.old.jwk.kid }];
    expect(await judge(await lease(), { keys })).toEqual({ why: "unknown_key" });
  });

  it("is on P-256", async () => {
    const p384 = await signer("big", "P-384");
    expect(await judge(await lease({}, p384), { keys: [p384.jwk] })).toEqual({
      why: "unknown_key",
    });
  });

  it("is an elliptic one, and on its curve", async () => {
    for (const change of [{ kty: "oct" }, { kty: "RSA" }, { x: signers.next.jwk.x }, { y: "" }]) {
      const keys = [{ ...signers.old.jwk, ...change }];
      expect(await judge(await lease(), { keys })).toEqual({ why: "unknown_key" });
    }
  });

  it("counts by its point, whatever else its JWK says", async () => {
    const keys = [{ ...signers.old.jwk, key_ops: ["sign"], use: "enc", alg: "ES512", ext: false }];
    expect(await judge(await lease(), { keys })).toHaveProperty("lease");
  });

  it("may be the only one, and is missed when it is gone", async () => {
    expect(await judge(await lease(), { keys: [signers.old.jwk] })).toHaveProperty("lease");
    expect(await judge(await lease(), { keys: [signers.next.jwk] })).toEqual({
      why: "unknown_key",
    });
  });
});

describe("whom it is by and about", () => {
  it.each([
    [{ aud: "grid" }, "wrong_product"],
    [{ aud: ["sheet"] }, "wrong_product"],
    [{ aud: undefined }, "wrong_product"],
    [{ sub: "other.cybozu.com" }, "wrong_tenant"],
    [{ sub: "example.s.cybozu.com" }, "wrong_tenant"],
    [{ sub: ["example.cybozu.com"] }, "wrong_tenant"],
    [{ sub: undefined }, "wrong_tenant"],
    [{ iss: "https://evil.example" }, "wrong_issuer"],
    [{ iss: undefined }, "wrong_issuer"],
  ])("%j is %s", async (changes, why) => {
    expect(await judge(await lease(changes))).toEqual({ why });
  });
});

describe("claims", () => {
  it.each([
    ["iat", "1795000000"],
    ["iat", undefined],
    ["iat", 1.5],
    ["exp", null],
    ["exp", "2026-12-01T00:00:00+09:00"],
    ["usable_from", undefined],
    ["usable_from", 1795000000],
    ["valid_until", null],
    ["valid_until", "2027-13-01T09:00:00+09:00"],
    ["grace_until", "soon"],
    ["grace_until", undefined],
    ["suspended_from", "never"],
  ])("%s is not %j", async (name, value) => {
    expect(await judge(await lease({ [name]: value }))).toEqual({ why: "malformed" });
  });

  it("are an object", async () => {
    const [head] = await parts();
    for (const text of ["null", "[]", "5", "{"]) {
      const input = `${head}.${b64(text)}`;
      const verdict = await judge(`${input}.${b64(await signers.old.sign(input))}`);
      expect(verdict.lease, text).toBeUndefined();
    }
  });
});

describe("a lease says at an instant", () => {
  const at = Date.parse;
  const bounds = {
    usable_from: "2026-10-03T10:00:00+09:00",
    valid_until: "2027-11-01T09:00:00+09:00",
    grace_until: "2027-11-08T09:00:00+09:00",
    exp: at("2028-01-01T00:00:00Z") / 1000,
  };
  const says = (now: number, changes: Record<string, unknown> = {}) =>
    stateAt({ ...claims(), ...bounds, ...changes } as unknown as Claims, now);
  const suspended_from = "2027-01-01T00:00:00+09:00";

  it.each([
    [at(bounds.usable_from) - 1, "NOT_STARTED", false, bounds.usable_from],
    [at(bounds.usable_from), "VALID", true, bounds.valid_until],
    [at(bounds.valid_until) - 1, "VALID", true, bounds.valid_until],
    [at(bounds.valid_until), "GRACE", true, bounds.grace_until],
    [at(bounds.grace_until) - 1, "GRACE", true, bounds.grace_until],
    [at(bounds.grace_until), "EXPIRED", false, undefined],
  ])("%d: %s", (now, code, usable, until) => {
    expect(says(now)).toEqual({ code, usable, until });
  });

  it.each([
    [at(suspended_from) - 1, "VALID", suspended_from],
    [at(suspended_from), "SUSPENDED", undefined],
    [at(bounds.grace_until), "SUSPENDED", undefined],
  ])("%d: %s if it is suspended", (now, code, until) => {
    expect(says(now, { suspended_from })).toEqual({ code, usable: code === "VALID", until });
  });

  it("a suspension before the start comes first, and one after the end of VALID later", () => {
    const early = { suspended_from: "2026-01-01T00:00:00+09:00" };
    expect(says(at(early.suspended_from), early)?.code).toBe("SUSPENDED");
    const late = { suspended_from: "2027-11-05T00:00:00+09:00" };
    expect(says(at(bounds.usable_from), late)?.until).toBe(bounds.valid_until);
    expect(says(at(bounds.valid_until), late)?.until).toBe(late.suspended_from);
  });

  it("nothing from its hard stop on, unless it is a denial", () => {
    const stop = at("2027-02-01T00:00:00Z");
    const exp = stop / 1000;
    expect(says(stop - 1, { exp })?.code).toBe("VALID");
    expect(says(stop, { exp })).toBeUndefined();
    expect(says(at(bounds.valid_until), { exp })).toBeUndefined();
    expect(says(at(bounds.grace_until), { exp })?.code).toBe("EXPIRED");
    expect(says(at(suspended_from), { exp: 1, suspended_from })?.code).toBe("SUSPENDED");
    expect(says(at(bounds.usable_from) - 1, { exp: 1 })?.code).toBe("NOT_STARTED");
  });
});
