// Notes that somebody else has written into the storage: what is not signed may cost an hour, and
// no more.

import { beforeEach, describe, expect, it, vi } from "vitest";
import { DAY, HOUR, START, World, hours, lease, seconds, signer } from "./world.js";

let world: World;
beforeEach(() => {
  world = new World();
});

// Thousands of pages are opened.
vi.setConfig({ testTimeout: 60_000 });

const YEAR = 365 * DAY;

/** Instants that a note may claim, and what JSON allows besides. */
const INSTANTS: number[] = [
  -9e15, -1, 0, 1, START - YEAR, START - DAY, START - 1, START, START + HOUR - 1, START + HOUR,
  START + 47 * HOUR, START + 48 * HOUR, START + 10 * YEAR, 8e15, 9e15, 1e300, Infinity, -Infinity,
];
const REASONS = [
  "", "offline", "timeout", "throttled", "unavailable", "refused", "no_license", "forged",
  "unknown_key", "lease_ended", "lease", "error", "off", " ", "constructor", "__proto__",
];
const FIELDS = ["kintone", "pc", "refresh", "offline", "failed"] as const;

/** JSON has no infinite numbers, but reads them. */
const json = (note: object): string =>
  JSON.stringify(note, (_, value) =>
    Math.abs(value) === Infinity ? `${Math.sign(value)}e999` : value,
  ).replace(/"(-?1e999)"/g, "$1");

/** Leases by which the plug-in does not work. */
const leases: Record<string, () => Promise<string>> = {
  none: async () => "",
  garbage: async () => "a.b.c",
  "another signer's": async () => lease({}, await signer("2026-a")),
  "another tenant's": () => lease({ sub: "paying.cybozu.com" }),
  ended: () => lease({ exp: seconds(-1) }),
  suspended: () => lease({ suspended_from: hours(-30) }),
  expired: () => lease({ valid_until: hours(-240), grace_until: hours(-72), exp: seconds(-72) }),
  "not started": () => lease({ usable_from: hours(300) }),
};

/** The same notes at every run. */
function* notes(count: number, seed: number): Generator<Record<string, unknown>> {
  let state = seed;
  const below = (n: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  // Each field with each instant, alone or in a note that is in order, and then some of everything.
  const whole = { why: "offline", refresh: START + 47 * HOUR, kintone: START, pc: START };
  for (const field of FIELDS) {
    for (const instant of INSTANTS) {
      const rest = below(2) ? whole : { why: REASONS[below(REASONS.length)] };
      yield { ...rest, [field]: instant };
    }
  }
  for (let i = 0; i < count; i++) {
    const some = FIELDS.map((field) => [field, INSTANTS[below(INSTANTS.length)]]);
    yield { why: REASONS[below(REASONS.length)], ...Object.fromEntries(some) };
  }
}

describe.each(Object.keys(leases))("without a usable lease (%s)", (kind) => {
  it("the service is asked within the hour, and what it says counts", async () => {
    const jws = await leases[kind]!();
    for (const note of notes(30, 1)) {
      world = new World();
      const said = json({ ...note, lease: jws });
      world.storage.items.set(world.key, said);
      await world.grants({ iat: seconds(0) });
      await world.visit();
      world.pass(HOUR);
      await world.visit();
      expect(world.requests.length, said).toBeGreaterThan(0);
      expect(await world.visit(), said).toMatchObject({ usable: true, code: "VALID" });
    }
  });

  it("the service is asked within the hour, whether or not kintone's clock can be read", async () => {
    const jws = await leases[kind]!();
    for (const note of notes(30, 2)) {
      world = new World();
      world.clock = "down";
      const said = json({ ...note, lease: jws });
      world.storage.items.set(world.key, said);
      world.vanishes();
      for (let passed = 0; passed <= HOUR; passed += HOUR / 2) {
        await world.visit();
        world.pass(HOUR / 2);
      }
      expect(world.requests.length, said).toBeGreaterThan(0);
    }
  });

  it("silence opens for 72 hours and the hour until the service is asked", async () => {
    const jws = await leases[kind]!();
    for (const note of notes(10, 3)) {
      world = new World();
      const said = json({ ...note, lease: jws });
      world.storage.items.set(world.key, said);
      world.vanishes();
      for (const hour of [0, 1, 48]) {
        world.now = START + hour * HOUR;
        world.mono = hour * HOUR;
        const { until } = await world.visit();
        // What a denial waits for is a day that somebody has signed.
        if (kind !== "not started") {
          expect(until?.getTime() ?? 0, said).toBeLessThanOrEqual(START + 73 * HOUR);
        }
      }
      world.now = START + 73 * HOUR;
      world.mono = 73 * HOUR;
      expect((await world.visit()).usable, said).toBe(false);
    }
  });
});

describe("with a usable lease", () => {
  it("no note makes the plug-in stop", async () => {
    const jws = await lease();
    for (const note of notes(200, 4)) {
      world = new World();
      const said = json({ ...note, lease: jws });
      world.storage.items.set(world.key, said);
      world.vanishes();
      expect(await world.visit(), said).toMatchObject({ usable: true, code: "VALID" });
      expect(await world.visit(), said).toMatchObject({ usable: true, code: "VALID" });
    }
  });

  it("a suspension arrives within 48 hours", async () => {
    const jws = await lease();
    for (const note of notes(100, 5)) {
      world = new World();
      const said = json({ ...note, lease: jws });
      world.storage.items.set(world.key, said);
      await world.grants({ iat: seconds(0), suspended_from: hours(-1) });
      await world.visit();
      world.pass(48 * HOUR);
      await world.visit();
      expect(await world.visit(), said).toMatchObject({ usable: false, code: "SUSPENDED" });
    }
  });
});

it("a note cannot put words of its own into the reason", async () => {
  const jws = await lease();
  for (const why of ["<img src=x onerror=alert(1)>", "offline\u202e", "a b", "x".repeat(5_000)]) {
    world = new World();
    const note = { lease: jws, why, kintone: START, pc: START, refresh: START + HOUR };
    world.storage.items.set(world.key, JSON.stringify(note));
    expect((await world.visit()).reason, why).toBe("lease");
  }
});
