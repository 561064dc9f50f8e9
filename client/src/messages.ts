// What the administrator and the user are told, in Japanese, English and Chinese.

import type { Claims } from "./lease.js";
import type { Code, Language, Reason } from "./types.js";

type Texts = readonly [ja: string, en: string, zh: string];

const ENDED: Texts = [
  "$valid_untilに期限が切れました。契約を更新してください。",
  " ended on $valid_until. Please renew.",
  "已于$valid_until到期。请续订。",
];

/** What is told of a code. `$name` stands for a claim or for a part of the result. */
const CODES: Record<Code, Texts> = {
  VALID: ["$valid_untilまで有効です。", " valid until $valid_until.", "有效期至$valid_until。"],
  GRACE: ENDED,
  EXPIRED: ENDED,
  SUSPENDED: [
    "$suspended_fromから停止中です。販売元にお問い合わせください。",
    " suspended since $suspended_from. Please contact the vendor.",
    "自$suspended_from起已停用。请联系供应商。",
  ],
  NOT_STARTED: [
    "$usable_fromから利用できます。",
    " starts on $usable_from.",
    "自$usable_from起可以使用。",
  ],
  NOT_FOUND: [
    "$domainの契約が見つかりません。契約とシリアルを確認してください。",
    " No contract found for $domain. Please check contract and serial.",
    "未找到$domain的合同。请确认合同和序列号。",
  ],
  UNREACHABLE: ["確認できません。", " not confirmed.", "无法确认。"],
};

const TRIAL_ENDED: Texts = [
  "試用期間は$valid_untilに終了しました。継続して利用する場合は購入してください。",
  " trial ended on $valid_until. Please purchase to continue.",
  "试用期已于$valid_until结束。如需继续使用，请购买。",
];

/** The same of a trial. */
const TRIAL: Partial<Record<Code, Texts>> = {
  VALID: ["試用期間は$valid_untilまでです。", " trial until $valid_until.", "试用期至$valid_until。"],
  GRACE: TRIAL_ENDED,
  EXPIRED: TRIAL_ENDED,
};

/** What is told of a licence whose end is not told. */
const VALID: Texts = ["有効です。", " valid.", "有效。"];

/** What is told besides of what works only for a time. */
const FOR_A_TIME: Texts = [
  "$untilまで利用できます。",
  " Works until $until.",
  "可使用至$until。",
];

/**
 * From how many days before its end on the days that are left are told. A contract that goes on is bound
 * to its next term before that (docs/API.md), so this one has been cancelled.
 */
const DAYS = { trial: 30, paid: 7 };
const DAYS_LEFT: Texts = ["残り$days日です。", " Days left: $days.", "剩余$days天。"];

const NO_ANSWER: Texts = [
  "サーバーが応答しません。ネットワークを確認してください。",
  " No answer from the server. Please check the network.",
  "服务器没有响应。请检查网络。",
];

const NO_TRUST: Texts = [
  "サーバーの応答が不正です。プラグインを更新してください。",
  " Bad answer from the server. Please update the plug-in.",
  "服务器的响应不正确。请更新插件。",
];

const OTHER_DOMAIN: Texts = [
  "サーバーの応答が別のドメインのものです。販売元にお問い合わせください。",
  " The answer is for another domain. Please contact the vendor.",
  "服务器的响应属于其他域名。请联系供应商。",
];

const BAD_SERIAL: Texts = [
  "シリアルの形式が正しくありません。半角の英数字とハイフンで入力してください。",
  " The serial is malformed. Please enter letters, digits and hyphens only.",
  "序列号格式不正确。请使用半角英文字母、数字和连字符输入。",
];

const FAULT: Texts = [
  "プラグインの不具合です。販売元にお問い合わせください。",
  " Fault in the plug-in. Please contact the vendor.",
  "插件出现故障。请联系供应商。",
];

const PURCHASE: Texts = [
  "\n購入・更新：$purchase_url",
  "\nTo buy or renew: $purchase_url",
  "\n购买或续订：$purchase_url",
];

const SUPPORT: Texts = ["\nお問い合わせ：$support", "\nSupport: $support", "\n咨询：$support"];

const SUPPORT_CODE: Texts = [
  "\nサポートコード：$supportCode",
  "\nSupport code: $supportCode",
  "\n支持代码：$supportCode",
];

const CLOSED: Texts = [
  "この機能は現在利用できません。管理者にお問い合わせください。",
  "Not available now. Please contact your administrator.",
  "目前无法使用此功能。请联系管理员。",
];

/** Whether a reason says nothing against the customer. */
export const isMissing = (reason: string) =>
  "offline timeout throttled unavailable refused".includes(reason);

/** Whether a reason is the service's word that there is no licence, or could be none. */
export const isDenial = (reason: string): reason is "no_license" | "malformed_serial" =>
  /^(no_license|malformed_serial)$/.test(reason);

/** Facts by the names that the texts use. Instants are in RFC 3339; `days` are left until the end. */
export type Facts = Partial<Claims> & {
  domain: string;
  until: unknown;
  days: number;
  supportCode: string;
};

/** The language of the messages: English for every language that has no texts here. */
export function languageOf(tag: string): Language {
  // Traditional Chinese is another script.
  return /^ja/i.test(tag) ? "ja" : /^zh(-(CN|SG|Hans).*)?$/i.test(tag) ? "zh" : "en";
}

/** The administrator's and the user's message. */
export function messages(
  code: Code,
  usable: boolean,
  reason: Reason,
  facts: Facts,
  language: Language,
): { admin: string; user: string } {
  const inLanguage = (texts: Texts) => texts[["ja", "en", "zh"].indexOf(language)];
  const { until, kind, days } = facts;
  const isBad = reason === "malformed_serial";
  const told: Texts[] = [
    ["ライセンス：", "Licence:", "许可证："],
    code === "NOT_FOUND" && isBad
      ? BAD_SERIAL
      : code === "VALID" && !until
        ? VALID
        : ((kind === "trial" && TRIAL[code]) || CODES[code]),
  ];
  const endsSoon = code === "VALID" && kind && until && days <= DAYS[kind];
  if (endsSoon) {
    told.push(DAYS_LEFT);
  }
  if (until && usable && code !== "VALID") {
    told.push(FOR_A_TIME);
  }
  if (isMissing(reason) || reason === "lease_ended") {
    told.push(NO_ANSWER);
  } else if (reason === "error") {
    told.push(FAULT);
  } else if (reason === "wrong_tenant") {
    told.push(OTHER_DOMAIN);
  } else if (reason !== "lease" && !isDenial(reason)) {
    told.push(NO_TRUST);
  } else if (reason !== "lease" && usable) {
    told.push(isBad ? BAD_SERIAL : CODES.NOT_FOUND);
  }
  // Whom to ask, where there is something to do.
  if (facts.purchase_url && (kind === "trial" || endsSoon || /^(GRACE|EXPIRED)$/.test(code))) {
    told.push(PURCHASE);
  }
  const isFine = code === "VALID" && reason === "lease";
  if (facts.support && (endsSoon || kind === "trial" || !isFine)) {
    told.push(SUPPORT);
  }
  if (!isFine) {
    told.push(SUPPORT_CODE);
  }
  return {
    admin: told
      .map(inLanguage)
      .join("")
      // Instants in the product's zone, as the vendor wrote them, and not in the PC's.
      .replace(/\$(\w+)/g, (_, name: keyof Facts) =>
        String(facts[name]).replace(/^([\d-]+)[T ](\d\d:\d\d).*/, "$1 $2"),
      ),
    user: usable ? "" : inLanguage(CLOSED)!,
  };
}
