// kintone's side of the window: what its page gives a plug-in, with the page's switches in between.

const world = window.parent.demo;
const DAY = 86_400_000;
const RealDate = Date;
const realFetch = window.fetch.bind(window);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const WORDS = {
  ja: {
    user: "利用者の画面", admin: "管理者の画面", app: "案件管理", view: "一覧", chart: "グラフ", settings: "「シート」の設定",
    columns: "固定する列の数", serial: "シリアル（任意）", paste: "Excel からの貼り付けを許可する", lock: "編集をロックする", save: "保存",
  },
  en: {
    user: "A user's screen", admin: "An administrator's screen", app: "Deals", view: "List", chart: "Charts", settings: "Settings of “Sheet”",
    columns: "Columns that stay", serial: "Serial, if you have one", paste: "Allow pasting from Excel", lock: "Lock editing", save: "Save",
  },
}[world.language];
document.documentElement.lang = world.language;
for (const element of document.querySelectorAll("[data-word]")) {
  element.textContent = WORDS[element.dataset.word];
}
document.querySelector("#serial").value = world.serial ?? "";

// The PC's clock.
const pcNow = () => RealDate.now() + world.pcDays * DAY;
window.Date = class extends RealDate {
  constructor(...given) {
    if (given.length) super(...given);
    else super(pcNow());
  }

  static now() {
    return pcNow();
  }
};

if (world.isBlocked) {
  Object.defineProperty(window, "localStorage", {
    get() {
      throw new DOMException("blocked by the switch", "SecurityError");
    },
  });
}

// kintone's clock: the Date of its answers. And the CDN, as its switch says.
window.fetch = async (input, init) => {
  const { pathname } = new URL(input, location.href);
  if (pathname.startsWith(`/${world.product}/`)) {
    if (world.cdn === "down") throw new TypeError("the switch says that the CDN cannot be reached");
    if (world.cdn === "forged" && pathname.endsWith("/current.jwt")) return new Response(await forgeRelease(pathname));
  }
  const response = await realFetch(input, init);
  if (!pathname.startsWith("/k/")) return response;
  const headers = new Headers(response.headers);
  headers.set("Date", new RealDate(RealDate.now() + world.kintoneDays * DAY).toUTCString());
  return new Response(null, { status: response.status, headers });
};

// An answer as kintone.proxy gives it: body, status, headers.
async function ask(url, method, headers) {
  // Cybozu's servers keep no answers.
  const response = await realFetch(url, { method, headers, cache: "no-store" });
  return [await response.text(), response.status, Object.fromEntries(response.headers)];
}

const encode = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const decode = (part) => JSON.parse(atob(part.replaceAll("-", "+").replaceAll("_", "/")));
const text = (value) => encode(new TextEncoder().encode(JSON.stringify(value)));

// The lease as an attacker wishes it: valid for ten years, under the vendor's key id, signed with
// another key.
async function forge(answer) {
  const years = 3650 * DAY;
  const until = new RealDate(RealDate.now() + years).toISOString();
  const header = { alg: "ES256", kid: world.keys[0].kid, typ: "license+jwt" };
  const claims = {
    iss: world.issuer, aud: world.product, sub: world.domain, kind: "paid", edition: "standard", users: 9999, quotas: {},
    term: { starts_on: "2020-01-01", ends_on: until.slice(0, 10) }, jti: "forged",
    ...(answer.lease ? decode(answer.lease.split(".")[1]) : {}),
    iat: Math.floor(RealDate.now() / 1000), nbf: 0, exp: Math.floor((RealDate.now() + years) / 1000),
    usable_from: "2020-01-01T00:00:00+09:00", valid_until: until, grace_until: until,
  };
  delete claims.suspended_from;
  return { ...answer, code: "VALID", valid_until: until, grace_until: until, lease: await sign(header, claims) };
}

// With a key that nobody has pinned.
async function sign(header, claims) {
  const signed = `${text(header)}.${text(claims)}`;
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const key = await crypto.subtle.generateKey(algorithm, false, ["sign"]);
  const signature = await crypto.subtle.sign(algorithm, key.privateKey, new TextEncoder().encode(signed));
  return `${signed}.${encode(new Uint8Array(signature))}`;
}

// The release as an attacker wishes it: a newer one, under the vendor's key id, signed with another key.
async function forgeRelease(pathname) {
  const [header, claims] = (await (await realFetch(pathname)).text()).split(".").slice(0, 2).map(decode);
  return sign(header, { ...claims, iat: claims.iat + 60, version: "6.6.6" });
}

const TRICKS = {
  ok: (given) => ask(...given),
  async slow(given) {
    await pause(3000);
    return ask(...given);
  },
  async down() {
    await pause(300);
    throw new Error("the switch says that nothing can be reached");
  },
  async busy() {
    const problem = { type: "about:blank", title: "Service Unavailable", status: 503, code: "UNAVAILABLE" };
    return [JSON.stringify(problem), 503, { "Retry-After": "5" }];
  },
  async unsigned(given) {
    const [body] = await ask(...given);
    const { lease: _, ...answer } = JSON.parse(body);
    return [JSON.stringify({ ...answer, code: "VALID" }), 200, {}];
  },
  async forged(given) {
    const [body] = await ask(...given);
    return [JSON.stringify(await forge(JSON.parse(body))), 200, {}];
  },
  async other([, ...rest]) {
    const other = world.domain === "example.cybozu.com" ? "grace.cybozu.com" : "example.cybozu.com";
    return ask(`/v1/products/sheet/domains/${other}/license`, ...rest);
  },
};

const [subdomain, ...base] = world.domain.split(".");
window.kintone = {
  getDomain: () => ({ subdomain, baseDomain: base.join(".") }),
  getLoginUser: () => ({ language: world.language, isGuest: false }),
  proxy: (url, method, headers) => TRICKS[world.network]([url, method, headers]),
};

const { start } = await import("/demo/desktop.js");
await start({
  releaseKeys: world.releaseKeys,
  released: world.released,
  updateWaits: world.updateWaits,
  product: world.product,
  endpoint: location.origin,
  keys: world.keys,
  issuer: world.issuer,
  serial: world.serial,
  language: world.language,
  report: world.report,
});
