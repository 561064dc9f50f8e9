// The Big List of Naughty Strings, wherever a page, a customer, a network or a vendor can put a
// text: nothing rejects, nothing opens, and no serial is stored.

import { createRequire } from "node:module";
import { expect, it, vi } from "vitest";
import { checkLicense, type License, type Options } from "../src/index.js";
import { canonicalDomain } from "../src/tenant.js";
import { type Answer, Page, START, World, lease, settle, signers } from "./world.js";

const strings = createRequire(import.meta.url)("big-list-of-naughty-strings/blns.json") as string[];

vi.setConfig({ testTimeout: 120_000 });

/** Checks on a page of a world, and waits for what goes on behind. Loading the library thousands of
 *  times would take minutes: its own state between pages is kintone's time, the same in each world. */
async function visit(world: World, options: Partial<Options> = {}): Promise<License> {
  const license = await new Page(world, checkLicense).check(options);
  await settle();
  return license;
}

const closed = { usable: false, code: "UNREACHABLE" };

it("the list is there", () => {
  expect(strings.length).toBeGreaterThan(400);
});

it("as a serial: it is sent as a header may be or not at all, and not stored", async () => {
  for (const serial of strings) {
    const world = new World();
    await world.grants();
    expect(await visit(world, { serial }), serial).toHaveProperty("code");
    const [request] = world.requests;
    expect(request?.headers["X-License-Serial"] ?? "A", serial).toMatch(/^[\w-]{1,128}$/);
    expect(request?.url ?? "", serial).not.toContain("serial");
    // Digits may stand in any instant.
    if (serial.length > 4 && !/^[\d.]+$/.test(serial)) {
      expect(JSON.stringify([...world.storage.items]), serial).not.toContain(JSON.stringify(serial).slice(1, -1));
    }
  }
});

it("as options: refused with a TypeError, or asked for with", async () => {
  for (const text of strings) {
    for (const option of ["version", "product", "endpoint", "issuer", "pluginId", "language"] as const) {
      const world = new World();
      await world.grants();
      const result = await visit(world, { [option]: text }).catch((error) => error);
      if (result instanceof Error) {
        expect(result, `${option} ${text}`).toBeInstanceOf(TypeError);
        expect(world.requests, `${option} ${text}`).toHaveLength(0);
      } else {
        expect(["VALID", "UNREACHABLE"], `${option} ${text}`).toContain(result.code);
      }
      const [request] = world.requests;
      if (request && option !== "endpoint" && !/^\.*$/.test(text)) {
        const { pathname, searchParams, hash } = new URL(request.url);
        expect(pathname, text).toMatch(/^\/v1\/products\/[^/]+\/domains\/example\.cybozu\.com\/license$/);
        expect([...searchParams.keys()].join() + hash, text).toMatch(/^(version)?$/);
      }
    }
  }
});

it("as the tenant: the lease is another's", async () => {
  for (const text of strings) {
    const world = new World();
    await world.grants();
    world.location.hostname = "localhost";
    world.kintone.getDomain = async () => ({ subdomain: text, baseDomain: "cybozu.com" });
    expect(await visit(world), text).toMatchObject({ usable: false });
    expect(canonicalDomain(canonicalDomain(text)), text).toBe(canonicalDomain(text));
  }
});

it("as an answer, or in one: nothing opens", async () => {
  for (const text of strings) {
    const answers: Answer[] = [
      [text, 200],
      [JSON.stringify(text), 200],
      [JSON.stringify({ code: text, lease: text, refresh_after: text }), 200],
      [JSON.stringify({ code: "VALID", lease: `${text}.${text}.${text}` }), 200],
    ];
    for (const answer of answers) {
      const world = new World();
      world.service = () => answer;
      expect(await visit(world), answer[0]).toMatchObject({ ...closed, reason: "forged" });
    }
    // By the service's own words and times beside an authentic lease.
    const world = new World();
    const jws = await lease();
    world.service = () => [JSON.stringify({ code: text, lease: jws, refresh_after: text }), 200, { "Retry-After": text, [text]: text }];
    expect(await visit(world), text).toMatchObject({ usable: true, code: "VALID" });
    expect(world.memo.refresh, text).toBeGreaterThanOrEqual(START);
  }
});

it("in the signed claims and their header: read as it is, or not at all", async () => {
  for (const text of strings) {
    const world = new World();
    const grant = { edition: text, jti: text, kind: text, [`x-${text}`]: text };
    await world.grants(grant);
    expect((await visit(world)).license, text).toMatchObject({ edition: text });
    for (const changes of [{ usable_from: text }, { valid_until: text }, { exp: text }, { iat: text }, { sub: text }, { aud: text }]) {
      const other = new World();
      await other.grants(changes);
      // Some of the list are dates, for some readers.
      const license = await visit(other);
      if (!Number.isFinite(Date.parse(text))) {
        expect(license, `${JSON.stringify(changes)}`).toMatchObject(closed);
      }
    }
    for (const header of [{ alg: text }, { typ: text }, { kid: text }, { [text]: text }]) {
      const other = new World();
      const jws = await lease({}, signers.old, header);
      other.service = () => [JSON.stringify({ lease: jws }), 200];
      expect(await visit(other), JSON.stringify(header)).toMatchObject(closed);
    }
  }
});

it("as a note, or in one: it counts for nothing", async () => {
  for (const text of strings) {
    for (const note of [text, JSON.stringify(text), JSON.stringify({ lease: text, why: text, refresh: text, offline: text }), JSON.stringify({ why: text, refresh: START + 1 })]) {
      const world = new World();
      world.storage.items.set(world.key, note);
      await world.grants();
      await visit(world);
      world.pass(3_600_000);
      expect(await visit(world), note).toMatchObject({ usable: true, code: "VALID" });
    }
  }
});

it("as kintone's time: the clock cannot be read", async () => {
  for (const text of strings) {
    const world = new World();
    await world.grants();
    const { fetch } = globalThis;
    vi.stubGlobal("fetch", async (url: string, init: RequestInit) =>
      url === "/k/" ? { headers: { get: () => text } } : fetch(url, init),
    );
    const license = await visit(world);
    if (!Number.isFinite(Date.parse(text))) {
      expect(license, text).toMatchObject({ usable: true, code: "VALID" });
    }
  }
});
