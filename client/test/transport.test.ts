// How the licence API is reached.

import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Kintone, Options } from "../src/index.js";
import { HOUR, World, settle } from "./world.js";

let world: World;
let everything: Kintone;
beforeEach(async () => {
  world = new World();
  await world.grants();
  everything = {
    ...world.kintone,
    plugin: {
      app: {
        proxy: (id, url, method, headers, data) => {
          expect([id, method, data]).toEqual(["plugin", "GET", {}]);
          return world.ask("plugin-proxy", url, headers as never);
        },
      },
    },
  };
});

const serial = "ABCD-1234-ABCD-1234";
const by = async (options: Partial<Options>) => {
  expect((await world.visit({ serial, ...options })).code).toBe("VALID");
  return world.requests[0]!;
};

describe("the way", () => {
  it("is the plug-in's proxy if the plug-in's id is given; the serial is not in the page then", async () => {
    const request = await by({ kintone: everything, pluginId: "plugin" });
    expect(request).toMatchObject({ by: "plugin-proxy", headers: {} });
    expect(request.headers).toEqual({});
  });

  it("is kintone's proxy without the id, or where the screen has no plug-in's proxy", async () => {
    const headers = { "X-License-Serial": serial };
    expect(await by({ kintone: everything })).toMatchObject({ by: "proxy", headers });
    world.requests.length = 0;
    world.storage.items.clear();
    const proxy = everything.proxy!;
    expect(await by({ kintone: { proxy }, pluginId: "plugin" })).toMatchObject({ by: "proxy" });
    world.requests.length = 0;
    world.storage.items.clear();
    expect(await by({ kintone: { proxy, plugin: {} }, pluginId: "plugin" })).toMatchObject({
      by: "proxy",
    });
  });

  it("is fetch where there is no proxy", async () => {
    const request = await by({ kintone: {}, pluginId: "plugin" });
    expect(request).toMatchObject({ by: "fetch", headers: { "X-License-Serial": serial } });
  });

  it("sends no header if there is no serial", async () => {
    expect((await by({ kintone: {}, serial: undefined })).headers).toEqual({});
    world.requests.length = 0;
    world.storage.items.clear();
    expect((await by({ kintone: everything, serial: "" })).headers).toEqual({});
  });

  it.each(["plugin-proxy", "proxy", "fetch"] as const)("is %s if that is asked for", async (way) => {
    const options = { kintone: everything, pluginId: "plugin", transport: way };
    expect((await by(options)).by).toBe(way);
  });

  it("is found by itself if it is 'auto'", async () => {
    const options = { kintone: everything, pluginId: "plugin", transport: "auto" as const };
    expect((await by(options)).by).toBe("plugin-proxy");
  });

  it("uses the page's kintone if none is given", async () => {
    vi.stubGlobal("kintone", everything);
    expect((await by({ kintone: undefined, pluginId: "plugin" })).by).toBe("plugin-proxy");
  });
});

describe("the address", () => {
  it("names product, tenant and version", async () => {
    expect((await by({ version: "1.2.3+b-4_5" })).url).toBe(
      "https://api.example.com/v1/products/sheet/domains/example.cybozu.com/license" +
        "?version=1.2.3%2Bb-4_5",
    );
  });

  it("does not mind a slash at the endpoint's end", async () => {
    expect((await by({ endpoint: "https://api.example.com/" })).url).toMatch(/^https:..api.example.com.v1/);
  });

  it("has no query without a version", async () => {
    expect((await by({})).url).toMatch(/\/license$/);
  });
});

describe("time", () => {
  it.each(["plugin-proxy", "proxy", "fetch"] as const)("by %s is eight seconds", async (way) => {
    world.service = () => new Promise(() => {});
    const page = await world.open();
    let done = false;
    const check = page
      .check({ kintone: everything, pluginId: "plugin", transport: way })
      .finally(() => (done = true));
    await settle();
    await vi.advanceTimersByTimeAsync(7_999);
    await settle();
    expect(done).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await check).toMatchObject({
      usable: true,
      code: "UNREACHABLE",
      reason: "timeout",
      source: "none",
    });
    // The stand-in puts off by one what is put off by none while it runs.
    await vi.advanceTimersByTimeAsync(1);
    await settle();
    expect(vi.getTimerCount()).toBe(0);
    expect(await page.check()).toMatchObject({ reason: "timeout" });
    expect(world.requests).toHaveLength(1);
  });

  it("is not taken from who has a lease", async () => {
    await world.visit();
    world.service = () => new Promise(() => {});
    world.pass(100 * HOUR);
    const page = await world.open();
    expect(await page.check()).toMatchObject({ code: "VALID", source: "cache" });
  });

  it("leaves no timer behind", async () => {
    await world.visit();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("an answer of the proxies", () => {
  it("may have its status as a number only", async () => {
    world.fails(404, "NOT_FOUND");
    expect((await world.visit({ kintone: everything, pluginId: "plugin" })).code).toBe("NOT_FOUND");
  });

  it("that comes after it was given up does no harm", async () => {
    let answer!: (reason: unknown) => void;
    world.service = () => new Promise((_, reject) => (answer = reject));
    const page = await world.open();
    const check = page.check();
    await settle();
    await vi.advanceTimersByTimeAsync(8_000);
    expect((await check).reason).toBe("timeout");
    answer("too late");
    await settle();
  });
});
