// The support code, against vectors that the service's reader (crates/common/src/support_code.rs) is held to
// as well.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { License } from "../src/index.js";
import { supportCode } from "../src/support.js";
import { DAY, HOUR, hours, lease, seconds, signer, World } from "./world.js";

interface Vector {
  what: string;
  text: string;
  at: string;
  code: string;
  reason: string;
  product: string;
  domain: string;
  version: string;
  keys: string[];
  signed: string;
}
const { read }: { read: Vector[] } = JSON.parse(
  readFileSync(new URL("vectors/support-codes.json", import.meta.url), "utf8"),
);

const version = "2.0.0";
/** What happens to a customer, by the vector's name. */
const stories: Record<string, (world: World) => Promise<License>> = {
  "a licence that has ended": async (world) => {
    await world.grants({ valid_until: hours(-241), grace_until: hours(-73), exp: seconds(-73) });
    return world.visit({ version });
  },
  "no answer, and a lease in the cache": async (world) => {
    await world.grants();
    await world.visit({ version });
    world.vanishes();
    world.pass(25 * HOUR);
    await world.visit({ version });
    return world.visit({ version });
  },
  "no contract, a version that is not given": async (world) => {
    world.fails(404, "NOT_FOUND");
    return world.visit();
  },
  "a key that is not pinned": async (world) => {
    const jws = await lease({}, await signer("2027-a"));
    world.service = () => [JSON.stringify({ lease: jws }), 200];
    return world.visit({ version });
  },
  "a fault of the environment": async (world) => {
    world.storage.mode = "blocked";
    world.location.hostname = "a-tenant.s.kintone.com";
    const kintone = {
      getLoginUser: () => ({ language: "ja" }),
      proxy: () => {
        throw new Error("kintone.proxy: invalid argument");
      },
    };
    return world.visit({ version: "3.0.0-rc.1", kintone });
  },
};

describe("the support code", () => {
  it.each(read)("of $what", async ({ what, text, at, code, reason, product, domain, version, keys, signed }) => {
    expect(supportCode(1, at, code, reason, product, domain, version, keys.join(), signed)).toBe(text);
    const license = await stories[what]!(new World());
    expect(license.supportCode).toBe(text);
    expect(license.message.admin.endsWith(`\nサポートコード：${text}`)).toBe(true);
    expect(license.message.user).not.toContain(text);
  });

  it("is not told to the administrator of a licence that is fine", async () => {
    const world = new World();
    await world.grants();
    const { message, supportCode } = await world.visit();
    expect(supportCode).toMatch(/^1\/.*\/VALID\/lease\/sheet\//);
    expect(message.admin).not.toContain(supportCode);
  });

  it("has no serial in it, and nothing of the storage but known words and instants", async () => {
    const world = new World();
    const serial = "ABCD-EFGH-IJKL-2345";
    world.fails(404, "NOT_FOUND");
    expect((await world.visit({ serial })).supportCode).not.toContain("ABCD");
    for (const planted of [{ why: "<b>/x" }, { why: "offline", kintone: 9e99, offline: 1 }, { kintone: -9e15, pc: 8e15 }]) {
      world.storage.items.set(world.key, JSON.stringify(planted));
      const { supportCode, reason } = await world.visit({ serial });
      expect(supportCode.split("/")).toHaveLength(10);
      expect(reason).not.toBe("error");
    }
    world.pass(DAY);
  });
});
