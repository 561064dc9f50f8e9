// Mails, news and the outbox in a browser: they are in order, and fetch nothing.
//
// usage: node tests/browser/notices.mjs TEGATA [DIRECTORY]     screenshots go into the directory
//
//     node tests/browser/notices.mjs target/debug/tegata screenshots/
//
// Starts `tegata dev` on a place of its own, announces a release, a maintenance, an information and an
// incident with two updates, and opens what contacts and the public get of them: in both languages, light on a
// desktop and dark on a phone, without scripts.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parse } from "parse5";
import { accessible, views } from "./axe.mjs";
import { place, run, start, until, work } from "./dev.mjs";

const shots = process.argv[3] && resolve(process.argv[3]);
if (shots) mkdirSync(shots, { recursive: true });

const LANGUAGES = ["ja", "en"];
const PHONE = { name: "390-dark", width: 390, colorScheme: "dark" };
const MAIL_VIEWS = [{ name: "640-light", width: 640, colorScheme: "light" }, PHONE];
const PAGE_VIEWS = [{ name: "light", width: 1000, colorScheme: "light" }, PHONE];
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

// A day from now, as the vendor's calendar has it.
function day(days) {
  const ahead = (9 + 24 * days) * 3600 * 1000;
  return new Date(Date.now() + ahead).toISOString().slice(0, 10);
}

const RELEASE = `${day(10)}-sheet-1.9.0`;
const MAINTENANCE = `${day(12)}-maintenance`;
const INFORMATION = `${day(0)}-price`;
const INCIDENT = `${day(0)}-licences`;
const SECOND = `
[[updates]]
stage = "resolved"
severity = "minor"
body = { ja = """
復旧しました。**お客様側での操作は不要です。**

- 発生: 9 時 10 分
- 復旧: 9 時 55 分
""", en = """
Service is restored. **You need not do anything.**

- Began: 9:10
- Ended: 9:55
""" }
`;
const NOTICES = {
  [RELEASE]: {
    titles: { ja: "シート 1.9.0 のリリース", en: "Release of Sheet 1.9.0" },
    text: `
kind = "release"
products = ["sheet"]
version = "1.9.0"
planned_at = ${day(10)}T10:00:00+09:00

[title]
ja = "シート 1.9.0 のリリース"
en = "Release of Sheet 1.9.0"

[body]
ja = """
「シート」の新しい版を公開します。**設定はそのまま引き継がれます。**お客様に行っていただく作業は
ございません。

【改善】
・**「一覧」**画面を開くまでの時間を短縮しました。
・**（管理者向け）**設定画面に「既定値に戻す」ボタンを追加しました。
※ 表示は kintone の言語設定に従います。

## 変わること

- 一覧画面を開くまでの時間が短くなります
- \`CSV\` の書き出しで、文字コードを選べます
  1. 設定画面を開く
  2. 「UTF-8」か「Shift_JIS」を選ぶ

> kintone の管理者の方へ: 公開の当日に画面を再読み込みしてください。

詳しくは[変更の一覧](https://www.example.com/sheet/changes/1.9.0)をご覧ください。設定の名前は
\`sheet.export.characterEncodingForDownloadedFiles.defaultForTheWholeApplication\` です。
"""
en = """
A new version of Sheet is coming. **Your settings stay as they are.**

## What changes

- Lists open faster
- Exports to \`CSV\` let you choose the character encoding
  1. Open the settings
  2. Choose “UTF-8” or “Shift_JIS”

> To kintone administrators: please reload the page on the day of the release.

See the [list of changes](https://www.example.com/sheet/changes/1.9.0). The setting is
\`sheet.export.characterEncodingForDownloadedFiles.defaultForTheWholeApplication\`. Questions:
[support](mailto:support@vendor.example).
"""
`,
  },
  [MAINTENANCE]: {
    titles: { ja: "ライセンス確認のメンテナンス", en: "Maintenance of licence checks" },
    text: `
kind = "maintenance"
products = []
planned_at = ${day(12)}T22:00:00+09:00
ends_at = ${day(13)}T01:00:00+09:00

[title]
ja = "ライセンス確認のメンテナンス"
en = "Maintenance of licence checks"

[body]
ja = """
この間、ライセンスの確認が数秒遅れることがあります。プラグインは通常どおりお使いいただけます。
"""
en = """
Licence checks may take some seconds longer meanwhile. Plug-ins go on working.
"""
`,
  },
  [INFORMATION]: {
    titles: { ja: "「シート」価格改定のお知らせ", en: "New price of Sheet" },
    text: `
kind = "information"
products = ["sheet"]
planned_at = ${day(120)}T00:00:00+09:00

[audience]
editions = ["standard"]

[title]
ja = "「シート」価格改定のお知らせ"
en = "New price of Sheet"

[body]
ja = """
上記の適用開始日より、価格を改定いたします。**ご契約中のお客様は、契約期間の満了まで**従来の価格でご利用いただけます。

対象：「シート」をご契約のお客様
新価格：1 ユーザーあたり月額 330 円（税込）
※ 契約期間の満了後は、新価格での自動更新となります。
"""
en = """
The price changes at the time given above. Contracts keep the old price **until the end of their term**.

- Who: customers of Sheet
- New price: 330 yen per user and month, including tax
"""
`,
  },
  [INCIDENT]: {
    titles: {
      ja: "ライセンスを確認できない障害 <調査 & 復旧>",
      en: "Licences cannot be checked <some & not all>",
    },
    text: `
kind = "incident"
products = ["sheet", "gantt"]
title = { ja = "ライセンスを確認できない障害 <調査 & 復旧>", en = "Licences cannot be checked <some & not all>" }

[[updates]]
stage = "investigating"
severity = "major"
body = { ja = "一部のお客様でライセンスを確認できません。調査しています。", en = "Licences of some customers cannot be checked. We are investigating." }
`,
  },
};

// The sample customer has the first; the others are added to it.
const CONTACTS = {
  "info@sample.example": "ja",
  "office@sample.example": "en",
  "director@sample.example": "en",
};

let checks = 0;
let before = 0;

function check(holds) {
  holds();
  checks += 1;
}

function done(group) {
  console.log(`${group}: ${checks - before} checks`);
  before = checks;
}

function status(id) {
  return JSON.parse(run("notice", "status", id, "--output", "json"));
}

// Sends what a file has, and waits until it is mailed and on the news page.
async function send(id, update) {
  run("notice", "send", "--yes", join(work, `${id}.toml`));
  run("notice", "status", id, "--watch", "--output", "json");
  await until(`update ${update} of ${id} is on the news page`, () => status(id).news.done >= update);
  const { state, updates } = status(id);
  check(() => assert.equal(state, "sent", id));
  check(() => assert.equal(updates.length, update, id));
}

function preview(id, update) {
  const directory = join(work, `${id}.${update}`);
  const told = JSON.parse(run(
    "notice", "preview", join(work, `${id}.toml`), "--to", directory, "--output", "json",
  ));
  check(() => assert.equal(told.update, update));
  check(() => assert.ok(told.recipients > 0, `${id}: nobody gets it`));
  return directory;
}

function validate(what, html) {
  const errors = [];
  parse(html, {
    scriptingEnabled: false,
    onParseError: ({ code, startLine }) => errors.push(`${startLine}: ${code}`),
  });
  check(() => assert.deepEqual(errors, [], `${what}: HTML`));
}

// Texts of a page that are hard to read on what is behind them: WCAG 2's ratio below 4.5.
function faint() {
  const channels = (colour) => {
    const numbers = colour.match(/^rgba?\((.*)\)$/)?.[1].split(/[ ,/]+/).map(Number);
    if (!numbers || numbers.some(Number.isNaN)) throw new Error(`a colour like ${colour}`);
    return numbers;
  };
  const is_solid = (colour) => (channels(colour)[3] ?? 1) === 1;
  const luminance = (colour) => {
    const [red, green, blue] = channels(colour).map((of) =>
      of / 255 <= 0.04045 ? of / 255 / 12.92 : ((of / 255 + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const wrong = [];
  let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const holder = walker.currentNode.parentElement;
    if (!text || holder.getClientRects().length === 0) continue;
    texts += 1;
    const { color } = getComputedStyle(holder);
    let behind = holder;
    while (behind && !is_solid(getComputedStyle(behind).backgroundColor)) {
      behind = behind.parentElement;
    }
    const back = behind && getComputedStyle(behind).backgroundColor;
    const [dark, light] = back ? [luminance(color), luminance(back)].sort((a, b) => a - b) : [1, 1];
    const ratio = (light + 0.05) / (dark + 0.05);
    if (!is_solid(color) || ratio < 4.5) {
      wrong.push(`${color} on ${back}, ${ratio.toFixed(1)}: ${text.slice(0, 40)}`);
    }
  }
  return { texts, wrong };
}

async function legible(page, what) {
  const { texts, wrong } = await page.evaluate(faint);
  check(() => assert.ok(texts > 0, `${what}: no text`));
  check(() => assert.deepEqual(wrong, [], `${what}: contrast`));
}

// Opens a page, without scripts, and says all that holds of every page.
async function open(context, url, what, language) {
  const page = await context.newPage();
  const complaints = [];
  const requests = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => requests.push(request.url()));
  const response = await page.goto(url);
  if (url.startsWith("http")) check(() => assert.equal(response.status(), 200, what));
  check(() => assert.deepEqual(complaints, [], `${what}: the console`));
  check(() => assert.deepEqual(requests, [url], `${what}: requests`));
  const found = await page.evaluate(() => ({
    lang: document.documentElement.lang,
    loading: document.querySelectorAll("img, picture, video, audio, object, embed, script").length,
    links: [...document.querySelectorAll("a, area")].map((link) => link.href),
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  }));
  check(() => assert.equal(found.lang, language, what));
  check(() => assert.equal(found.loading, 0, `${what}: something that loads`));
  check(() => assert.ok(found.links.length > 0, `${what}: no links`));
  for (const link of found.links) {
    const is_news = link.startsWith(`${address}/news/`);
    check(() => assert.ok(is_news || /^(https|mailto):/.test(link), `${what}: ${link}`));
  }
  check(() => assert.equal(found.overflow, 0, `${what}: wider than its window`));
  await legible(page, what);
  return { page, links: found.links };
}

async function in_views(views, each) {
  for (const { name, width, colorScheme } of views) {
    const viewport = { width, height: 800 };
    const context = await browser.newContext({ viewport, colorScheme, javaScriptEnabled: false });
    await each(context, name);
    await context.close();
  }
}

async function shoot(page, name) {
  if (shots) await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
}

// The feed as a browser reads it.
async function feed(page, url) {
  const response = await fetch(url);
  check(() => assert.equal(response.status, 200, url));
  check(() => assert.match(response.headers.get("content-type"), /^application\/atom\+xml/));
  const read = await page.evaluate((text) => {
    const feed = new DOMParser().parseFromString(text, "application/xml");
    const all = (of, name) => [...of.getElementsByTagName(name)].map((it) => it.textContent);
    return {
      errors: all(feed, "parsererror"),
      language: feed.documentElement.getAttribute("xml:lang"),
      dates: [...all(feed, "updated"), ...all(feed, "published")],
      ids: all(feed, "id"),
      entries: [...feed.getElementsByTagName("entry")].map((entry) => ({
        id: all(entry, "id")[0],
        title: all(entry, "title")[0],
        link: entry.getElementsByTagName("link")[0].getAttribute("href"),
        content: all(entry, "content")[0],
        has_dates: all(entry, "updated").length === 1 && all(entry, "published").length === 1,
      })),
    };
  }, await response.text());
  check(() => assert.deepEqual(read.errors, [], url));
  check(() => assert.equal(new Set(read.ids).size, read.ids.length, `${url}: ids`));
  for (const date of read.dates) {
    check(() => assert.match(date, RFC_3339, url));
    check(() => assert.ok(!Number.isNaN(Date.parse(date)), `${url}: ${date}`));
  }
  return read;
}

const { address, browser, end } = await start();
try {
  const index = { ja: `${address}/news/`, en: `${address}/news/en/` };
  const reader = await browser.newPage();

  // Before anything is announced.
  await in_views(PAGE_VIEWS, async (context, view) => {
    for (const language of LANGUAGES) {
      const name = `news-empty-${language}-${view}`;
      const { page } = await open(context, index[language], name, language);
      if (view === "light") await shoot(page, name);
    }
  });
  for (const language of LANGUAGES) {
    const { entries } = await feed(reader, `${index[language]}feed.xml`);
    check(() => assert.deepEqual(entries, []));
    validate(`news-empty-${language}`, await (await fetch(index[language])).text());
  }
  done("the news page and feed without notices");

  run("contact", "add", "C-0001", "office@sample.example", "--language", "en");
  run("contact", "add", "C-0001", "director@sample.example", "--language", "en",
    "--role", "additional", "--releases=yes", "--severity-floor", "major");
  const previews = {};
  for (const [id, { text }] of Object.entries(NOTICES)) {
    writeFileSync(join(work, `${id}.toml`), text);
    previews[id] = preview(id, 1);
    await send(id, 1);
  }
  const earlier = await feed(reader, `${index.ja}feed.xml`);
  writeFileSync(join(work, `${INCIDENT}.toml`), NOTICES[INCIDENT].text + SECOND);
  previews[`${INCIDENT}-update`] = preview(INCIDENT, 2);
  await send(INCIDENT, 2);
  done("notices previewed and announced");

  await in_views(MAIL_VIEWS, async (context, view) => {
    for (const [name, directory] of Object.entries(previews)) {
      const { titles } = NOTICES[name.replace(/-update$/, "")];
      const short = name.replace(/^\d+-\d+-\d+-/, "");
      for (const language of LANGUAGES) {
        const url = pathToFileURL(join(directory, `mail.${language}.html`)).href;
        const what = `mail-${short}-${language}-${view}`;
        const { page } = await open(context, url, what, language);
        const title = await page.innerText("h1");
        check(() => assert.equal(title, titles[language], what));
        const text = await page.innerText("body");
        check(() => assert.doesNotMatch(text, /\.\.|,,|[{}]|undefined/, what));
        await shoot(page, what);
      }
    }
  });
  done("mails");

  const answers = new Map();
  await in_views(PAGE_VIEWS, async (context, view) => {
    for (const language of LANGUAGES) {
      const other = language === "ja" ? "en" : "ja";
      const what = `news-${language}-${view}`;
      const { page, links } = await open(context, index[language], what, language);
      await shoot(page, what);
      // The newest first, each with its page.
      const listed = await page.locator("ol.notices h2 a").evaluateAll((links) =>
        links.map((link) => [link.href, link.textContent]),
      );
      const expected = Object.entries(NOTICES).reverse().map(([id, { titles }]) => [
        `${index[language]}${id}.html`, titles[language],
      ]);
      check(() => assert.deepEqual(listed, expected, what));
      check(() => assert.ok(links.includes(`${index[other]}index.html`), `${what}: ${other}`));
      check(() => assert.ok(links.includes(`${index[language]}feed.xml`), `${what}: the feed`));
      for (const link of links) answers.set(link, what);

      for (const [id, { titles }] of Object.entries(NOTICES)) {
        const what = `news-${id.replace(/^\d+-\d+-\d+-/, "")}-${language}-${view}`;
        const url = `${index[language]}${id}.html`;
        const { page, links } = await open(context, url, what, language);
        await shoot(page, what);
        const title = await page.innerText("h1");
        check(() => assert.equal(title, titles[language], what));
        check(() => assert.ok(links.includes(`${index[language]}index.html`), `${what}: index`));
        check(() => assert.ok(links.includes(`${index[other]}${id}.html`), `${what}: ${other}`));
        for (const link of links) answers.set(link, what);
        const updates = await page.locator("section.update").evaluateAll((sections) =>
          sections.map(({ id }) => id),
        );
        const both = id === INCIDENT ? ["update-2", "update-1"] : [];
        check(() => assert.deepEqual(updates, both, what));
      }
    }
  });
  done("news");

  for (const [link, where] of answers) {
    if (!link.startsWith(address)) continue;
    const { status } = await fetch(link);
    check(() => assert.equal(status, 200, `${where}: ${link}`));
  }
  done("links between pages");

  for (const language of LANGUAGES) {
    const url = `${index[language]}feed.xml`;
    const read = await feed(reader, url);
    check(() => assert.equal(read.language, language));
    const expected = Object.entries(NOTICES).reverse();
    check(() => assert.deepEqual(
      read.entries.map(({ title, link }) => [title, link]),
      expected.map(([id, { titles }]) => [titles[language], `${index[language]}${id}.html`]),
    ));
    check(() => assert.ok(read.entries.every(({ has_dates }) => has_dates)));
    check(() => assert.ok(read.entries.every(({ content }) => content.startsWith("<p>"))));
    check(() => assert.equal(read.entries[0].content.split("<hr>").length, 2));
    const again = await feed(reader, url);
    check(() => assert.deepEqual(again, read));
    const ids = ({ entries }) => entries.map(({ id }) => id);
    if (language === "ja") check(() => assert.deepEqual(ids(read), ids(earlier)));
  }
  done("feeds");

  // Each mail is there once, and opens in the frame.
  const states = Object.keys(NOTICES).flatMap((id) => status(id).updates);
  const deliveries = states.flatMap(({ deliveries }) => Object.values(deliveries));
  const sent = deliveries.reduce((sum, count) => sum + count, 0);
  const files = readdirSync(join(place, "outbox")).filter((file) => file.endsWith(".eml"));
  check(() => assert.equal(files.length, sent));
  check(() => assert.equal(sent, states.length * Object.keys(CONTACTS).length));
  const outbox = `${address}/dev/outbox`;
  const mails = [];
  await in_views(PAGE_VIEWS, async (context, view) => {
    const page = await context.newPage();
    const complaints = [];
    const requests = [];
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("request", (request) => requests.push(request.url()));
    await page.goto(outbox);
    const subjects = page.locator("a.subject");
    const listed = await subjects.evaluateAll((links) => links.map((link) => link.href));
    check(() => assert.deepEqual(
      listed.toSorted(),
      files.map((file) => `${outbox}/${file}.html`).sort(),
    ));
    check(() => assert.deepEqual(requests, [outbox, listed[0]]));
    await legible(page, `outbox ${view}`);
    const frame = page.frame({ name: "mail" });
    for (const [number, url] of listed.entries()) {
      const link = subjects.nth(number);
      await link.click();
      await frame.waitForURL(url);
      const title = await frame.locator("h1").innerText();
      const subject = await link.innerText();
      const to = await page.locator("ol.mails li").nth(number).innerText();
      const contact = Object.keys(CONTACTS).find((email) => to.includes(`To ${email}`));
      const language = await frame.getAttribute("html", "lang");
      check(() => assert.equal(language, CONTACTS[contact], to));
      check(() => assert.ok(subject.includes(title), `${subject}: ${title}`));
      await legible(frame, `outbox ${view}: ${subject}`);
      if (number === 1) await shoot(page, `outbox-${view}`);
      if (view !== "light") continue;
      const links = await frame.locator("a").evaluateAll((all) => all.map(({ href }) => href));
      const news = links.filter((link) => link.startsWith(`${address}/news/`));
      check(() => assert.equal(news.length, 1, `${subject}: ${links}`));
      const { status } = await fetch(news[0]);
      check(() => assert.equal(status, 200, news[0]));
      mails.push(url);
    }
    await page.getByRole("link", { name: "Text" }).first().click();
    await frame.waitForURL(`${outbox}/*.eml.txt`);
    const overflow = await page.evaluate(
      "document.documentElement.scrollWidth - document.documentElement.clientWidth",
    );
    check(() => assert.equal(overflow, 0, `outbox ${view}: wider than its window`));
    check(() => assert.deepEqual(complaints, [], `outbox ${view}: the console`));
    const elsewhere = requests.filter((url) => !url.startsWith(outbox));
    check(() => assert.deepEqual(elsewhere, [], `outbox ${view}: requests`));
  });
  done("the outbox");

  for (const directory of Object.values(previews)) {
    for (const file of readdirSync(directory).filter((file) => file.endsWith(".html"))) {
      validate(`${directory}/${file}`, readFileSync(join(directory, file), "utf8"));
    }
  }
  const pages = LANGUAGES.flatMap((language) => [
    index[language], ...Object.keys(NOTICES).map((id) => `${index[language]}${id}.html`),
  ]);
  for (const url of [...pages, ...mails, outbox]) {
    validate(url, await (await fetch(url)).text());
  }
  done("HTML");

  // With scripts, because axe-core is one.
  const written = Object.values(previews).flatMap((directory) => LANGUAGES.map((language) => pathToFileURL(join(directory, `mail.${language}.html`)).href));
  for (const { name, width, colorScheme } of PAGE_VIEWS) {
    await reader.setViewportSize({ width, height: 800 });
    await reader.emulateMedia({ colorScheme });
    for (const url of [...pages, ...written, outbox]) {
      await reader.goto(url);
      await accessible(reader, `${url}, ${name}`, written.includes(url));
    }
  }
  done(`${views()} views without a violation of WCAG 2.2 AA`);
} finally {
  await end();
}
console.log(`${checks} passed`);
