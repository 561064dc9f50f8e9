// A release from its announcement to its end, with the version that customers' pages run at each step.
//
// usage: node tests/browser/release.mjs TEGATA [DIRECTORY]     screenshots go into the directory
//
// The vendor's commands are the real ones, on a `tegata dev` of its own; the pages are the demo's, with
// the loader as it is published and the CDN's files over HTTP. Two customers: a pilot, and another one.
// A new visitor has nothing kept; one who comes back has what was kept before, an hour later.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { place, run, start, until, work } from "./dev.mjs";

const shots = process.argv[3];
if (shots) mkdirSync(shots, { recursive: true });
const { address, browser, end } = await start();
const [PILOT, OTHER] = ["example.cybozu.com", "grace.cybozu.com"];
const steps = [];

// What the shell says of a command that must fail.
function refused(...args) {
  try {
    run(...args);
  } catch (error) {
    return String(error.stderr);
  }
  return assert.fail(`not refused: ${args.join(" ")}`);
}

const outcome = (page) => page.locator("#outcome > :not(.old)").filter({ has: page.locator("#version") });

// Does something that opens the view again, and waits until it shows what came of it.
async function then(page, act) {
  await page.evaluate(() => document.querySelectorAll("#outcome > *").forEach((of) => of.classList.add("old")));
  await act();
  await outcome(page).waitFor({ timeout: 20_000 });
}

async function visit(context, domain, { days, cdn } = {}) {
  const page = await context.newPage();
  page.on("pageerror", (error) => assert.fail(`the page broke: ${error}`));
  await page.goto(`${address}/`);
  await outcome(page).waitFor({ timeout: 20_000 });
  const tenant = page.locator(`#tenants input[value="sheet ${domain} "]`);
  if (!(await tenant.isChecked())) await then(page, () => page.locator(`#tenants label:has(input[value="sheet ${domain} "])`).click());
  if (cdn) await then(page, () => page.locator(`label:has(input[name=cdn][value=${cdn}])`).click());
  if (days) {
    // kintone's clock, and then the PC's.
    await then(page, () => page.locator("input[name=kintone]").fill(String(days)));
    await then(page, () => page.locator("select[name=pc]").selectOption(String(days)));
  }
  return page;
}

// The version that a page runs, as the sheet on it says itself and as the loader reported.
async function runs(page) {
  const said = await page.locator("#version").textContent();
  const tools = page.frameLocator("#kintone").locator(".tools b");
  const own = (await tools.count()) ? (await tools.textContent()).match(/[\d.]+$/)[0] : undefined;
  const version = said.split(" · ")[0];
  if (own) assert.equal(own, version, "the sheet is another one than was reported");
  return version;
}

async function newVisitor(domain, switches) {
  const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1400, height: 900 } });
  const page = await visit(context, domain, switches);
  const version = await runs(page);
  await context.close();
  return version;
}

// Two new visitors after something was done, and what they are to run.
async function after(what, said, expected) {
  const seen = [await newVisitor(PILOT), await newVisitor(OTHER)];
  steps.push({ step: what, "what the command said": said, [PILOT]: seen[0], [OTHER]: seen[1] });
  assert.deepEqual(seen, expected, what);
}

function put(version) {
  const directory = join(work, version);
  mkdirSync(directory);
  const sample = readFileSync(join(place, "cdn/sheet/1.9.0/plugin.js"), "utf8");
  writeFileSync(join(directory, "plugin.js"), sample.replaceAll("1.9.0", version));
  run("publish", "files", "sheet", version, directory);
}

// Waits until an instant is over.
const at = (ms) => new Promise((done) => setTimeout(done, ms + 1_500 - Date.now()));
const current = (version, ...more) => run("publish", "current", "sheet", version, "--yes", ...more);
const instant = (ms) => `${new Date(ms + 9 * 3_600_000).toISOString().slice(0, 19)}+09:00`;

try {
  await after("at first", "1.8.0 is current", ["1.8.0", "1.8.0"]);

  let said = refused("publish", "current", "sheet", "1.9.0", "--yes");
  assert.match(said, /has not been announced/);
  await after("the gate refuses", "1.9.0 has not been announced", ["1.8.0", "1.8.0"]);

  const planned = Date.now() + 60_000;
  const [example] = readdirSync(join(place, "notices"));
  const notice = readFileSync(join(place, "notices", example), "utf8");
  const file = join(work, "sheet-1.9.0.toml");
  writeFileSync(file, notice.replace(/planned_at = .*/, `planned_at = ${instant(planned)}`));
  run("notice", "send", file, "--yes", "--short-notice", "a test");
  await until("the mails have gone out", () => !refusedBecause("not been sent yet|not completely|not been announced|calculated"));
  said = refused("publish", "current", "sheet", "1.9.0", "--yes");
  assert.match(said, /it was announced for/);
  await after("announced; the gate refuses", "it was announced for a later instant", ["1.8.0", "1.8.0"]);

  const pilots = join(work, "pilots.txt");
  writeFileSync(pilots, `# pilots\n${PILOT}\n`);
  // `announce` has to calculate once more who has to be told.
  await at(planned + 3_000);
  // Of somebody who has been there before all this: it is to see what comes.
  const known = await browser.newContext({ locale: "en-GB", viewport: { width: 1400, height: 900 } });
  assert.equal(await runs(await visit(known, OTHER)), "1.8.0");

  const shown = current("1.9.0", "--stage", pilots, "--stage", "10%");
  assert.match(shown, /then +1\.9\.0 for 10% of the tenants, and 1 named tenant, 1\.8\.0 for all others/);
  await after("the gate opens: a stage", "10% and the pilot", ["1.9.0", "1.8.0"]);

  current("1.9.0", "--stage", "74%");
  await after("a greater stage", "74%; the other one's share is 73.8%", ["1.9.0", "1.9.0"]);
  current("1.9.0", "--stage", "10%", "--stage", pilots);
  await after("a smaller stage", "10% and the pilot", ["1.9.0", "1.8.0"]);
  current("1.9.0", "--stage", "all");
  await after("all tenants", "--stage all", ["1.9.0", "1.9.0"]);

  // Who comes back runs what was kept, and is told what comes; the next view has it.
  const back = await visit(known, OTHER, { days: 1 });
  await back.locator("#version", { hasText: "1.9.0 at the next view" }).waitFor({ timeout: 20_000 });
  const first = await runs(back);
  if (shots) await back.screenshot({ path: join(shots, "release-update.png"), fullPage: true });
  await back.close();
  const second = await runs(await visit(known, OTHER, { days: 1 }));
  steps.push({ step: "who comes back", "what the command said": "first view, and the next one", [PILOT]: "–", [OTHER]: `${first}, ${second}` });
  assert.deepEqual([first, second], ["1.8.0", "1.9.0"]);

  // The CDN does not answer, or with something else: what was kept runs.
  for (const cdn of ["down", "forged"]) {
    const page = await visit(known, OTHER, { days: 1, cdn });
    assert.equal(await runs(page), "1.9.0", cdn);
    steps.push({ step: `the CDN is ${cdn}`, "what the command said": "of what was kept", [PILOT]: "–", [OTHER]: "1.9.0" });
    await page.close();
  }

  put("1.9.1");
  said = refused("publish", "current", "sheet", "1.9.1", "--yes");
  assert.match(said, /has not been announced/);
  current("1.9.1", "--emergency", "1.9.0 loses entries");
  await after("an emergency", "--emergency, not announced", ["1.9.1", "1.9.1"]);

  // 1.9.0 was announced, so that the way back needs no reason.
  current("1.9.0");
  await after("back", "an older version", ["1.9.0", "1.9.0"]);

  const from = Date.now() + 25_000;
  current("1.9.1", "--from", instant(from), "--emergency", "signed ahead");
  await after("signed ahead", "--from, in some seconds", ["1.9.0", "1.9.0"]);
  await at(from);
  await after("its instant has come", "nobody did anything", ["1.9.1", "1.9.1"]);

  const status = run("publish", "status", "sheet");
  assert.match(status, /sheet: 1\.9\.1 for all tenants, from /);
  if (shots) {
    const page = await visit(await browser.newContext({ locale: "ja-JP", viewport: { width: 390, height: 900 } }), PILOT);
    await page.screenshot({ path: join(shots, "release-390.png"), fullPage: true });
  }
} finally {
  console.table(steps);
  await end();
}
console.log(`release: ${steps.length} steps, each with the version that was to run`);

// Whether the gate still refuses for one of these reasons.
function refusedBecause(reasons) {
  return new RegExp(reasons).test(refused("publish", "current", "sheet", "1.9.0", "--yes"));
}
