// From what is cached and what arrives to one result.

import { beforeEach, describe, expect, it, vi } from "vitest";
import type { License, Options } from "../src/index.js";
import { DAY, HOUR, START, World, hours, japan, lease, seconds, settle, signer, signers } from "./world.js";

let world: World;
beforeEach(() => {
  world = new World();
});

const short = ({ usable, code, reason, source }: License) => ({ usable, code, reason, source });

/** Claims by which each code holds at the start. */
const CODES = {
  VALID: {},
  GRACE: { valid_until: hours(-48), grace_until: hours(120), exp: seconds(120) },
  EXPIRED: { valid_until: hours(-240), grace_until: hours(-72), exp: seconds(-72) },
  SUSPENDED: { suspended_from: hours(-30) },
  NOT_STARTED: { usable_from: hours(30) },
} as const;

describe("a lease from the network", () => {
  it.each(Object.entries(CODES))("says %s, and says it again from the cache", async (code, is) => {
    await world.grants(is);
    const usable = code === "VALID" || code === "GRACE";
    const first = await world.visit();
    expect(short(first)).toEqual({ usable, code, reason: "lease", source: "network" });
    const again = await world.visit();
    expect(short(again)).toEqual({ usable, code, reason: "lease", source: "cache" });
    expect(world.requests).toHaveLength(1);
    expect({ ...again, source: "network" }).toEqual(first);
  });

  it("tells when its code changes by itself", async () => {
    const until = async (changes: Record<string, unknown>) => {
      world = new World();
      await world.grants(changes);
      return (await world.visit()).until?.getTime() ?? null;
    };
    expect(await until({})).toBe(Date.parse("2027-11-01T09:00:00+09:00"));
    expect(await until(CODES.GRACE)).toBe(START + 120 * HOUR);
    expect(await until(CODES.NOT_STARTED)).toBe(START + 30 * HOUR);
    expect(await until({ suspended_from: hours(50) })).toBe(START + 50 * HOUR);
    expect(await until(CODES.EXPIRED)).toBeNull();
    expect(await until(CODES.SUSPENDED)).toBeNull();
  });

  it("tells what is licensed", async () => {
    await world.grants({ kind: "trial", edition: "light", users: 7, quotas: { sheets: 3 } });
    expect((await world.visit()).license).toMatchObject({
      kind: "trial",
      edition: "light",
      users: 7,
      quotas: { sheets: 3 },
      term: { starts_on: "2026-11-01", ends_on: "2027-10-31" },
    });
  });

  it("counts, and not the unsigned code beside it", async () => {
    await world.grants(CODES.SUSPENDED, { code: "VALID", usable: true });
    expect((await world.visit()).code).toBe("SUSPENDED");
  });

  it.each(["GRACE", "NOT_STARTED"] as const)("goes on by kintone's clock from %s", async (code) => {
    await world.grants(CODES[code]);
    await world.visit();
    world.vanishes();
    world.pass(code === "GRACE" ? 120 * HOUR : 30 * HOUR);
    expect((await world.visit()).code).toBe(code === "GRACE" ? "EXPIRED" : "VALID");
  });
});

describe("no answer, and no lease", () => {
  const ways: [string, (world: World) => void, string][] = [
    ["a network that is down", (w) => w.vanishes(), "offline"],
    ["429", (w) => w.fails(429), "throttled"],
    ["500", (w) => w.fails(500), "unavailable"],
    ["503", (w) => w.fails(503), "unavailable"],
    ["400", (w) => w.fails(400, "OTHER"), "refused"],
    ["403", (w) => w.fails(403, "SOURCE_NOT_ALLOWED"), "refused"],
    ["the gateway's own 404", (w) => (w.service = () => ['{"message":"Not Found"}', 404]), "refused"],
    ["another 404", (w) => (w.service = () => ["null", 404]), "refused"],
    ["an unreadable 503", (w) => (w.service = () => ["<html>", 503]), "unavailable"],
  ];

  it.each(ways)("%s lets the customer work for 72 hours", async (_, happens, reason) => {
    happens(world);
    const first = await world.visit();
    expect(short(first)).toEqual({ usable: true, code: "UNREACHABLE", reason, source: "none" });
    expect(first.until?.getTime()).toBe(START + 72 * HOUR);

    world.pass(72 * HOUR - 1);
    expect(short(await world.visit())).toEqual(short(first));
    world.pass(1);
    const last = await world.visit();
    expect(short(last)).toEqual({ usable: false, code: "UNREACHABLE", reason, source: "none" });
    expect(last.until).toBeNull();
    world.pass(3 * DAY);
    expect((await world.visit()).usable).toBe(false);
  });

  it("counts the hours anew after a success, and only then", async () => {
    world.vanishes();
    await world.visit();
    world.pass(DAY);
    world.fails(404, "NOT_FOUND");
    await world.visit();
    expect(world.memo.offline).toBe(START);
    await world.grants({ exp: seconds(40), iat: seconds(20) });
    world.pass(HOUR);
    expect((await world.visit()).usable).toBe(true);
    expect(world.memo.offline).toBe(0);
  });

  it("does not give the hours on top of a lease that has ended", async () => {
    await world.grants();
    await world.visit();
    world.vanishes();
    world.pass(13 * DAY - 1);
    expect(short(await world.visit())).toEqual({
      usable: true,
      code: "VALID",
      reason: "lease",
      source: "cache",
    });
    world.pass(1);
    const ended = { usable: false, code: "UNREACHABLE", reason: "lease_ended", source: "none" };
    expect(short(await world.visit())).toEqual(ended);
    expect(short(await world.visit())).toEqual(ended);
    await world.grants({ iat: seconds(13 * 24), exp: seconds(20 * 24) });
    world.pass(2 * HOUR);
    expect((await world.visit()).code).toBe("VALID");
  });

  it("does not give the hours on top of what was there before a lease that has ended", async () => {
    world.vanishes();
    expect((await world.visit()).usable).toBe(true);
    world.pass(HOUR);
    await world.grants({ exp: seconds(0) });
    expect((await world.visit()).usable).toBe(false);
    world.vanishes();
    world.pass(HOUR);
    expect(short(await world.visit())).toMatchObject({ usable: false, reason: "lease_ended" });
  });

  it("does not believe a note of an instant that has not been yet", async () => {
    const note = { why: "offline", offline: 9e15, refresh: START + 47 * HOUR };
    world.storage.items.set(world.key, JSON.stringify(note));
    expect((await world.visit()).until?.getTime()).toBe(START + 72 * HOUR);
  });

  it("does not count from an instant that has not been yet", async () => {
    world.vanishes();
    await world.visit();
    const memo = { ...world.memo, offline: START + 300 * DAY, refresh: 0 };
    world.storage.items.set(world.key, JSON.stringify(memo));
    expect((await world.visit()).until?.getTime()).toBe(START + 72 * HOUR);
  });
});

describe("an answer that there is no licence", () => {
  const none = { usable: false, code: "NOT_FOUND", reason: "no_license" };

  it("closes", async () => {
    world.fails(404, "NOT_FOUND");
    const license = await world.visit();
    expect(short(license)).toEqual({ ...none, source: "network" });
    expect(license.license).toBeUndefined();
    expect(license.until).toBeNull();
  });

  it("closes, as a malformed serial does", async () => {
    world.fails(400, "MALFORMED");
    const license = await world.visit({ serial: "x".repeat(16) });
    expect(short(license)).toMatchObject({ usable: false, code: "NOT_FOUND", reason: "no_license" });
  });

  it("is told where a lease is held, and the lease counts", async () => {
    await world.grants();
    await world.visit();
    world.fails(404, "NOT_FOUND");
    const license = await world.visit({ force: true, serial: "WRONG-WRONG-WRONG-WRONG" });
    expect(short(license)).toEqual({ usable: true, code: "VALID", reason: "no_license", source: "cache" });
    expect(license.message.admin).toContain("見つかりません");
  });

  it("is not opened by silence", async () => {
    world.fails(404, "NOT_FOUND");
    await world.visit();
    world.vanishes();
    world.pass(HOUR);
    expect(short(await world.visit())).toEqual({ ...none, source: "cache" });
    expect(world.requests).toHaveLength(2);
  });

  it("closes what silence had opened", async () => {
    world.vanishes();
    await world.visit();
    world.pass(HOUR);
    world.fails(404, "NOT_FOUND");
    expect((await world.visit()).code).toBe("NOT_FOUND");
  });

  it("does not override a lease before its hard stop, and does after", async () => {
    await world.grants();
    await world.visit();
    world.fails(404, "NOT_FOUND");
    world.pass(DAY);
    await world.visit();
    expect(world.requests).toHaveLength(2);
    const held = { usable: true, code: "VALID", reason: "no_license", source: "cache" };
    expect(short(await world.visit())).toEqual(held);
    world.pass(12 * DAY - 1);
    expect(short(await world.visit())).toEqual(held);
    world.pass(1);
    expect((await world.visit()).code).toBe("NOT_FOUND");
  });

  it("leaves a signed denial its word", async () => {
    await world.grants(CODES.EXPIRED);
    await world.visit();
    world.fails(404, "NOT_FOUND");
    world.pass(2 * HOUR);
    expect((await world.visit()).code).toBe("EXPIRED");
  });
});

describe("an answer without a lease to go by", () => {
  const answers = async (jws: unknown): Promise<void> => {
    world.service = () => [JSON.stringify({ code: "VALID", lease: jws }), 200];
  };
  const stranger = signer("2026-a");
  const ways: [string, () => Promise<void>, string][] = [
    ["a page of HTML", async () => void (world.service = () => ["<html>", 200]), "forged"],
    ["JSON's null", async () => void (world.service = () => ["null", 200]), "forged"],
    ["an unsigned licence", () => answers(undefined), "forged"],
    ["a lease by somebody else", async () => answers(await lease({}, await stranger)), "forged"],
    ["a lease without a signature", async () => answers((await lease()).replace(/[^.]*$/, "")), "forged"],
    ["a key that is not pinned", async () => answers(await lease({}, await signer("x"))), "unknown_key"],
    ["another tenant's", async () => answers(await lease({ sub: "paying.cybozu.com" })), "wrong_tenant"],
    ["another product's", async () => answers(await lease({ aud: "grid" })), "wrong_product"],
    ["another vendor's", async () => answers(await lease({ iss: "https://a.example" })), "wrong_issuer"],
    ["malformed claims", async () => answers(await lease({ valid_until: "2099-13" })), "malformed"],
    ["one that has ended", async () => answers(await lease({ exp: seconds(0) })), "lease_ended"],
  ];

  it.each(ways)("closes: %s", async (_, happens, reason) => {
    await happens();
    const closed = { usable: false, code: "UNREACHABLE", reason, source: "none" };
    expect(short(await world.visit())).toEqual(closed);
    expect(short(await world.visit())).toEqual(closed);
    expect(world.requests).toHaveLength(1);
    expect(world.memo.offline).toBe(0);
  });

  it.each(ways.slice(0, -1))("does not override a lease: %s", async (_, happens, reason) => {
    const jws = await world.grants();
    await world.visit();
    world.pass(DAY);
    await happens();
    await world.visit();
    expect(world.requests).toHaveLength(2);
    expect(world.memo.lease).toBe(jws);
    const held = { usable: true, code: "VALID", reason, source: "cache" };
    expect(short(await world.visit())).toEqual(held);
    // Nor does it give it a day more.
    world.pass(12 * DAY);
    expect(short(await world.visit())).toMatchObject({ usable: false, code: "UNREACHABLE" });
  });

  it("is not opened by silence, nor are the hours of the silence before it", async () => {
    world.vanishes();
    await world.visit();
    world.pass(HOUR);
    await ways[0]![1]();
    expect((await world.visit()).usable).toBe(false);
    world.vanishes();
    world.pass(HOUR);
    expect(await world.visit()).toMatchObject({ usable: false, reason: "forged" });
    await world.grants();
    world.pass(HOUR);
    expect(await world.visit()).toMatchObject({ usable: true, code: "VALID" });
  });

  it("does not make a NOT_FOUND forgotten", async () => {
    world.fails(404, "NOT_FOUND");
    await world.visit();
    await ways[0]![1]();
    world.pass(HOUR);
    await world.visit();
    world.vanishes();
    world.pass(HOUR);
    expect(await world.visit()).toMatchObject({ usable: false, code: "NOT_FOUND" });
  });
});

describe("a note whose lease is of no use", () => {
  const held = { usable: true, code: "VALID", source: "network" };

  it("is asked about at once: another key is pinned now", async () => {
    await world.grants({}, {}, signers.old);
    await world.visit({ keys: [signers.old.jwk] });
    await world.grants({}, {}, signers.next);
    world.pass(HOUR);
    expect(await world.visit({ keys: [signers.next.jwk] })).toMatchObject(held);
    expect(world.requests).toHaveLength(2);
  });

  it("is asked about at once: it was changed", async () => {
    await world.grants();
    await world.visit();
    for (const lease of ["", "a.b.c", String(world.memo.lease).slice(1)]) {
      world.storage.items.set(world.key, JSON.stringify({ ...world.memo, lease }));
      expect(await world.visit(), lease).toMatchObject(held);
    }
  });

  it("is not asked about more than once a minute", async () => {
    await world.grants({}, {}, signers.old);
    await world.visit({ keys: [signers.old.jwk] });
    await world.visit({ keys: [signers.next.jwk] });
    await world.visit({ keys: [signers.next.jwk] });
    expect(world.requests).toHaveLength(2);
  });
});

describe("of two authentic leases", () => {
  it("the newer counts, a denial too", async () => {
    await world.grants();
    await world.visit();
    await world.grants({ ...CODES.SUSPENDED, iat: seconds(-1) });
    world.pass(DAY);
    expect((await world.visit()).code).toBe("VALID");
    expect((await world.visit()).code).toBe("SUSPENDED");
  });

  it("an older one that is replayed does not count, were it better", async () => {
    const denial = await world.grants({ ...CODES.SUSPENDED, iat: seconds(-1) });
    await world.visit();
    await world.grants({ iat: seconds(-1) - 1 });
    world.pass(2 * HOUR);
    expect(short(await world.visit())).toEqual({
      usable: false,
      code: "SUSPENDED",
      reason: "replayed",
      source: "cache",
    });
    expect(world.memo.lease).toBe(denial);
  });

  it("an older one does not bring back what has ended", async () => {
    await world.grants({ exp: seconds(1) });
    await world.visit();
    await world.grants({ iat: seconds(-25), exp: seconds(100) });
    world.pass(2 * HOUR);
    expect(short(await world.visit())).toEqual({
      usable: false,
      code: "UNREACHABLE",
      reason: "replayed",
      source: "none",
    });
  });

  it("one of the same second as the other is as good: the service has but one", async () => {
    await world.grants({ users: 5 });
    await world.visit();
    await world.grants({ users: 6 });
    world.pass(DAY);
    await world.visit();
    expect((await world.visit()).license?.users).toBe(6);
  });

  it("the newer stays that another tab wrote meanwhile", async () => {
    const [first, second] = [await world.open(), await world.open()];
    const newer = await lease({ iat: seconds(-1) });
    const older = await lease({ iat: seconds(-2) });
    let answerFirst!: (answer: [string, number]) => void;
    world.service = () => new Promise((resolve) => (answerFirst = resolve));
    const waiting = first.check();
    await settle();
    world.service = () => [JSON.stringify({ lease: newer, refresh_after: hours(24) }), 200];
    expect((await second.check()).code).toBe("VALID");
    answerFirst([JSON.stringify({ lease: older, refresh_after: hours(24) }), 200]);
    expect((await waiting).code).toBe("VALID");
    expect(world.memo.lease).toBe(newer);
  });
});

it("a lease that another tab writes while a signature is checked is not lost", async () => {
  await world.grants(CODES.SUSPENDED);
  await world.visit();
  world.pass(HOUR);
  const newest = await lease({ iat: seconds(1), users: 3 });
  await world.grants({ iat: seconds(0.5) });
  const { subtle } = globalThis.crypto;
  let checks = 0;
  vi.stubGlobal("crypto", {
    subtle: {
      importKey: subtle.importKey.bind(subtle),
      verify: async (...args: Parameters<SubtleCrypto["verify"]>) => {
        // The memo's lease, the answer's, and then the memo's before it is written again.
        if (++checks === 3) {
          const memo = { ...world.memo, lease: newest };
          world.storage.items.set(world.key, JSON.stringify(memo));
        }
        return subtle.verify(...args);
      },
    },
  });
  expect((await world.visit()).license?.users).toBe(3);
  expect(world.memo.lease).toBe(newest);
});

describe("keys that rotate", () => {
  it("fail no check while two are pinned", async () => {
    await world.grants();
    await world.visit();
    await world.grants({ iat: seconds(20) }, {}, signers.next);
    world.pass(DAY);
    expect((await world.visit()).code).toBe("VALID");
    expect(short(await world.visit({ keys: [signers.next.jwk] }))).toMatchObject({
      code: "VALID",
      source: "cache",
    });
    expect(world.requests).toHaveLength(2);
  });

  it("leave a lease by a key that is no longer pinned without worth", async () => {
    await world.grants();
    await world.visit();
    world.vanishes();
    world.pass(HOUR);
    const license = await world.visit({ keys: [signers.next.jwk] });
    expect(license.license).toBeUndefined();
    expect(license.code).toBe("UNREACHABLE");
  });
});

describe("a refresh", () => {
  it("waits for refresh_after", async () => {
    await world.grants({}, { refresh_after: hours(5) });
    await world.visit();
    world.pass(5 * HOUR - 1);
    await world.visit();
    expect(world.requests).toHaveLength(1);
    world.pass(1);
    const license = await world.visit();
    expect(license.source).toBe("cache");
    expect(world.requests).toHaveLength(2);
  });

  it.each([
    ["in a year", hours(9000), {}, 48 * HOUR],
    ["at once", hours(0), {}, HOUR / 12],
    ["in the past", hours(-9000), {}, HOUR / 12],
    ["nonsense", "soon", {}, HOUR / 12],
    ["not at all", undefined, {}, HOUR / 12],
    ["tomorrow, in grace", hours(24), CODES.GRACE, HOUR],
    ["tomorrow, but suspended", hours(24), CODES.SUSPENDED, HOUR],
    ["tomorrow, but expired", hours(24), CODES.EXPIRED, HOUR],
    ["tomorrow, but not started", hours(24), CODES.NOT_STARTED, HOUR],
    ["tomorrow, but it ends in two hours", hours(24), { valid_until: hours(2) }, 2 * HOUR],
    ["tomorrow, but it is suspended in two", hours(24), { suspended_from: hours(2) }, 2 * HOUR],
    ["tomorrow, but it starts in ten minutes", hours(24), { usable_from: hours(1 / 6) }, HOUR / 6],
    ["tomorrow, but its lease ends in two", hours(24), { exp: seconds(2) }, 2 * HOUR],
    ["tomorrow, but its lease ends in a minute", hours(24), { exp: seconds(1 / 60) }, HOUR / 60],
  ])("that the answer wants %s", async (_, refresh_after, changes, after) => {
    await world.grants(changes, { refresh_after });
    await world.visit();
    expect((world.memo.refresh as number) - START).toBe(after);
  });

  it("is not put off by a memo", async () => {
    await world.grants();
    await world.visit();
    world.pass(HOUR);
    const memo = { ...world.memo, refresh: world.now + 48 * HOUR + 1 };
    world.storage.items.set(world.key, JSON.stringify(memo));
    await world.visit();
    expect(world.requests).toHaveLength(2);
  });

  it("counts at the next check, and tells the page", async () => {
    await world.grants();
    await world.visit();
    await world.grants({ ...CODES.SUSPENDED, iat: seconds(0) });
    world.pass(DAY);
    const onChange = vi.fn<(license: License) => void>();
    const page = await world.open();
    expect((await page.check({ onChange })).code).toBe("VALID");
    await settle();
    expect(onChange).toHaveBeenCalledOnce();
    expect(onChange.mock.calls[0]![0]).toMatchObject({ code: "SUSPENDED", usable: false });
    expect((await page.check({ onChange })).code).toBe("SUSPENDED");
    await settle();
    expect(onChange).toHaveBeenCalledOnce();
  });

  it("tells the page of another code, too, by which the plug-in still works", async () => {
    await world.grants();
    await world.visit();
    await world.grants({ ...CODES.GRACE, iat: seconds(0) });
    world.pass(DAY);
    const onChange = vi.fn<(license: License) => void>();
    expect((await world.visit({ onChange })).code).toBe("VALID");
    expect(onChange.mock.calls[0]![0]).toMatchObject({ code: "GRACE", usable: true });
  });

  it("says nothing to the page that nothing changed for, and survives what the page does", async () => {
    await world.grants();
    const onChange = vi.fn(() => {
      throw new Error("the page's own");
    });
    await world.visit({ onChange });
    world.pass(DAY);
    await world.visit({ onChange });
    expect(onChange).not.toHaveBeenCalled();
    await world.grants({ ...CODES.SUSPENDED, iat: seconds(0) });
    world.pass(DAY);
    expect((await world.visit({ onChange })).code).toBe("VALID");
    expect(onChange).toHaveBeenCalledOnce();
  });

  it.each(["EXPIRED", "SUSPENDED", "NOT_STARTED"] as const)(
    "of what is closed (%s) is waited for, so that who has renewed sees it",
    async (code) => {
      await world.grants(CODES[code]);
      await world.visit();
      await world.grants({ iat: seconds(0) });
      world.pass(HOUR - 1000); // kintone's clock is read in whole seconds
      expect((await world.visit()).code).toBe(code);
      world.pass(1000);
      expect(short(await world.visit())).toMatchObject({ code: "VALID", source: "network" });
    },
  );

  it("pauses after failures, each time for twice as long, up to an hour", async () => {
    await world.grants();
    await world.visit();
    world.pass(DAY);
    world.fails(503);
    const pauses: number[] = [];
    for (let i = 0; i < 9; i++) {
      await world.visit();
      pauses.push(((world.memo.refresh as number) - world.now) / 60_000);
      world.pass((world.memo.refresh as number) - world.now);
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
    expect(world.requests).toHaveLength(10);
    await world.grants();
    await world.visit();
    expect(world.memo.failed).toBe(0);
    expect((await world.visit()).reason).toBe("lease");
  });

  it.each([
    [undefined, 1],
    ["0", 1],
    ["59", 1],
    ["600", 10],
    ["3600", 60],
    ["86400", 60],
    ["-5", 1],
    ["Sun, 22 Nov 2026 02:00:00 GMT", 1],
    ["x", 1],
  ])("pauses as Retry-After says: %s", async (header, minutes) => {
    for (const held of [false, true]) {
      world = new World();
      if (held) {
        await world.grants();
        await world.visit();
        world.pass(DAY);
      }
      world.fails(503, "UNAVAILABLE", header ? { "retry-after": header } : {});
      await world.visit();
      const asked = world.requests.length;
      world.pass(minutes * 60_000 - 1);
      await world.visit();
      expect(world.requests).toHaveLength(asked);
      world.pass(1);
      await world.visit();
      expect(world.requests).toHaveLength(asked + 1);
    }
  });

  it("reads Retry-After in any spelling", async () => {
    world.fails(429, "", { "RETRY-After": "600" });
    await world.visit();
    expect(world.memo.refresh).toBe(START + HOUR / 6);
  });

  it("without a lease pauses for a minute, however often it failed", async () => {
    world.fails(404, "NOT_FOUND");
    for (let i = 1; i < 6; i++) {
      await world.visit();
      expect(world.requests).toHaveLength(i);
      world.pass(59_999);
      const known = await world.visit();
      expect(known).toMatchObject({ code: "NOT_FOUND", source: "cache" });
      expect(world.requests).toHaveLength(i);
      world.pass(1);
    }
  });

  it("does not pause beyond the end of the lease", async () => {
    await world.grants({ exp: seconds(25) });
    await world.visit();
    world.pass(24.5 * HOUR);
    world.fails(503, "UNAVAILABLE", { "Retry-After": "3600" });
    await world.visit();
    await world.grants({ iat: seconds(24) });
    world.pass(HOUR / 2);
    expect(short(await world.visit())).toMatchObject({ code: "VALID", source: "network" });
  });
});

describe("a check that is forced", () => {
  it("asks although a minute has not passed, for who has just typed the serial", async () => {
    world.service = (_, headers) =>
      headers["X-License-Serial"] ? [JSON.stringify({ lease: valid }), 200] : ['{"code":"NOT_FOUND"}', 404];
    const valid = await lease();
    const page = await world.open();
    expect((await page.check()).code).toBe("NOT_FOUND");
    expect((await page.check({ serial: "A".repeat(16) })).code).toBe("NOT_FOUND");
    expect((await page.check({ serial: "A".repeat(16), force: true })).code).toBe("VALID");
    expect(world.requests).toHaveLength(2);
  });

  it("asks although there is a lease, which stays if there is no answer", async () => {
    await world.grants();
    await world.visit();
    await world.grants({ ...CODES.SUSPENDED, iat: seconds(0) });
    expect(short(await world.visit({ force: true }))).toMatchObject({
      code: "SUSPENDED",
      source: "network",
    });
    world.vanishes();
    expect(short(await world.visit({ force: true }))).toEqual({
      usable: false,
      code: "SUSPENDED",
      reason: "offline",
      source: "cache",
    });
  });
});

describe("at the same time", () => {
  it("checks with different serials ask for themselves", async () => {
    await world.grants();
    const page = await world.open();
    await Promise.all([page.check({ serial: "A".repeat(16) }), page.check({ serial: "B".repeat(16) })]);
    expect(world.requests.map(({ headers }) => headers["X-License-Serial"])).toEqual(["A".repeat(16), "B".repeat(16)]);
  });

  it("checks of one page ask once", async () => {
    await world.grants();
    const page = await world.open();
    const [one, two] = await Promise.all([page.check(), page.check()]);
    expect(one).toEqual(two);
    expect(world.requests).toHaveLength(1);
    expect(world.clockReadings).toBe(1);
  });

  it.each([
    ["locks", true],
    ["no locks", false],
  ])("tabs refresh once, with %s", async (_, locks) => {
    if (!locks) world.locks = undefined;
    await world.grants();
    await world.visit();
    world.pass(DAY);
    const jws = await lease();
    let answer!: (answer: [string, number]) => void;
    world.service = () => new Promise((resolve) => (answer = resolve));
    const tabs = [await world.open(), await world.open(), await world.open()];
    for (const tab of tabs) {
      expect((await tab.check()).code).toBe("VALID");
      await settle();
    }
    expect(world.requests).toHaveLength(2);
    answer([JSON.stringify({ lease: jws, refresh_after: japan(world.now + DAY) }), 200]);
    await settle();
    await (await world.open()).check();
    await settle();
    expect(world.requests).toHaveLength(2);
  });

  it("a tab does not refresh while another holds the lock, whatever storage tells of it", async () => {
    await world.grants();
    await world.visit();
    world.pass(DAY);
    world.locks!.held.add(world.key);
    await world.visit();
    expect(world.requests).toHaveLength(1);
    world.locks!.held.clear();
    await world.visit();
    expect(world.requests).toHaveLength(2);
  });

  it("a tab that was closed over its refresh does not stop others for long", async () => {
    world.locks = undefined;
    await world.grants();
    await world.visit();
    world.pass(DAY);
    world.service = () => new Promise(() => {});
    await world.visit();
    expect(world.requests).toHaveLength(2);
    world.pass(60_000);
    await world.visit();
    expect(world.requests).toHaveLength(3);
  });
});

describe("what the world does never rejects", () => {
  it.each([
    ["a proxy that resolves nothing", { kintone: { proxy: async () => undefined } }],
    ["a proxy that rejects with a text", { kintone: { proxy: () => Promise.reject("{}") } }],
    ["a user without a language", { kintone: { getLoginUser: () => ({}) } }],
    ["a user that cannot be told", { kintone: { getLoginUser: () => { throw new Error("no"); } } }],
    ["no kintone", { kintone: undefined }],
  ])("%s", async (_, options) => {
    expect(await world.visit(options as unknown as Partial<Options>)).toMatchObject({
      usable: true,
      code: "UNREACHABLE",
      reason: "offline",
    });
  });

  it("without WebCrypto nothing is authentic", async () => {
    await world.grants();
    vi.stubGlobal("crypto", {});
    expect(short(await world.visit())).toMatchObject({ usable: false, code: "UNREACHABLE" });
  });

  it("where not even the address is known, it is closed", async () => {
    vi.stubGlobal("location", undefined);
    expect(short(await world.visit())).toEqual({
      usable: false,
      code: "UNREACHABLE",
      reason: "error",
      source: "none",
    });
  });

  it.each([
    { product: "" },
    { endpoint: "" },
    { keys: [] },
    { keys: undefined },
    { version: "" },
    { version: "1 0" },
    { version: "1".repeat(33) },
  ])("but a mistake in the options does: %j", async (options) => {
    const page = await world.open();
    await expect(page.check(options as Partial<Options>)).rejects.toThrow(TypeError);
    expect(world.requests).toEqual([]);
  });
});

describe("a lease for a request without a serial", () => {
  /** What the service tells: of an end after the lease's own nothing, and no grant. */
  const end = "9999-12-30T09:00:00+09:00";
  const told = {
    ...{ kind: undefined, edition: undefined, users: undefined, quotas: undefined, term: undefined },
    valid_until: end,
    grace_until: end,
  };

  it("works, and says nothing of what it does not know", async () => {
    const world = new World();
    await world.grants(told);
    const license = await world.visit();
    expect(license).toMatchObject({ code: "VALID", usable: true, reason: "lease", until: null });
    expect(license.message.admin).toBe("ライセンス：有効です。");
    expect(license.license).not.toHaveProperty("users");
    expect(license.license).not.toHaveProperty("term");
  });

  it("ends without a word of expiry when it cannot be refreshed", async () => {
    const world = new World();
    await world.grants(told);
    await world.visit();
    world.vanishes();
    world.pass(13 * DAY - HOUR);
    expect(await world.visit()).toMatchObject({ code: "VALID", usable: true });
    for (const later of [HOUR, 30 * DAY]) {
      world.pass(later);
      const ended = await world.visit();
      expect(ended).toMatchObject({ code: "UNREACHABLE", usable: false });
      expect(ended.message.admin).not.toContain("期限");
    }
  });

  it("names an end that comes while it lives", async () => {
    const world = new World();
    const last = japan(START + 2 * DAY);
    await world.grants({ ...told, valid_until: last });
    expect(await world.visit()).toMatchObject({ code: "VALID", until: new Date(last) });
    world.pass(3 * DAY);
    const grace = await world.visit();
    expect(grace).toMatchObject({ code: "GRACE", usable: true, until: null });
    expect(grace.message.admin).toContain("期限が切れました");
    expect(grace.message.admin).not.toMatch(/undefined|null/);
    const suspended_from = japan(START + 4 * DAY);
    await world.grants({ ...told, iat: START / 1000 + 1, suspended_from });
    world.pass(2 * DAY);
    expect(await world.visit({ force: true })).toMatchObject({ code: "SUSPENDED", usable: false });
  });
});
