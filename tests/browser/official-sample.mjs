// A plug-in of Cybozu's official licence sample, with tegata's URL in it: what it shows.
//
// usage: node official-sample.mjs TEGATA
//
// Starts `tegata dev` on a place of its own, imports a table of the sample's, and opens pages of
// kintone tenants in which official-sample.js runs as a plug-in does. kintone.proxy is a request
// by this process, as it is one by Cybozu's servers. Beside it stands an endpoint that answers
// from the table as the sample's own does: the plug-in has to show the same from both.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { run, start, work } from "./dev.mjs";

const PLUGIN_ID = "abcdefghijklmnopabcdefghijklmnop"; // of `sheet`, in tegata dev's catalogue
const plugin = readFileSync(new URL("official-sample.js", import.meta.url), "utf8");

// A day in Tokyo, so many days from now.
function day(offset) {
  const at = new Date(Date.now() + offset * 86_400_000);
  return new Intl.DateTimeFormat("sv-SE", { timeZone: "Asia/Tokyo" }).format(at);
}

// The sample's table. None ended within the days of grace: of those tegata says otherwise.
const table = [
  ["imported-running.cybozu.com", day(100)],
  ["imported-today.cybozu.com", day(0)],
  ["imported-ended.cybozu.com", day(-100)],
  ["imported-forever.cybozu.com", "2099-12-31"],
];

// The sample's endpoint: what it reads, compares and says.
function answerOfTheSample(text) {
  if (!text) return [400, { message: "Request body is required." }];
  const { domain, pluginId } = JSON.parse(text);
  const item = table.find(([host]) => host === domain && pluginId === PLUGIN_ID);
  if (!item) return [200, { message: "No item found." }];
  return [200, { message: day(0) <= item[1] ? "Valid" : "Invalid" }];
}
const sample = createServer((request, response) => {
  let text = "";
  request.on("data", (part) => (text += part));
  request.on("end", () => {
    const [status, body] = answerOfTheSample(text);
    response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  });
});

// kintone.proxy: a body that is an object is sent as JSON; the answer is [body, status, headers].
function proxyTo(endpoint) {
  return async (url, method, headers, body) => {
    assert.equal(url, "https://license.example.com/license");
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const response = await fetch(`${endpoint}/license`, { method, headers, body: text });
    return [await response.text(), response.status, Object.fromEntries(response.headers)];
  };
}

// What the plug-in shows on a tenant's list of records.
async function shown(browser, endpoint, host) {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    const html = { contentType: "text/html", body: "<!doctype html><p id=space></p>" };
    await page.route("**/*", (route) => route.fulfill(html));
    await page.exposeFunction("proxyRequest", proxyTo(endpoint));
    await page.goto(`https://${host}/k/1/`);
    await page.evaluate((id) => {
      const handlers = [];
      window.kintone = {
        $PLUGIN_ID: id,
        app: { getHeaderMenuSpaceElement: () => document.querySelector("#space") },
        events: { on: (name, handler) => handlers.push([name, handler]) },
        proxy: (...request) => window.proxyRequest(...request),
      };
      window.show = () =>
        Promise.all(handlers.map(([type, handler]) => Promise.resolve(handler({ type }))));
    }, PLUGIN_ID);
    await page.addScriptTag({ content: plugin });
    await page.evaluate(() => window.show());
    return await page.innerText("#space");
  } finally {
    await context.close();
  }
}

const rows = [];
function check(what, host, text, expected) {
  rows.push([what, host, text]);
  assert.match(text, expected, `${what}, ${host}`);
}

const { address, browser, end } = await start();
try {
  await new Promise((done) => sample.listen(0, "127.0.0.1", done));
  const old = `http://127.0.0.1:${sample.address().port}`;
  const lines = table.map(([host, last]) => `${host},${PLUGIN_ID},${last}`);
  const file = join(work, "table.csv");
  writeFileSync(file, ["domain,pluginId,expirationDate", ...lines, ""].join("\n"));
  run("import", "--from-kintone-sample", file);

  for (const [what, host, expected] of [
    ["valid", "example.cybozu.com", /^on until \d{4}-\d\d-\d\d$/],
    ["valid, client certificate", "example.s.cybozu.com", /^on until \d{4}-\d\d-\d\d$/],
    ["in grace", "grace.cybozu.com", /^on until \d{4}-\d\d-\d\d$/],
    ["expired", "expired.cybozu.com", /^off: Invalid$/],
    ["suspended", "suspended.cybozu.com", /^off: Invalid$/],
    ["not started", "not-started.cybozu.com", /^off: Invalid$/],
    ["unknown tenant", "stranger.cybozu.com", /^off: No item found\.$/],
  ]) {
    const text = await shown(browser, address, host);
    check(what, host, text, expected);
    const until = text.match(/^on until (\S+)$/)?.[1];
    if (until) assert.ok(until >= day(0), `${host}: the day has not passed`);
  }
  // An operator's change is what the next page shows.
  run("license", "suspend", "example.cybozu.com", "sheet");
  check("suspended now", "example.cybozu.com", await shown(browser, address, "example.cybozu.com"), /^off: Invalid$/);
  run("license", "resume", "example.cybozu.com", "sheet");
  check("resumed", "example.cybozu.com", await shown(browser, address, "example.cybozu.com"), /^on until /);

  for (const [host, last] of table) {
    const before = await shown(browser, old, host);
    const after = await shown(browser, address, host);
    check("at the sample's endpoint", host, before, /^(on|off: Invalid)$/);
    // A date from 2099 on means no end: the contract renews by itself, and its running term is shown.
    const shownDay = last >= "2099" ? "\\d{4}-\\d\\d-\\d\\d" : last;
    const expected = before === "on" ? `on until ${shownDay}` : before;
    check("imported", host, after, new RegExp(`^${expected}$`));
    const until = after.match(/^on until (\S+)$/)?.[1];
    if (until) assert.ok(until >= day(0), `${host}: the day has not passed`);
  }
  const stranger = await shown(browser, old, "stranger.cybozu.com");
  check("at the sample's endpoint", "stranger.cybozu.com", stranger, /^off: No item found\.$/);

  // The server is down: nothing answers there.
  const nobody = "http://127.0.0.1:9";
  const text = await shown(browser, nobody, "example.cybozu.com");
  check("server down", "example.cybozu.com", text, /^error$/);
} finally {
  sample.close();
  await end();
}

const widths = [0, 1].map((index) => Math.max(...rows.map((row) => row[index].length)));
for (const [what, host, text] of rows) {
  console.log(`${what.padEnd(widths[0])}  ${host.padEnd(widths[1])}  ${text}`);
}
console.log(`${rows.length} passed, 0 failed`);
