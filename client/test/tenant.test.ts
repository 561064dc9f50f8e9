// Which tenant the page belongs to.

import { beforeEach, describe, expect, it } from "vitest";
import { canonicalDomain } from "../src/tenant.js";
import { World } from "./world.js";

describe("a host name's canonical form", () => {
  it.each([
    ["example.cybozu.com", "example.cybozu.com"],
    ["EXAMPLE.Cybozu.COM", "example.cybozu.com"],
    ["example.cybozu.com.", "example.cybozu.com"],
    ["example.cybozu.com:8443", "example.cybozu.com"],
    ["example.cybozu.com.:443", "example.cybozu.com"],
    ["example.s.cybozu.com", "example.cybozu.com"],
    ["example.S.CYBOZU.com.:443", "example.cybozu.com"],
    ["example.s.kintone.com", "example.kintone.com"],
    ["example.s.cybozu.cn", "example.cybozu.cn"],
    ["examples.cybozu.com", "examples.cybozu.com"],
    ["s.cybozu.com", "s.cybozu.com"],
    ["example.t.cybozu.com", "example.t.cybozu.com"],
    ["example.s.kintone.test", "example.s.kintone.test"],
    ["example.s.cybozu.com.evil.example", "example.s.cybozu.com.evil.example"],
    ["example.s.cybozu-com", "example.s.cybozu-com"],
  ])("%s is %s", (host, domain) => {
    expect(canonicalDomain(host)).toBe(domain);
  });
});

describe("the page's tenant", () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });

  const asked = async () => {
    world.fails(503);
    await world.visit();
    return world.requests[0]!.url.split("/")[7];
  };

  it("is its address's", async () => {
    world.location.hostname = "example.s.cybozu.com";
    expect(await asked()).toBe("example.cybozu.com");
  });

  it("is not what a script in the page says it is", async () => {
    world.kintone.getDomain = async () => ({ subdomain: "paying", baseDomain: "cybozu.com" });
    expect(await asked()).toBe("example.cybozu.com");
  });

  it("is what kintone says where the address is no kintone's", async () => {
    world.location.hostname = "localhost";
    world.kintone.getDomain = async () => ({ subdomain: "Test", baseDomain: "cybozu.com" });
    expect(await asked()).toBe("test.cybozu.com");
  });

  it.each([
    ["is not there", undefined],
    ["fails", () => Promise.reject(new Error("not on this screen"))],
    [
      "throws",
      () => {
        throw new Error("not on this screen");
      },
    ],
  ])("is the address's where kintone's answer %s", async (_, getDomain) => {
    world.location.hostname = "tenant.kintone.test";
    world.kintone.getDomain = getDomain as never;
    expect(await asked()).toBe("tenant.kintone.test");
  });
});
