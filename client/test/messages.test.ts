// What the administrator and the user are told.

import { beforeEach, describe, expect, it, vi } from "vitest";
import { HOUR, World, hours, lease, seconds } from "./world.js";

let world: World;
beforeEach(() => {
  world = new World();
});

const NETWORK_JA = "サーバーが応答しません。ネットワークを確認してください。";
const NETWORK_EN = " No answer from the server. Please check the network.";
const ANSWER_JA = "サーバーの応答が不正です。プラグインを更新してください。";
const ANSWER_EN = " Bad answer from the server. Please update the plug-in.";

const cases: [string, () => Promise<unknown>, ja: string, en: string][] = [
  [
    "VALID",
    () => world.grants(),
    "ライセンス：2027-11-01 09:00まで有効です。",
    "Licence: valid until 2027-11-01 09:00.",
  ],
  [
    "VALID, in another zone than Japan's",
    () => world.grants({ valid_until: "2026-12-31T23:59:59.5-05:00" }),
    "ライセンス：2026-12-31 23:59まで有効です。",
    "Licence: valid until 2026-12-31 23:59.",
  ],
  [
    "GRACE",
    () => world.grants({ valid_until: hours(-49), grace_until: hours(119) }),
    "ライセンス：2026-11-20 09:00に期限が切れました。契約を更新してください。2026-11-27 09:00まで利用できます。",
    "Licence: ended on 2026-11-20 09:00. Please renew. Works until 2026-11-27 09:00.",
  ],
  [
    "EXPIRED",
    () => world.grants({ valid_until: hours(-241), grace_until: hours(-73), exp: seconds(-73) }),
    "ライセンス：2026-11-12 09:00に期限が切れました。契約を更新してください。",
    "Licence: ended on 2026-11-12 09:00. Please renew.",
  ],
  [
    "SUSPENDED",
    () => world.grants({ suspended_from: hours(-1) }),
    "ライセンス：2026-11-22 09:00から停止中です。販売元にお問い合わせください。",
    "Licence: suspended since 2026-11-22 09:00. Please contact the vendor.",
  ],
  [
    "NOT_STARTED",
    () => world.grants({ usable_from: hours(23) }),
    "ライセンス：2026-11-23 09:00から利用できます。",
    "Licence: starts on 2026-11-23 09:00.",
  ],
  [
    "NOT_FOUND",
    async () => world.fails(404, "NOT_FOUND"),
    "ライセンス：example.cybozu.comの契約が見つかりません。契約とシリアルを確認してください。",
    "Licence: No contract found for example.cybozu.com. Please check contract and serial.",
  ],
  [
    "UNREACHABLE, open",
    async () => world.fails(503),
    `ライセンス：確認できません。${new Date("2026-11-25T10:00:00+09:00").toLocaleString("sv")}まで利用できます。${NETWORK_JA}`,
    `Licence: not confirmed. Works until ${new Date("2026-11-25T10:00:00+09:00").toLocaleString("sv")}.${NETWORK_EN}`,
  ],
  [
    "UNREACHABLE, closed",
    async () => {
      await world.grants({ exp: seconds(1) });
      await world.visit();
      world.vanishes();
      world.pass(2 * HOUR);
    },
    `ライセンス：確認できません。${NETWORK_JA}`,
    `Licence: not confirmed.${NETWORK_EN}`,
  ],
  [
    "UNREACHABLE, because it was forged",
    async () => {
      const jws = await lease({ aud: "grid" });
      world.service = () => [JSON.stringify({ lease: jws }), 200];
    },
    `ライセンス：確認できません。${ANSWER_JA}`,
    `Licence: not confirmed.${ANSWER_EN}`,
  ],
  [
    "VALID, but the refresh failed",
    async () => {
      await world.grants();
      await world.visit();
      world.vanishes();
      world.pass(25 * HOUR);
      await world.visit();
    },
    `ライセンス：2027-11-01 09:00まで有効です。${NETWORK_JA}`,
    `Licence: valid until 2027-11-01 09:00.${NETWORK_EN}`,
  ],
  [
    "VALID, but no longer for the service",
    async () => {
      await world.grants();
      await world.visit();
      world.fails(404, "NOT_FOUND");
      world.pass(25 * HOUR);
      await world.visit();
    },
    "ライセンス：2027-11-01 09:00まで有効です。example.cybozu.comの契約が見つかりません。契約とシリアルを確認してください。",
    "Licence: valid until 2027-11-01 09:00. No contract found for example.cybozu.com. Please check contract and serial.",
  ],
];

describe("the messages", () => {
  it.each(cases)("for %s", async (_, happens, ja, en) => {
    await happens();
    const inJapanese = await world.visit({ language: "ja" });
    const inEnglish = await world.visit({ language: "en" });
    expect(inJapanese.message).toEqual({
      admin: ja,
      user: inJapanese.usable ? "" : "この機能は現在利用できません。管理者にお問い合わせください。",
    });
    expect(inEnglish.message).toEqual({
      admin: en,
      user: inEnglish.usable ? "" : "Not available now. Please contact your administrator.",
    });
  });
});

describe("the language", () => {
  const spoken = async (options = {}) =>
    (await world.visit(options)).message.admin.startsWith("Licence") ? "en" : "ja";
  beforeEach(() => world.grants());

  it.each([
    ["ja", "ja"],
    ["en", "en"],
    ["zh", "en"],
    ["pt-BR", "en"],
  ])("is the login user's: %s gets %s", async (language, expected) => {
    world.language = language;
    expect(await spoken()).toBe(expected);
  });

  it("is the browser's if there is no login user", async () => {
    expect(await spoken({ kintone: {} })).toBe("en");
    vi.stubGlobal("navigator", { language: "ja-JP" });
    expect(await spoken({ kintone: {} })).toBe("ja");
  });

  it("is the given one before all others", async () => {
    world.language = "en";
    expect(await spoken({ language: "ja" })).toBe("ja");
  });
});
