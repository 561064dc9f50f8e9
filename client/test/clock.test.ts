// Licences are judged by kintone's clock, whatever the PC's says.

import { beforeEach, describe, expect, it, vi } from "vitest";
import { DAY, HOUR, START, World, hours, seconds, settle } from "./world.js";

const YEAR = 365 * DAY;

let world: World;
beforeEach(() => {
  world = new World();
});

/** What a lease that is graced in 10 days, and ends in 12, says at these hours from the start. */
const CALENDAR = [
  [-26, "NOT_STARTED"],
  [1, "VALID"],
  [30, "VALID"],
  [9 * 24, "VALID"],
  [10 * 24, "GRACE"],
  [12 * 24, "EXPIRED"],
  [900 * 24, "EXPIRED"],
] as const;
const ten = {
  usable_from: hours(-25),
  valid_until: hours(240),
  grace_until: hours(288),
  exp: seconds(288),
  iat: seconds(-27),
};

describe("the PC's clock changes nothing", () => {
  const offs = [0, DAY, -DAY, HOUR, -HOUR, YEAR, -YEAR, 30 * YEAR, -30 * YEAR];

  for (const [hour, code] of CALENDAR) {
    it.each(offs)(`at ${hour} h (${code}), %d ms off, before the first check`, async (off) => {
      world.now = START + hour * HOUR;
      world.pcOff = off;
      await world.grants(ten);
      expect((await world.visit()).code).toBe(code);
      expect((await world.visit()).code).toBe(code);
    });

    it.each(offs)(`at ${hour} h (${code}), set %d ms off after a reading`, async (off) => {
      world.now = START - 26.5 * HOUR;
      await world.grants(ten);
      await world.visit();
      world.vanishes();
      world.now = START + hour * HOUR;
      // The last view before: the reading is of this day, as it is for who uses the plug-in.
      await world.visit();
      world.pcOff = off;
      expect((await world.visit()).code).toBe(code);
      world.pass(HOUR / 2);
      expect((await world.visit()).code).toBe(hour === -26 ? "NOT_STARTED" : code);
    });
  }

  it("within a page that is open for long, and while the clock cannot be read again", async () => {
    await world.grants({ exp: seconds(300) });
    const page = await world.open();
    await page.check();
    world.clock = "down";
    for (const off of [YEAR, -YEAR, DAY, -DAY]) {
      world.pcOff = off;
      world.pass(20 * HOUR);
      expect(await page.check(), `${off}`).toMatchObject({ code: "VALID", usable: true });
      await settle();
    }
    world.vanishes();
    world.pass(300 * HOUR);
    expect(await page.check()).toMatchObject({ code: "UNREACHABLE", reason: "lease_ended" });
  });
});

describe("a PC's clock that is set back", () => {
  it("is worth one view at most", async () => {
    await world.grants({ exp: seconds(24 * 7) });
    await world.visit();
    world.vanishes();
    world.pass(8 * DAY);
    world.pcOff = -8 * DAY + HOUR;
    expect((await world.visit()).usable).toBe(true);
    for (const off of [-8 * DAY + HOUR, -8 * DAY, -9 * DAY, -8 * DAY + 2 * HOUR]) {
      world.pcOff = off;
      expect(await world.visit(), `${off}`).toMatchObject({
        usable: false,
        reason: "lease_ended",
      });
    }
  });

  it("tells the page of that view, too", async () => {
    await world.grants({ exp: seconds(24 * 7) });
    await world.visit();
    world.vanishes();
    world.pass(8 * DAY);
    world.pcOff = -8 * DAY + HOUR;
    const onChange = vi.fn();
    await world.visit({ onChange });
    expect(onChange.mock.calls[0]![0]).toMatchObject({ usable: false, reason: "lease_ended" });
  });

  it("does not prolong the 72 hours", async () => {
    world.vanishes();
    await world.visit();
    world.pass(72 * HOUR);
    world.pcOff = -72 * HOUR;
    expect((await world.visit()).usable).toBe(false);
  });

  it("is not followed below the last reading", async () => {
    await world.grants();
    await world.visit();
    world.pass(HOUR);
    world.pcOff = -HOUR - 1;
    world.clockReadings = 0;
    const page = await world.open();
    const check = page.check();
    await check;
    expect(world.clockReadings).toBe(1);
  });
});

describe("a look at kintone's clock", () => {
  it("is not waited for while the PC's clock makes no difference", async () => {
    await world.grants();
    await world.visit();
    world.clock = "hangs";
    world.pass(23 * HOUR);
    expect(await world.visit()).toMatchObject({ code: "VALID", source: "cache" });
  });

  it.each([
    ["the refresh is due", 24 * HOUR, {}],
    ["the code changes before it", HOUR, { valid_until: hours(2) }],
    ["the lease ends before it", HOUR, { exp: seconds(2) }],
  ])("is waited for if %s", async (_, passed, changes) => {
    await world.grants(changes);
    await world.visit();
    world.pass(passed);
    world.now += 5 * HOUR; // The PC's clock knows nothing of them.
    world.pcOff = -5 * HOUR;
    world.vanishes();
    const code = "valid_until" in changes ? "GRACE" : "exp" in changes ? "UNREACHABLE" : "VALID";
    const page = await world.open();
    expect((await page.check()).code).toBe(code);
  });

  it("is taken once a page, and again after three hours, or if the two clocks run apart", async () => {
    await world.grants();
    const page = await world.open();
    const look = async () => {
      world.clockReadings = 0;
      await page.check();
      await settle();
      return world.clockReadings;
    };
    expect(await look()).toBe(1);
    expect(await look()).toBe(0);
    world.pass(3 * HOUR - 1);
    expect(await look()).toBe(0);
    world.pass(1);
    expect(await look()).toBe(1);
    expect(await look()).toBe(0);
    world.pass(2 * 60_000);
    world.now += 61_000; // The PC slept.
    expect(await look()).toBe(1);
    world.pass(2 * 60_000);
    world.pcOff = 61_000;
    expect(await look()).toBe(1);
    world.pass(2 * 60_000);
    world.pcOff = 0;
    expect(await look()).toBe(1);
  });

  it("sees how long the PC slept with the page open", async () => {
    await world.grants(ten);
    const page = await world.open();
    await page.check();
    world.vanishes();
    world.now += 12 * DAY;
    expect((await page.check()).code).toBe("EXPIRED");
  });

  it("is tried once a minute while it fails", async () => {
    world.clock = "down";
    await world.grants();
    const page = await world.open();
    for (let i = 0; i < 3; i++) {
      await page.check();
      await settle();
    }
    expect(world.clockReadings).toBe(1);
    world.pass(59_999);
    await page.check();
    expect(world.clockReadings).toBe(1);
    world.pass(1);
    world.clock = "works";
    await page.check();
    await settle();
    expect(world.clockReadings).toBe(2);
    expect(world.memo.kintone).toBe(START + 60_000);
  });

  it("is given three seconds", async () => {
    world.clock = "hangs";
    world.vanishes();
    const page = await world.open();
    let done = false;
    const check = page.check().finally(() => (done = true));
    await settle();
    await vi.advanceTimersByTimeAsync(2_999);
    await settle();
    expect(done).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect((await check).code).toBe("UNREACHABLE");
  });

  it("remembers where the two clocks stood, and a later one counts though it is earlier", async () => {
    await world.grants();
    world.pcOff = 5_000;
    await world.visit();
    expect(world.memo).toMatchObject({ kintone: START, pc: START + 5_000 });
    world.now -= HOUR; // kintone's clock was wrong.
    await world.visit();
    expect(world.memo).toMatchObject({ kintone: START - HOUR, pc: START - HOUR + 5_000 });
  });
});

describe("where kintone's clock cannot be read", () => {
  it.each(["down", "", "yesterday", "hm, 99 Foo 2026"])(
    "(%j) the latest that is known counts: the lease's iat",
    async (clock) => {
      world.clock = clock;
      world.pcOff = -YEAR;
      await world.grants(ten);
      expect((await world.visit()).code).toBe("NOT_STARTED"); // iat is before usable_from
      world.storage.items.clear();
      await world.grants({ ...ten, iat: seconds(1) });
      expect((await world.visit()).code).toBe("VALID");
      world.vanishes();
      expect(await world.visit()).toMatchObject({ code: "VALID", source: "cache" });
    },
  );

  it("the last reading", async () => {
    await world.grants({ exp: seconds(48) });
    await world.visit();
    world.vanishes();
    world.pass(48 * HOUR);
    expect((await world.visit()).reason).toBe("lease_ended");
    world.clock = "down";
    world.pcOff = -YEAR;
    expect((await world.visit()).reason).toBe("lease_ended");
  });

  it("the PC's clock, as far from kintone's as it was then", async () => {
    await world.grants({ exp: seconds(48) });
    world.pcOff = YEAR;
    await world.visit();
    world.vanishes();
    world.clock = "down";
    world.pass(47 * HOUR);
    expect((await world.visit()).code).toBe("VALID");
    world.pass(HOUR);
    expect((await world.visit()).reason).toBe("lease_ended");
  });

  it("the PC's clock as it is, if there never was a reading", async () => {
    world.clock = "down";
    await world.grants(ten);
    expect((await world.visit()).code).toBe("VALID");
    world.pcOff = 11 * DAY;
    world.vanishes();
    expect((await world.visit()).code).toBe("GRACE");
  });

  it("silence ends after 72 hours by the PC's clock", async () => {
    world.clock = "down";
    world.vanishes();
    expect((await world.visit()).usable).toBe(true);
    world.pass(72 * HOUR);
    expect((await world.visit()).usable).toBe(false);
  });
});

describe("a clock that cannot be read", () => {
  it("and a PC's that was set back: the service is asked, and its denial counts", async () => {
    await world.grants();
    await world.visit();
    world.clock = "down";
    world.pass(100 * DAY);
    world.pcOff = -101 * DAY;
    await world.grants({ iat: seconds(1), suspended_from: hours(-1) });
    await world.visit();
    expect((await world.visit()).code).toBe("SUSPENDED");
  });

  it("does not cost the hours that a PC a year behind had counted", async () => {
    world.clock = "down";
    world.pcOff = -365 * DAY;
    expect((await world.visit()).usable).toBe(true);
    world.clock = "works";
    world.pass(HOUR);
    expect((await world.visit()).usable).toBe(true);
    world.pass(73 * HOUR);
    expect((await world.visit()).usable).toBe(false);
  });
});
