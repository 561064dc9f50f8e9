// What is remembered between pages, and what is done where nothing can be.

import { beforeEach, describe, expect, it } from "vitest";
import { DAY, HOUR, START, World, lease, settle, signer } from "./world.js";

let world: World;
beforeEach(() => {
  world = new World();
});

describe("the memo", () => {
  it("is one text per product and tenant, without the serial", async () => {
    const jws = await world.grants();
    await world.visit({ serial: "ABCD1234ABCD1234" });
    expect([...world.storage.items.keys()]).toEqual(["tegata/1/sheet/example.cybozu.com"]);
    expect(world.memo).toEqual({
      lease: jws,
      why: "",
      kintone: START,
      pc: START,
      refresh: START + DAY,
      offline: 0,
      failed: 0,
    });
    expect(JSON.stringify([...world.storage.items])).not.toContain("ABCD");
  });

  it("keeps products and tenants apart", async () => {
    await world.grants();
    await world.visit();
    world.fails(404, "NOT_FOUND");
    expect((await world.visit({ product: "grid" })).code).toBe("NOT_FOUND");
    world.location.hostname = "other.cybozu.com";
    expect((await world.visit()).code).toBe("NOT_FOUND");
    world.location.hostname = "example.s.cybozu.com";
    expect((await world.visit()).code).toBe("VALID");
  });

  const forged = async () => ({ lease: await lease({ users: 9 }, await signer("2026-a")) });
  it.each([
    ["no JSON", async () => "{"],
    ["null", async () => "null"],
    ["a list", async () => "[]"],
    ["a number", async () => "5"],
    ["of other types", async () => JSON.stringify({ lease: 5, why: 1, refresh: "9", offline: {} })],
    ["by somebody else", async () => JSON.stringify(await forged())],
  ])("is as good as none if it is %s", async (_, text) => {
    world.storage.items.set(world.key, await text());
    const jws = await world.grants();
    expect(await world.visit()).toMatchObject({ code: "VALID", source: "network" });
    expect(world.memo).toMatchObject({ lease: jws, refresh: START + DAY, offline: 0 });
  });

  it("opens nothing that it claims without a signature", async () => {
    world.fails(404, "NOT_FOUND");
    for (const claim of [
      { code: "VALID", usable: true },
      { ...(await forged()), refresh: START + HOUR, kintone: START, pc: START },
      { why: "lease", refresh: START + HOUR, kintone: START, pc: START },
      { why: "constructor", refresh: START + HOUR, kintone: START, pc: START },
      { why: "", refresh: START + HOUR, kintone: START, pc: START },
    ]) {
      world.storage.items.set(world.key, JSON.stringify(claim));
      expect(await world.visit(), JSON.stringify(claim)).toMatchObject({ usable: false });
    }
  });

  it("of another tenant is worth nothing under this one's name", async () => {
    world.location.hostname = "paying.cybozu.com";
    await world.grants({ sub: "paying.cybozu.com" });
    expect((await world.visit()).code).toBe("VALID");
    const memo = world.storage.items.get("tegata/1/sheet/paying.cybozu.com")!;
    world.location.hostname = "example.cybozu.com";
    world.storage.items.set(world.key, memo);
    expect((await world.visit()).usable).toBe(false);
  });
});

describe.each(["blocked", "full"] as const)("storage that is %s", (mode) => {
  beforeEach(() => {
    world.storage.mode = mode;
  });

  it("is replaced by the page's memory", async () => {
    await world.grants();
    const page = await world.open();
    expect(await page.check()).toMatchObject({ code: "VALID", source: "network" });
    expect(await page.check()).toMatchObject({ code: "VALID", source: "cache" });
    await settle();
    expect(world.requests).toHaveLength(1);
    expect(await world.visit()).toMatchObject({ code: "VALID", source: "network" });
    expect(world.requests).toHaveLength(2);
  });

  it("cannot count the hours of silence: the customer works on", async () => {
    world.vanishes();
    await world.visit();
    world.pass(100 * HOUR);
    expect(await world.visit()).toMatchObject({ usable: true, code: "UNREACHABLE" });
  });

  it("opens nothing that was forged, and counts within the page", async () => {
    world.service = () => ["{}", 200];
    expect(await world.visit()).toMatchObject({ usable: false, reason: "forged" });
    world.vanishes();
    const page = await world.open();
    expect((await page.check()).usable).toBe(true);
    await settle();
    world.pass(72 * HOUR);
    expect((await page.check()).usable).toBe(false);
  });
});

it("what was only in the page's memory is stored as soon as there is room", async () => {
  world.storage.mode = "full";
  const jws = await world.grants();
  const page = await world.open();
  await page.check();
  await settle();
  expect(world.memo).toEqual({});
  world.storage.mode = "works";
  await page.check();
  await settle();
  expect(world.memo.lease).toBe(jws);
  // From then on it is storage that counts, which other tabs write, too.
  world.storage.items.clear();
  world.fails(404, "NOT_FOUND");
  expect((await page.check()).code).toBe("NOT_FOUND");
});
