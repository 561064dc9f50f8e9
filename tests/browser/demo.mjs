// The demo page: every switch does what it says, in both languages, on a desktop and on a phone.
//
// usage: node tests/browser/demo.mjs TEGATA [DIRECTORY]     screenshots go into the directory

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { accessible, views } from "./axe.mjs";
import { start } from "./dev.mjs";

const shots = process.argv[3];
if (shots) mkdirSync(shots, { recursive: true });
const { address, browser, end } = await start();
let checks = 0;

async function open(language, width) {
  const page = await browser.newPage({ locale: language === "ja" ? "ja-JP" : "en-GB", viewport: { width, height: 900 } });
  page.on("pageerror", (error) => assert.fail(`the page broke: ${error}`));
  page.on("console", (message) => assert(message.type() !== "error" || message.text().includes("404"), message.text()));
  page.on("dialog", () => assert.fail("the page showed a dialog"));
  await page.goto(`${address}/`);
  return page;
}

// Waits until the outcome is as expected, and what users and administrators see agrees with it.
async function shows(page, code, isUsable, what) {
  const chip = page.locator("#outcome .verdict .chip");
  await chip.filter({ hasText: new RegExp(`^${code}$`) }).waitFor({ timeout: 15_000 });
  const kintone = page.frameLocator("#kintone");
  await kintone.locator(isUsable ? "table.sheet" : "table:not(.sheet)").waitFor({ timeout: 15_000 });
  assert.equal(await kintone.locator("tbody tr").count(), 5, `${what}: the records are there`);
  assert.equal(await kintone.locator("#notice p").count(), isUsable ? 0 : 1, `${what}: a user is told what concerns users`);
  assert.equal(await kintone.locator("#banner p:not(.wait)").count(), 1, `${what}: an administrator is told`);
  assert(await kintone.locator("#settings input").first().isEditable(), `${what}: the settings can be read`);
  checks += 5;
}

const tenant = (page, name) => page.locator(`#tenants label:has(input[value^="${name}"])`).first().click();
const network = (page, value) => page.locator(`label:has(input[name=network][value=${value}])`).click();
const forget = (page) => page.locator("#forget").click();

async function shot(page, name) {
  if (shots) await page.screenshot({ path: join(shots, `demo-${name}.png`), fullPage: true });
}

try {
  const page = await open("ja", 1400);
  await shows(page, "VALID", true, "at first");
  for (const [name, code, isUsable] of [
    ["grace", "GRACE", true], ["expired", "EXPIRED", false], ["suspended", "SUSPENDED", false],
    ["not-started", "NOT_STARTED", false], ["stranger", "NOT_FOUND", false], ["example", "VALID", true],
  ]) {
    await tenant(page, `sheet ${name}.cybozu.com`);
    await shows(page, code, isUsable, name);
  }
  await tenant(page, "gantt example.cybozu.com serial");
  await shows(page, "VALID", true, "with its serial");
  await tenant(page, "sheet example.cybozu.com");
  await shows(page, "VALID", true, "back again");

  for (const [lie, isUsable] of [["down", true], ["busy", true], ["unsigned", false], ["forged", false], ["other", false]]) {
    await network(page, lie);
    await shows(page, "VALID", true, `${lie}, with a lease`);
    await forget(page);
    await shows(page, "UNREACHABLE", isUsable, `${lie}, with nothing`);
    await network(page, "ok");
    await forget(page);
    await shows(page, "VALID", true, `after ${lie}`);
  }
  await network(page, "slow");
  await forget(page);
  await shows(page, "VALID", true, "slow");
  await network(page, "down");
  await page.locator("input[name=kintone]").fill("15");
  await shows(page, "UNREACHABLE", false, "the lease has ended by kintone's clock");
  await page.locator("select[name=pc]").selectOption("-365");
  await shows(page, "UNREACHABLE", false, "and the PC's clock does not help");
  await page.locator("input[name=kintone]").fill("0");
  await network(page, "ok");
  await forget(page);
  await shows(page, "VALID", true, "the PC is a year behind");
  await page.locator("select[name=pc]").selectOption("0");
  await page.locator("label:has(input[name=blocked])").click();
  await shows(page, "VALID", true, "storage is blocked");
  await page.locator("label:has(input[name=blocked])").click();

  await shows(page, "VALID", true, "storage is back");
  await page.locator("#suspend").click();
  await shows(page, "SUSPENDED", false, "suspended meanwhile");
  for (const table of ["#lines", "#usage"]) {
    const row = page.locator(`${table} tr`).filter({ hasText: "example.cybozu.com" }).filter({ hasText: "sheet" });
    await row.locator(".chip.SUSPENDED").first().waitFor();
  }
  // The keyboard walks the tenants, and keeps its place when the page learns something new.
  await page.locator("#tenants input:checked").focus();
  await page.keyboard.press("ArrowDown");
  await shows(page, "GRACE", true, "walked to by the keyboard");
  await page.waitForTimeout(2_000);
  assert.equal(await page.evaluate(() => document.activeElement.value), "sheet grace.cybozu.com ", "the focus");
  await page.keyboard.press("ArrowUp");
  await shows(page, "SUSPENDED", false, "and back");
  await page.locator("#lease .line .suspended").waitFor();
  checks += 3;
  await shot(page, "suspended");
  await page.locator("#suspend").click();
  await shows(page, "VALID", true, "resumed");
  await page.close();

  for (const language of ["ja", "en"]) {
    for (const width of [1400, 390]) {
      const view = await open(language, width);
      await tenant(view, "sheet grace.cybozu.com");
      await shows(view, "GRACE", true, `${language}, ${width}`);
      const words = await view.locator("[data-word]").allTextContents();
      assert(words.every((word) => word && !/undefined|^[a-z]+_[a-z_]+$/.test(word)), `words are missing: ${words}`);
      const text = await view.locator("main").innerText();
      assert(!/undefined|NaN|Invalid Date/.test(text), "the page says undefined");
      const isWider = await view.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
      assert(!isWider, `${language}, ${width}: the page is wider than the window`);
      checks += 3;
      // Light on a desktop, dark on a phone.
      const colorScheme = width === 390 ? "dark" : "light";
      await view.emulateMedia({ colorScheme });
      await accessible(view, `${language}, ${width}, ${colorScheme}`);
      await accessible(view.frames()[1], `${language}, ${width}, ${colorScheme}: kintone`);
      await shot(view, `${language}-${width}`);
      await view.close();
    }
  }
} finally {
  await end();
}
console.log(`demo: ${checks} checks passed, ${views()} views without a violation of WCAG 2.2 AA`);
