// Serials as people type and paste them, by every transport: what can be read is sent in ASCII, the
// rest is refused with words for the administrator, and nothing of it is taken for an outage.

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { type Kintone, normalizeSerial, type Options } from "../src/index.js";
import { DAY, settle, withoutCode, World } from "./world.js";

const vectors: { what: string; text: string; read: string | null }[] = JSON.parse(
  readFileSync(new URL("vectors/serials.json", import.meta.url), "utf8"),
);
const transports = ["plugin-proxy", "proxy", "fetch"] as const;
const ASCII_ONLY = /^[\x20-\x7e]*$/;

/** A world whose transports refuse, as browsers do, headers that are not bytes. The service knows one serial. */
async function strict(): Promise<World> {
  const world = new World();
  await world.grants();
  const grant = world.service;
  world.service = (url, headers) => {
    const serial = headers["X-License-Serial"];
    new Headers(headers);
    expect(serial ?? "").toMatch(ASCII_ONLY);
    return serial === undefined || serial.replace(/-/g, "").toUpperCase() === "ABCDEFGHIJKL2345"
      ? grant(url, headers)
      : [JSON.stringify({ status: 404, code: "NOT_FOUND" }), 404];
  };
  world.kintone.plugin = {
    app: { proxy: (_id, url, _method, headers) => world.ask("plugin-proxy", url, headers as never) },
  };
  return world;
}

it("are read or refused alike by every transport", async () => {
  const table: Record<string, Record<string, string>> = {};
  for (const { what, text, read } of vectors) {
    const row: Record<string, string> = { "sent as": read ?? "refused" };
    for (const transport of transports) {
      const world = await strict();
      const license = await world.visit({ serial: text, transport, pluginId: "plugin" });
      const isSent = read !== null;
      const header = world.requests[0]?.headers["X-License-Serial"];
      expect(world.requests, `${what}: ${transport}`).toHaveLength(isSent ? 1 : 0);
      // The plug-in's proxy sends the serial that the settings screen saved.
      const isHeader = transport !== "plugin-proxy" && read;
      expect(header, `${what}: ${transport}`).toBe(isHeader || undefined);
      expect(license.code, `${what}: ${transport}`).toBe(isSent ? "VALID" : "NOT_FOUND");
      expect(license.reason, `${what}: ${transport}`).toBe(isSent ? "lease" : "malformed_serial");
      expect(license.usable).toBe(isSent);
      row[transport] = license.code + (isSent ? "" : `, ${license.reason}`);
    }
    expect(normalizeSerial(text), what).toBe(read);
    table[what] = row;
  }
  console.table(table);
});

it("saved malformed for the plug-in's proxy are named by the service", async () => {
  const world = await strict();
  world.service = () => [
    JSON.stringify({ code: "MALFORMED", detail: "X-License-Serial: expected one, of …" }),
    400,
  ];
  const license = await world.visit({ pluginId: "plugin" });
  expect(license).toMatchObject({ code: "NOT_FOUND", usable: false, reason: "malformed_serial" });
  // An outage afterwards opens nothing.
  world.vanishes();
  world.pass(DAY);
  expect(await world.visit({ pluginId: "plugin" })).toMatchObject({ code: "NOT_FOUND", usable: false });
});

it("that are malformed do not stop a licence that is known, until its lease ends", async () => {
  const world = await strict();
  await world.visit();
  const spoiled = { serial: "シリアル", force: true };
  const held = await world.visit(spoiled);
  expect(held).toMatchObject({ code: "VALID", reason: "malformed_serial" });
  expect(withoutCode(held).admin).toBe(
    "ライセンス：2027-11-01 09:00まで有効です。シリアルの形式が正しくありません。半角の英数字とハイフンで入力してください。",
  );
  world.pass(14 * DAY);
  expect(await world.visit(spoiled)).toMatchObject({ code: "NOT_FOUND", usable: false });
  expect(world.requests).toHaveLength(1);
  // Corrected, it is asked about at once.
  await world.grants({ iat: Math.floor(world.now / 1000), exp: Math.floor((world.now + DAY) / 1000) });
  expect(await world.visit({ serial: "ＡＢＣＤ－ＥＦＧＨ－ＩＪＫＬ－２３４５", force: true })).toMatchObject({ code: "VALID", reason: "lease" });
});

it("that are malformed are explained to the administrator", async () => {
  const world = await strict();
  expect(withoutCode(await world.visit({ serial: "ABCD", language: "ja" }))).toEqual({
    admin: "ライセンス：シリアルの形式が正しくありません。半角の英数字とハイフンで入力してください。",
    user: "この機能は現在利用できません。管理者にお問い合わせください。",
  });
  expect(withoutCode(await world.visit({ serial: "ABCD", language: "en" })).admin).toBe(
    "Licence: The serial is malformed. Please enter letters, digits and hyphens only.",
  );
});

it("of many hyphens are refused quickly", () => {
  const start = performance.now();
  expect(normalizeSerial(`${"A-------".repeat(15)}!`)).toBe(null);
  expect(performance.now() - start).toBeLessThan(100);
});

it.each<[string, Partial<Options>]>([
  ["an endpoint without a scheme", { endpoint: "license.example.com" }],
  ["an endpoint that is no web address", { endpoint: "ftp://license.example.com" }],
  ["an endpoint with a password", { endpoint: "https://user:pass@license.example.com" }],
  ["a serial that is not a text", { serial: 12345678 as never }],
  ["a product that cannot be sent", { product: "\ud800" }],
  ["an unknown transport", { transport: "xhr" as never }],
  ["plugin-proxy without the plug-in's id", { transport: "plugin-proxy" }],
  ["plugin-proxy where the screen has none", { transport: "plugin-proxy", pluginId: "plugin", kintone: {} }],
  ["proxy where the screen has none", { transport: "proxy", kintone: {} }],
])("%s is the caller's mistake, and not an outage", async (_, options) => {
  const world = await strict();
  const page = await world.open();
  await expect(page.check(options)).rejects.toThrow(TypeError);
  expect(world.requests).toEqual([]);
  expect(world.storage.items.size).toBe(0);
});

it("a request that kintone refuses to make opens nothing", async () => {
  const world = await strict();
  const kintone: Kintone = {
    proxy: () => {
      throw new Error("kintone.proxy: invalid argument");
    },
  };
  const license = await world.visit({ kintone });
  expect(license).toMatchObject({ code: "UNREACHABLE", usable: false, reason: "error" });
  expect(withoutCode(license).admin).toBe("Licence: not confirmed. Fault in the plug-in. Please contact the vendor.");
  // With a lease it changes nothing.
  const other = await strict();
  await other.visit();
  expect(await other.visit({ kintone, force: true })).toMatchObject({ code: "VALID", reason: "error" });
  await settle();
});
