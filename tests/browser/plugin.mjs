// The sample plug-in: packed by Cybozu's packer, installed as kintone does it, and used on each screen
// by users and administrators, in Japanese and English, on a desktop and on a phone, with each state
// of a licence. `tegata dev` is the vendor's stack.
//
// usage: node tests/browser/plugin.mjs TEGATA [DIRECTORY]     screenshots go into the directory

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { accessible, views } from "./axe.mjs";
import { BROWSER } from "./browser.mjs";
import { run, start, until, work } from "./dev.mjs";
import { install, Tenant } from "./kintone.mjs";

const shots = process.argv[3];
if (shots) mkdirSync(shots, { recursive: true });
const { address, browser, end } = await start();
const directory = fileURLToPath(new URL("../../examples/plugin", import.meta.url));
const npm = (...args) => execFileSync("npm", ["run", "--silent", ...args], { cwd: directory, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
const SERIAL = "SAMP-LEON-LYSA-MPLE-ONLY";
let checks = 0;
let names = 0;

// The vendor's names, behind which is `tegata dev`: WebKit refuses a loopback address to an HTTPS page.
const [API, CDN] = ["https://license.vendor.example", "https://cdn.vendor.example"];
const local = (url) => url.replace(API, address).replace(CDN, address);

// What Cybozu's servers get for a request, and what the page's own requests get.
async function answer(url, method, headers) {
  const response = await fetch(local(url), { method, headers });
  return { body: await response.text(), status: response.status, headers: Object.fromEntries(response.headers) };
}
const direct = async (route) => {
  // Not the request's own headers: `tegata dev` answers to no other host name than its own.
  const { headers, ...answered } = await answer(route.request().url(), route.request().method(), {});
  await route.fulfill({ ...answered, headers: { ...headers, "access-control-allow-origin": "*" } });
};
const nothing = { answer: async () => { throw new Error("cannot connect"); }, direct };
const forged = {
  direct,
  async answer(...given) {
    const real = await answer(...given);
    const said = JSON.parse(real.body);
    return { ...real, body: JSON.stringify({ ...said, lease: said.lease.replace(/.{8}$/, "AAAAAAAA") }) };
  },
};

async function shot(page, name) {
  if (shots) await page.screenshot({ path: join(shots, `plugin-${name}.png`), fullPage: true });
}

function equal(actual, expected, what) {
  assert.deepEqual(actual, expected, what);
  checks++;
}

// What a list says: whether the total is there, what everybody and what administrators are told.
async function says(page) {
  const sheet = page.locator(".tegata-sheet");
  await sheet.locator("p").first().waitFor();
  // The administrator's line comes after kintone has said who is one.
  await page.waitForTimeout(50);
  const text = async (kind) => (await sheet.locator(`.tegata-sheet-${kind}`).allTextContents()).join();
  return { total: await text("total"), closed: await text("closed"), admin: await text("admin") };
}

// The support code that the button copies; of a licence that is fine the message has none.
async function copied(page) {
  // The headless shell has nobody to ask.
  if (BROWSER === "chromium") await page.context().grantPermissions(["clipboard-write"]);
  const button = page.locator(".tegata-sheet-copy");
  await button.click();
  await button.filter({ hasText: /^(コピーしました|Copied)$/ }).waitFor();
  // As a person pastes it: to read the clipboard, each browser asks for a permission in its own way.
  await page.evaluate(() => {
    document.body.append(Object.assign(document.createElement("textarea"), { id: "paste" }));
  });
  const paste = page.locator("#paste");
  await paste.press("Control+V");
  const code = await paste.inputValue();
  await page.evaluate(() => document.querySelector("#paste").remove());
  return (await page.locator(".tegata-sheet-admin").textContent()).includes(code) ? code : "";
}

const CLOSED = {
  ja: "この機能は現在利用できません。管理者にお問い合わせください。",
  en: "Not available now. Please contact your administrator.",
};
const TOTAL = { ja: "合計 204,700 (3 件)", en: "Total 204,700 (3 records)" };

try {
  if (!existsSync(join(directory, "private.ppk"))) npm("key");
  npm("pin", "--", "sheet", address, address, "https://license.example.com");
  const vendor = join(directory, "vendor.json");
  writeFileSync(vendor, JSON.stringify({ ...JSON.parse(readFileSync(vendor, "utf8")), api: API, cdn: CDN }));
  npm("package");
  const plugin = install(join(directory, "dist/plugin.zip"), join(work, "plugin"));
  assert.match(plugin.id, /^[a-p]{32}$/);
  run("publish", "files", "sheet", "2.0.0", join(directory, "dist/cdn"));
  run("publish", "current", "sheet", "2.0.0", "--yes", "--emergency", "a test");
  run("license", "issue", "trial.cybozu.com", "sheet", "--trial", "30", "--users", "5");
  const tenant = (name, ways = { answer, direct }) => {
    const of = new Tenant(browser, plugin, `${name}.cybozu.com`, ways);
    of.config = { field: "amount" };
    return of;
  };

  // Every state of a licence; what administrators are told begins like this.
  for (const [name, isUsable, ja, en, ways] of [
    ["example", true, "", ""],
    ["trial", true, "", ""],
    ["grace", true, "ライセンス：20", "Licence: ended on 20"],
    ["expired", false, "ライセンス：20", "Licence: ended on 20"],
    ["suspended", false, "ライセンス：20", "Licence: suspended since 20"],
    ["not-started", false, "ライセンス：20", "Licence: starts on 20"],
    ["stranger", false, "ライセンス：stranger.cybozu.comの契約", "Licence: No contract found"],
    ["example", true, "ライセンス：確認できません。20", "Licence: not confirmed. Works until", nothing],
    ["example", false, "ライセンス：確認できません。", "Licence: not confirmed.", forged],
  ]) {
    const state = ways === nothing ? "unreachable" : ways === forged ? "forged" : name;
    // Every administrator's message in both languages; light on a desktop, dark on a phone.
    for (const [language, screen, width, colorScheme, editApp] of [
      ["ja", "desktop", 1280, "light", true], ["en", "mobile", 390, "dark", true], isUsable ? ["en", "desktop", 1280, "dark", false] : ["ja", "mobile", 390, "light", false],
    ]) {
      const page = await tenant(name, ways).open(screen, { language, width, colorScheme, editApp });
      const said = await says(page);
      const what = `${state}, ${language}, ${screen}, ${editApp ? "administrator" : "user"}`;
      equal(said.total, isUsable ? TOTAL[language] : "", what);
      equal(said.closed, isUsable ? "" : CLOSED[language], what);
      const told = editApp ? { ja, en }[language] : "";
      equal([said.admin.slice(0, told.length), !said.admin], [told, !told], `${what}: ${said.admin}`);
      assert.doesNotMatch(said.admin, /undefined|NaN|Invalid/);
      equal(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth), true, `${what}: not wider than the screen`);
      if (editApp) await accessible(page, what);
      if (told) equal(await copied(page), said.admin.match(/[：:] ?(1\/\S+)$/)?.[1] ?? "", `${what}: the support code`);
      await shot(page, `${String(++names).padStart(2, "0")}-${state}-${language}-${screen}-${editApp ? "admin" : "user"}`);
      await page.context().close();
    }
  }

  // In a guest space, and on a page of secure access.
  const guest = await tenant("example").open("desktop", { path: "/k/guest/3/12/" });
  equal((await says(guest)).total, TOTAL.ja, "in a guest space");
  await guest.context().close();

  // Neither the CDN nor the API answers: the records are there, and one sentence.
  const cut = await tenant("example", { ...nothing, direct: (route) => route.abort() }).open("desktop");
  equal((await says(cut)).closed, "プラグインのファイルを読み込めませんでした。ネットワークを確認し、画面を再読み込みしてください。", "no CDN");
  equal(await cut.locator("tbody tr").count(), 3, "the records are there");
  await cut.context().close();

  // The settings: the serial as a Japanese keyboard gives it is saved as it is sent.
  for (const [language, width, colorScheme] of [["ja", 1280, "light"], ["en", 390, "dark"]]) {
    const customer = tenant("example");
    customer.config = {};
    const page = await customer.open("config", { language, width, colorScheme });
    const [field, serial, error] = ["[name=field]", "[name=serial]", ".tegata-sheet-error"].map((of) => page.locator(of));
    const words = await page.locator("[data-word]").allTextContents();
    equal(words.every((word) => word && !/undefined/.test(word)), true, `words: ${words}`);
    await serial.fill("シリアル：ＡＢＣＤ");
    await page.locator("[type=submit]").click();
    equal([await error.isVisible(), await serial.getAttribute("aria-invalid"), customer.proxyConfig], [true, "true", []], "a malformed serial is not saved");
    await accessible(page, `settings with an error, ${language}`);
    await shot(page, `settings-${language}-error`);
    await serial.fill("ＳＡＭＰ－ＬＥＯＮ‐ＬＹＳＡ ＭＰＬＥー\u3000ＯＮＬＹ");
    await page.locator("[type=submit]").click();
    equal([await field.getAttribute("aria-invalid"), customer.proxyConfig], ["true", []], "the field is required");
    await field.fill(" amount ");
    await page.locator("[name=check]").click();
    await page.locator(".tegata-sheet-banner").waitFor();
    assert.match(await page.locator(".tegata-sheet-banner").textContent(), language === "ja" ? /まで有効です。$/ : /valid until/);
    equal(customer.sent.at(-1).headers["X-License-Serial"], "SAMP-LEON-LYSAMPLE-ONLY", "the check sends what is in the form");
    await accessible(page, `settings, ${language}`);
    await shot(page, `settings-${language}`);
    await page.locator("[type=submit]").click();
    await page.locator("#saved").waitFor();
    equal([customer.config, customer.proxyConfig.map(({ headers }) => headers)], [{ field: "amount" }, [{ "X-License-Serial": "SAMP-LEON-LYSAMPLE-ONLY" }]], "saved");
    await page.context().close();

    // The list sends the serial, and never sees it.
    const list = await customer.open("desktop", { language, editApp: true });
    equal(await says(list), { total: TOTAL[language], closed: "", admin: "" }, "with the serial");
    const { kind, url, headers } = customer.sent.at(-1);
    equal([kind, headers["X-License-Serial"], new URL(url).search], ["plugin-proxy", "SAMP-LEON-LYSAMPLE-ONLY", "?version=2.0.0"], "by the plug-in's proxy");
    equal(await list.evaluate((of) => (document.documentElement.outerHTML + JSON.stringify(localStorage)).includes(of), "LYSAMPLE"), false, "no serial in the page");
    await list.context().close();

    // Opened again, the settings show both.
    const again = await customer.open("config", { language, width });
    equal([await again.locator("[name=field]").inputValue(), await again.locator("[name=serial]").inputValue()], ["amount", "SAMP-LEON-LYSAMPLE-ONLY"], "opened again");
    await again.context().close();
  }

  // A licence that has ended takes away the feature, not the settings.
  for (const name of ["expired", "suspended", "stranger"]) {
    const customer = tenant(name);
    const page = await customer.open("config", { language: "ja" });
    await page.locator(".tegata-sheet-banner").waitFor();
    equal(await page.locator("[name=field]").inputValue(), "amount", `${name}: the settings are shown`);
    await page.locator("[name=field]").fill("total");
    await page.locator("[type=submit]").click();
    await page.locator("#saved").waitFor();
    equal(customer.config, { field: "total" }, `${name}: and can be saved`);
    await page.context().close();
  }

  // Suspended meanwhile: the page that is open learns it behind the list.
  const customer = tenant("trial");
  const first = await customer.open("desktop");
  equal((await says(first)).total, TOTAL.ja, "before");
  run("license", "suspend", "trial.cybozu.com", "sheet");
  customer.clock = () => Date.now() + 49 * 3_600_000;
  const second = await customer.open("desktop", { context: first.context() });
  await until("the open page shows that it was suspended", async () => (await says(second)).closed === CLOSED.ja);
  checks++;
} finally {
  await end();
}
console.log(`plugin: ${checks} checks passed, ${views()} views without a violation of WCAG 2.2 AA`);
