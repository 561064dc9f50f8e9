// What the administrator and the user are told.

import { beforeEach, describe, expect, it, vi } from "vitest";
import { HOUR, World, hours, lease, seconds, withoutCode } from "./world.js";

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
    `ライセンス：確認できません。${new Date("2026-11-25T10:00:00+09:00").toLocaleString("sv").slice(0, 16)}まで利用できます。${NETWORK_JA}`,
    `Licence: not confirmed. Works until ${new Date("2026-11-25T10:00:00+09:00").toLocaleString("sv").slice(0, 16)}.${NETWORK_EN}`,
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
    expect(withoutCode(inJapanese)).toEqual({
      admin: ja,
      user: inJapanese.usable ? "" : "この機能は現在利用できません。管理者にお問い合わせください。",
    });
    expect(withoutCode(inEnglish)).toEqual({
      admin: en,
      user: inEnglish.usable ? "" : "Not available now. Please contact your administrator.",
    });
  });
});

const links = { support: "support@vendor.example", purchase_url: "https://www.example.com/sheet" };
const PURCHASE = "\nTo buy or renew: https://www.example.com/sheet";
const SUPPORT = "\nSupport: support@vendor.example";
const trial = { kind: "trial", ...links };

describe("whom to ask", () => {
  const told = async (changes: Record<string, unknown>, language: "ja" | "en" | "zh" = "en") => {
    await world.grants(changes);
    return withoutCode(await world.visit({ language }));
  };

  it.each<[string, Record<string, unknown>, string]>([
    ["a contract that runs", links, "Licence: valid until 2027-11-01 09:00."],
    [
      "a contract that was cancelled, a week before",
      { valid_until: hours(7 * 24), ...links },
      `Licence: valid until 2026-11-29 10:00. Days left: 7.${PURCHASE}${SUPPORT}`,
    ],
    ["the same, an hour earlier", { valid_until: hours(7 * 24 + 1), ...links }, "Licence: valid until 2026-11-29 11:00."],
    [
      "a trial",
      { valid_until: hours(40 * 24), ...trial },
      `Licence: trial until 2027-01-01 10:00.${PURCHASE}${SUPPORT}`,
    ],
    [
      "a trial's last month",
      { valid_until: hours(29.5 * 24), ...trial },
      `Licence: trial until 2026-12-21 22:00. Days left: 30.${PURCHASE}${SUPPORT}`,
    ],
    [
      "a trial's last minutes",
      { valid_until: hours(0.1), ...trial },
      `Licence: trial until 2026-11-22 10:06. Days left: 1.${PURCHASE}${SUPPORT}`,
    ],
    [
      "a trial in grace",
      { valid_until: hours(-49), grace_until: hours(119), ...trial },
      `Licence: trial ended on 2026-11-20 09:00. Please purchase to continue. Works until 2026-11-27 09:00.${PURCHASE}${SUPPORT}`,
    ],
    [
      "a trial that has ended",
      { valid_until: hours(-241), grace_until: hours(-73), ...trial },
      `Licence: trial ended on 2026-11-12 09:00. Please purchase to continue.${PURCHASE}${SUPPORT}`,
    ],
    [
      "a contract that has ended",
      { valid_until: hours(-241), grace_until: hours(-73), ...links },
      `Licence: ended on 2026-11-12 09:00. Please renew.${PURCHASE}${SUPPORT}`,
    ],
    [
      "a suspension",
      { suspended_from: hours(-1), ...links },
      `Licence: suspended since 2026-11-22 09:00. Please contact the vendor.${SUPPORT}`,
    ],
    ["a vendor who names a page only", { ...trial, support: undefined }, `Licence: trial until 2027-11-01 09:00.${PURCHASE}`],
    ["a link with an instant in it", { ...links, suspended_from: hours(-1), support: "https://example.com/T09:00/x?$until" }, "Licence: suspended since 2026-11-22 09:00. Please contact the vendor.\nSupport: https://example.com/T09:00/x?$until"],
  ])("is in the message of %s", async (_, changes, expected) => {
    const message = await told(changes);
    expect(message.admin).toBe(expected);
    // Users are not told.
    expect(message.user).not.toMatch(/vendor\.example|left/);
  });

  it("is in the message of an answer that fails", async () => {
    await world.grants(links);
    await world.visit();
    world.vanishes();
    const message = withoutCode(await world.visit({ language: "en", force: true }));
    expect(message.admin).toBe(`Licence: valid until 2027-11-01 09:00.${NETWORK_EN}${SUPPORT}`);
  });

  it("is said in Japanese and Chinese", async () => {
    const changes = { valid_until: hours(-241), grace_until: hours(-73), ...trial };
    expect(await told(changes, "ja")).toEqual({
      admin:
        "ライセンス：試用期間は2026-11-12 09:00に終了しました。継続して利用する場合は購入してください。\n購入・更新：https://www.example.com/sheet\nお問い合わせ：support@vendor.example",
      user: "この機能は現在利用できません。管理者にお問い合わせください。",
    });
    expect(await told(changes, "zh")).toEqual({
      admin:
        "许可证：试用期已于2026-11-12 09:00结束。如需继续使用，请购买。\n购买或续订：https://www.example.com/sheet\n咨询：support@vendor.example",
      user: "目前无法使用此功能。请联系管理员。",
    });
  });

  it("has its own words for another domain's licence", async () => {
    const jws = await lease({ sub: "other.cybozu.com" });
    world.service = () => [JSON.stringify({ lease: jws }), 200];
    expect(withoutCode(await world.visit({ language: "en" })).admin).toBe(
      "Licence: not confirmed. The answer is for another domain. Please contact the vendor.",
    );
  });

  it("is told in every language for every state", async () => {
    for (const language of ["ja", "en", "zh"] as const) {
      const seen = new Set<string>();
      for (const changes of [{}, trial, { valid_until: hours(-49), grace_until: hours(119) }, { suspended_from: hours(-1) }, { usable_from: hours(23) }]) {
        world = new World();
        seen.add((await told(changes, language)).admin);
      }
      for (const message of seen) expect(message).not.toMatch(/undefined|null|NaN|\$/);
      expect(seen.size).toBe(5);
    }
  });
});

describe("the language", () => {
  const spoken = async (options = {}) =>
    ({ L: "en", ラ: "ja", 许: "zh" })[(await world.visit(options)).message.admin[0]!];
  beforeEach(() => world.grants());

  it.each([
    ["ja", "ja"],
    ["en", "en"],
    ["zh", "zh"],
    ["zh-CN", "zh"],
    ["zh-TW", "en"],
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
