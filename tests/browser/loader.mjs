// The loader in a browser: a version's file from the CDN of `tegata dev`, and what is done when the
// CDN is down, slow, or not to be trusted.
//
// usage: node tests/browser/loader.mjs TEGATA        prints a table of case and result

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run, start, work } from "./dev.mjs";

const CDN = "https://cdn.vendor.example";
const LOADER = readFileSync(new URL("../../client/dist/loader.js", import.meta.url), "utf8");
const { address, browser, end } = await start();

// Publishes a version whose script notes that it ran, and returns what a plug-in pins.
function publish(version) {
  const built = join(work, version);
  mkdirSync(built, { recursive: true });
  writeFileSync(join(built, "plugin.min.js"), `(window.ran ??= []).push("${version}");\n`);
  const { manifest } = JSON.parse(run("publish", "files", "sheet", version, built, "--output", "json"));
  return { base: CDN, product: "sheet", version, file: "plugin.min.js", integrity: manifest.files["plugin.min.js"].integrity, timeout: 1_500 };
}

// A customer's browser, and the CDN as it is just now.
class Customer {
  static async make(prepare) {
    const customer = Object.assign(new Customer(), { cdn: "up", asked: [] });
    customer.context = await browser.newContext();
    if (prepare) await customer.context.addInitScript(prepare);
    await customer.context.route("https://example.cybozu.com/**", (route) => {
      const isLoader = route.request().url().endsWith("/loader.js");
      return route.fulfill(isLoader ? { contentType: "text/javascript", body: LOADER } : { contentType: "text/html", headers: customer.headers, body: "<!DOCTYPE html><title>kintone</title>" });
    });
    await customer.context.route(`${CDN}/**`, (route) => customer.serve(route));
    return customer;
  }

  async serve(route) {
    const request = route.request();
    this.asked.push((await request.allHeaders()).referer);
    if (this.cdn === "down") return route.abort();
    if (this.cdn === "slow") await new Promise((done) => setTimeout(done, 3_000));
    if (typeof this.cdn === "number") return route.fulfill({ status: this.cdn, headers: { "Access-Control-Allow-Origin": "*" } });
    const response = await fetch(request.url().replace(CDN, address));
    const body = this.cdn === "tampered" ? 'window.ran = ["evil"]' : await response.text();
    return route.fulfill({ status: response.status, headers: Object.fromEntries(response.headers), body }).catch(() => {});
  }

  // Opens a page, does something to it, and loads files one after the other.
  async load(files, before = () => {}) {
    const page = await this.context.newPage();
    await page.goto("https://example.cybozu.com/k/12/");
    await page.evaluate(before);
    const result = await page.evaluate(async (files) => {
      const { loadPlugin } = await import("/loader.js");
      const results = await Promise.all(files.map((file) => loadPlugin(file).catch((error) => ({ threw: error.name }))));
      // Keeping is not waited for.
      await new Promise((done) => setTimeout(done, 150));
      return { results, ran: window.ran ?? [] };
    }, files);
    await page.close();
    return result;
  }
}

const rows = [];
function expect(name, { results, ran }, wanted, wantedRan) {
  const got = results.map(({ ok, version, source, stale, problem, threw }) =>
    threw ?? [ok ? version : "nothing", source, stale ? "stale" : "", problem].filter(Boolean).join(" ")).join(", ");
  const isRight = got === wanted && ran.join() === wantedRan;
  rows.push([isRight ? "ok    " : "WRONG ", name, `${got} | ran ${ran.join() || "nothing"}${isRight ? "" : `   expected ${wanted} | ran ${wantedRan}`}`]);
}

try {
  const [old, next, third] = ["1.8.0", "1.9.0", "1.10.0"].map(publish);

  const customer = await Customer.make();
  expect("nothing kept, CDN down", await customer.load.call(Object.assign(customer, { cdn: "down" }), [old]), "nothing unreachable", "");
  customer.cdn = "up";
  expect("CDN up", await customer.load([old]), "1.8.0 cdn", "1.8.0");
  rows.push([customer.asked.at(-1) === "https://example.cybozu.com/" ? "ok    " : "WRONG ", "the CDN learns the tenant, and not the page", customer.asked.at(-1)]);
  expect("loaded twice at once", await customer.load([old, old]), "1.8.0 cdn, 1.8.0 cdn", "1.8.0");
  for (const [cdn, problem] of [["down", "unreachable"], ["slow", "unreachable"], [503, "unreachable"], [404, "missing"], ["tampered", "tampered"]]) {
    customer.cdn = cdn;
    expect(`CDN ${cdn}, this version kept`, await customer.load([old]), `1.8.0 cache ${problem}`, "1.8.0");
    expect(`CDN ${cdn}, another version kept`, await customer.load([next]), `1.8.0 cache stale ${problem}`, "1.8.0");
    const stranger = await Customer.make();
    stranger.cdn = cdn;
    expect(`CDN ${cdn}, nothing kept`, await stranger.load([next]), `nothing ${problem}`, "");
    await stranger.context.close();
  }

  const tamper = async () => {
    const cache = await caches.open("tegata/sheet");
    for (const request of await cache.keys()) {
      const { headers } = await cache.match(request);
      await cache.put(request, new Response('window.ran = ["evil"]', { headers }));
    }
  };
  customer.cdn = "down";
  expect("CDN down, what is kept was tampered with", await customer.load([old], tamper), "nothing unreachable", "");
  customer.cdn = "up";
  expect("CDN up again: loaded, and kept anew", await customer.load([old]), "1.8.0 cdn", "1.8.0");

  await customer.load([next]);
  await customer.load([third]);
  customer.cdn = "down";
  expect("two versions are kept: the newest", await customer.load([third]), "1.10.0 cache unreachable", "1.10.0");
  expect("… the one before", await customer.load([next]), "1.9.0 cache unreachable", "1.9.0");
  expect("… not the oldest", await customer.load([old]), "1.10.0 cache stale unreachable", "1.10.0");
  const newestTampered = async () => {
    const cache = await caches.open("tegata/sheet");
    const request = (await cache.keys()).find(({ url }) => url.includes("1.10.0"));
    const { headers } = await cache.match(request);
    await cache.put(request, new Response('window.ran = ["evil"]', { headers }));
  };
  expect("the newest kept was tampered with: the one before", await customer.load([third], newestTampered), "1.9.0 cache stale unreachable", "1.9.0");
  expect("another hash for the same version: what is kept does not run", await customer.load([{ ...next, integrity: `sha384-${"A".repeat(64)}` }]), "nothing unreachable", "");
  customer.cdn = "up";
  expect("another hash than the CDN's file has", await customer.load([{ ...next, integrity: `sha384-${"A".repeat(64)}` }], () => caches.delete("tegata/sheet")), "nothing tampered", "");
  expect("a hash that is none", await customer.load([{ ...next, integrity: "sha256-abc" }]), "TypeError", "");
  customer.headers = { "Content-Security-Policy": "script-src 'self' 'unsafe-eval'" };
  expect("a page that forbids it", await customer.load([next]), "nothing forbidden", "");
  await customer.context.close();

  const blocked = await Customer.make(() => Object.defineProperty(window, "caches", { get() { throw new DOMException("blocked", "SecurityError"); } }));
  expect("Cache Storage blocked, CDN up", await blocked.load([next]), "1.9.0 cdn", "1.9.0");
  blocked.cdn = "down";
  expect("Cache Storage blocked, CDN down", await blocked.load([next]), "nothing unreachable", "");
  await blocked.context.close();

  const retried = await Customer.make();
  retried.cdn = "down";
  const page = await retried.context.newPage();
  await page.goto("https://example.cybozu.com/k/12/");
  const first = await page.evaluate(async (file) => (await (await import("/loader.js")).loadPlugin(file)).ok, next);
  retried.cdn = "up";
  const second = await page.evaluate(async (file) => ({ results: [await (await import("/loader.js")).loadPlugin(file)], ran: window.ran }), next);
  expect(`what failed may be tried again on the page${first ? ", but did not fail" : ""}`, second, "1.9.0 cdn", "1.9.0");
  await retried.context.close();
} finally {
  await end();
}
for (const row of rows) console.log(row[0], row[1].padEnd(58), row[2]);
const wrong = rows.filter(([isRight]) => isRight !== "ok    ").length;
console.log(`\n${rows.length} cases, ${wrong} wrong`);
process.exitCode = wrong ? 1 : 0;
