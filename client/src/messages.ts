// What the administrator and the user are told, in Japanese and English.

import type { Claims } from "./lease.js";
import type { Code, Reason } from "./types.js";

type Texts = readonly [ja: string, en: string];

const ENDED: Texts = [
  "$valid_untilに期限が切れました。契約を更新してください。",
  " ended on $valid_until. Please renew.",
];

/** What is told of a code. `$name` stands for a claim or for a part of the result. */
const CODES: Record<Code, Texts> = {
  VALID: ["$valid_untilまで有効です。", " valid until $valid_until."],
  GRACE: ENDED,
  EXPIRED: ENDED,
  SUSPENDED: [
    "$suspended_fromから停止中です。販売元にお問い合わせください。",
    " suspended since $suspended_from. Please contact the vendor.",
  ],
  NOT_STARTED: ["$usable_fromから利用できます。", " starts on $usable_from."],
  NOT_FOUND: [
    "$domainの契約が見つかりません。契約とシリアルを確認してください。",
    " No contract found for $domain. Please check contract and serial.",
  ],
  UNREACHABLE: ["確認できません。", " not confirmed."],
};

/** What is told of a licence whose end is not told. */
const VALID: Texts = ["有効です。", " valid."];

/** What is told besides of what works only for a time. */
const FOR_A_TIME: Texts = ["$untilまで利用できます。", " Works until $until."];

const NO_ANSWER: Texts = [
  "サーバーが応答しません。ネットワークを確認してください。",
  " No answer from the server. Please check the network.",
];

const NO_TRUST: Texts = [
  "サーバーの応答が不正です。プラグインを更新してください。",
  " Bad answer from the server. Please update the plug-in.",
];

const BAD_SERIAL: Texts = [
  "シリアルの形式が正しくありません。半角の英数字とハイフンで入力してください。",
  " The serial is malformed. Please enter letters, digits and hyphens only.",
];

const FAULT: Texts = [
  "プラグインの不具合です。販売元にお問い合わせください。",
  " Fault in the plug-in. Please contact the vendor.",
];

const CLOSED: Texts = [
  "この機能は現在利用できません。管理者にお問い合わせください。",
  "Not available now. Please contact your administrator.",
];

/** Whether a reason says nothing against the customer. */
export const isMissing = (reason: string) =>
  "offline timeout throttled unavailable refused".includes(reason);

/** Whether a reason is the service's word that there is no licence, or could be none. */
export const isDenial = (reason: string): reason is "no_license" | "malformed_serial" =>
  /^(no_license|malformed_serial)$/.test(reason);

/** Facts by the names that the texts use. Instants are in RFC 3339. */
export type Facts = Partial<Claims> & { domain: string; until: unknown };

/** The administrator's and the user's message. */
export function messages(
  code: Code,
  usable: boolean,
  reason: Reason,
  facts: Facts,
  language: string,
): { admin: string; user: string } {
  const inLanguage = (texts: Texts) => texts[language === "ja" ? 0 : 1];
  const { until } = facts;
  const isBad = reason === "malformed_serial";
  const told: Texts[] = [
    ["ライセンス：", "Licence:"],
    code === "NOT_FOUND" && isBad ? BAD_SERIAL : code === "VALID" && !until ? VALID : CODES[code],
  ];
  if (until && usable && code !== "VALID") {
    told.push(FOR_A_TIME);
  }
  if (isMissing(reason) || reason === "lease_ended") {
    told.push(NO_ANSWER);
  } else if (reason === "error") {
    told.push(FAULT);
  } else if (reason !== "lease" && !isDenial(reason)) {
    told.push(NO_TRUST);
  } else if (reason !== "lease" && usable) {
    told.push(isBad ? BAD_SERIAL : CODES.NOT_FOUND);
  }
  return {
    admin: told
      .map(inLanguage)
      .join("")
      // Instants in the product's zone, as the vendor wrote them, and not in the PC's.
      .replace(/\$(\w+)/g, (_, name: keyof Facts) =>
        String(facts[name]).replace(/T(\d\d:\d\d).*/, " $1"),
      ),
    user: usable ? "" : inLanguage(CLOSED),
  };
}
