// The pinned form of the loader in a browser: a version's file from the CDN of `tegata dev`, and what is
// done when the CDN is down, slow, or not to be trusted.
//
// usage: node tests/browser/pinned.mjs TEGATA        prints a table of case and result

import { createServer } from "node:http";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { launch } from "./browser.mjs";
import { run, start, work } from "./dev.mjs";

const CDN = "https://cdn.vendor.example";
const PINNED = readFileSync(new URL("../../client/dist/pinned.js", import.meta.url), "utf8");
const { address, browser, end } = await start();

// Publishes a version whose script notes that it ran, and returns what a plug-in pins.
function publish(version, more = "") {
  const built = join(work, version);
  mkdirSync(built, { recursive: true });
  writeFileSync(join(built, "plugin.min.js"), `(window.ran ??= []).push("${version}");\n${more}`);
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
      const isModule = route.request().url().includes("/pinned.js");
      return route.fulfill(isModule ? { contentType: "text/javascript", body: PINNED } : { contentType: "text/html", headers: customer.headers, body: "<!DOCTYPE html><title>kintone</title>" });
    });
    await customer.context.route(`${CDN}/**`, (route) => customer.serve(route));
    return customer;
  }

  async serve(route) {
    const request = route.request();
    this.asked.push((await request.allHeaders()).referer);
    if (this.cdn === "down") return route.abort();
    const once = this.cdn;
    if (once === "broken once") this.cdn = "up";
    if (this.cdn === "slow") await new Promise((done) => setTimeout(done, 3_000));
    if (typeof this.cdn === "number") return route.fulfill({ status: this.cdn, headers: { "Access-Control-Allow-Origin": "*" } });
    const response = await fetch(request.url().replace(CDN, address));
    const body = once === "tampered" || once === "broken once" ? 'window.ran = ["evil"]' : await response.text();
    return route.fulfill({ status: response.status, headers: Object.fromEntries(response.headers), body }).catch(() => {});
  }

  // Opens a page, does something to it, and loads files one after the other.
  async load(files, before = () => {}) {
    const page = await this.context.newPage();
    await page.goto("https://example.cybozu.com/k/12/");
    await page.evaluate(before);
    const result = await page.evaluate(async (files) => {
      const { loadPinned } = await import("/pinned.js");
      const results = await Promise.all(files.map((file) => loadPinned(file).catch((error) => ({ threw: error.name }))));
      // Keeping what came from the CDN is not waited for.
      if (results.some(({ source }) => source === "cdn")) await new Promise((done) => setTimeout(done, 500));
      return { results, ran: window.ran ?? [] };
    }, files);
    await page.close();
    return result;
  }
}

let cases = 0;
let wrong = 0;
function row(isRight, name, text) {
  cases++;
  if (!isRight) wrong++;
  console.log(isRight ? "ok    " : "WRONG ", name.padEnd(58), text);
}
function expect(name, { results, ran }, wanted, wantedRan) {
  const got = results.map(({ ok, version, source, stale, problem, threw }) =>
    threw ?? [ok ? version : "nothing", source, stale ? "stale" : "", problem].filter(Boolean).join(" ")).join(", ");
  const isRight = got === wanted && ran.join() === wantedRan;
  row(isRight, name, `${got} | ran ${ran.join() || "nothing"}${isRight ? "" : `   expected ${wanted} | ran ${wantedRan}`}`);
}

try {
  const [old, next, third] = ["2.8.0", "2.9.0", "2.10.0"].map(publish);

  const customer = await Customer.make();
  expect("nothing kept, CDN down", await customer.load.call(Object.assign(customer, { cdn: "down" }), [old]), "nothing unreachable", "");
  customer.cdn = "up";
  expect("CDN up", await customer.load([old]), "2.8.0 cdn", "2.8.0");
  row(customer.asked.at(-1) === "https://example.cybozu.com/", "the CDN learns the tenant, and not the page", customer.asked.at(-1));
  expect("loaded twice at once", await customer.load([old, old]), "2.8.0 cdn, 2.8.0 cdn", "2.8.0");
  for (const [cdn, problem] of [["down", "unreachable"], ["slow", "unreachable"], [503, "unreachable"], [404, "missing"], ["tampered", "tampered"]]) {
    customer.cdn = cdn;
    expect(`CDN ${cdn}, this version kept`, await customer.load([old]), `2.8.0 cache ${problem}`, "2.8.0");
    expect(`CDN ${cdn}, another version kept`, await customer.load([next]), `2.8.0 cache stale ${problem}`, "2.8.0");
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
  expect("CDN up again: loaded, and kept anew", await customer.load([old]), "2.8.0 cdn", "2.8.0");

  await customer.load([next]);
  await customer.load([third]);
  customer.cdn = "down";
  expect("two versions are kept: the newest", await customer.load([third]), "2.10.0 cache unreachable", "2.10.0");
  expect("… the one before", await customer.load([next]), "2.9.0 cache unreachable", "2.9.0");
  expect("… not the oldest", await customer.load([old]), "2.10.0 cache stale unreachable", "2.10.0");
  const newestTampered = async () => {
    const cache = await caches.open("tegata/sheet");
    const request = (await cache.keys()).find(({ url }) => url.includes("2.10.0"));
    const { headers } = await cache.match(request);
    await cache.put(request, new Response('window.ran = ["evil"]', { headers }));
  };
  expect("the newest kept was tampered with: the one before", await customer.load([third], newestTampered), "2.9.0 cache stale unreachable", "2.9.0");
  expect("another hash for the same version: what is kept does not run", await customer.load([{ ...next, integrity: `sha384-${"A".repeat(64)}` }]), "nothing unreachable", "");
  customer.cdn = "up";
  expect("another hash than the CDN's file has", await customer.load([{ ...next, integrity: `sha384-${"A".repeat(64)}` }], () => caches.delete("tegata/sheet")), "nothing tampered", "");
  expect("a hash that is none", await customer.load([{ ...next, integrity: "sha256-abc" }]), "TypeError", "");
  customer.cdn = "broken once";
  expect("it came broken once: asked again", await customer.load([next]), "2.9.0 cdn", "2.9.0");
  customer.cdn = "up";
  for (const version of [old, next, old, third]) await customer.load([version]);
  customer.cdn = "down";
  expect("gone back to 2.8.0 before 2.10.0: 2.9.0 is not kept", await customer.load([next]), "2.10.0 cache stale unreachable", "2.10.0");
  expect("… 2.8.0 is", await customer.load([old]), "2.8.0 cache unreachable", "2.8.0");
  // An error of what runs is the page's, and says where: the file that ran, not the one asked for.
  const note = () => window.addEventListener("error", ({ error }) => { window.ran.push(/https:[^):]*/.exec(error.stack)[0]); });
  customer.cdn = "up";
  expect("a file that throws: it ran", await customer.load([publish("2.0.0", 'throw new Error("of the plug-in");\n')], note), "2.0.0 cdn", `2.0.0,${CDN}/sheet/2.0.0/plugin.min.js`);
  customer.cdn = "down";
  expect("… and its address is in the stack when it is stale", await customer.load([next], note), "2.0.0 cache stale unreachable", `2.0.0,${CDN}/sheet/2.0.0/plugin.min.js`);
  customer.cdn = "up";
  customer.headers = { "Content-Security-Policy": "require-trusted-types-for 'script'" };
  expect("a page with Trusted Types", await customer.load([next]), "nothing forbidden", "");
  customer.headers = { "Content-Security-Policy": "script-src 'self' 'unsafe-eval'" };
  expect("a page that forbids it", await customer.load([next]), "nothing forbidden", "");
  await customer.context.close();

  const blocked = await Customer.make(() => Object.defineProperty(window, "caches", { get() { throw new DOMException("blocked", "SecurityError"); } }));
  expect("Cache Storage blocked, CDN up", await blocked.load([next]), "2.9.0 cdn", "2.9.0");
  blocked.cdn = "down";
  expect("Cache Storage blocked, CDN down", await blocked.load([next]), "nothing unreachable", "");
  await blocked.context.close();

  const retried = await Customer.make();
  retried.cdn = "down";
  const page = await retried.context.newPage();
  const copies = await Customer.make();
  const twice = await copies.context.newPage();
  await twice.goto("https://example.cybozu.com/k/12/");
  expect("two plug-ins, each with the loader in it: the file runs once", await twice.evaluate(async (file) => {
    const loaders = await Promise.all([import("/pinned.js?1"), import("/pinned.js?2")]);
    return { results: await Promise.all(loaders.map(({ loadPinned }) => loadPinned(file))), ran: window.ran };
  }, next), "2.9.0 cdn, 2.9.0 cdn", "2.9.0");
  await copies.context.close();
  await page.goto("https://example.cybozu.com/k/12/");
  const first = await page.evaluate(async (file) => (await (await import("/pinned.js")).loadPinned(file)).ok, next);
  retried.cdn = "up";
  const second = await page.evaluate(async (file) => ({ results: [await (await import("/pinned.js")).loadPinned(file)], ran: window.ran }), next);
  expect(`what failed may be tried again on the page${first ? ", but did not fail" : ""}`, second, "2.9.0 cdn", "2.9.0");
  await retried.context.close();
  // What a script of the page left in the storage, with its own hash and a time of its choice.
  const plant = async (at) => {
    const bytes = new TextEncoder().encode('(window.ran ??= []).push("evil")');
    const hash = btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.digest("SHA-384", bytes))));
    const headers = { "x-integrity": `sha384-${hash}`, "x-version": "9.9.9", "x-kept-at": String(at) };
    const cache = await caches.open("tegata/sheet");
    await cache.put("https://cdn.vendor.example/sheet/9.9.9/plugin.min.js", new Response(bytes, { headers }));
  };
  for (const [when, at] of [["in ten years", Date.now() + 3e11], ["in a minute", Date.now() + 60_000], ["in no year", 9e99], ["now", Date.now()]]) {
    const planted = await Customer.make();
    const visit = await planted.context.newPage();
    await visit.goto("https://example.cybozu.com/k/12/");
    await visit.evaluate(plant, at);
    await visit.close();
    if (when !== "now") {
      planted.cdn = "down";
      expect(`a planted file, kept ${when}: not run`, await planted.load([next]), "nothing unreachable", "");
    }
    planted.cdn = "up";
    await planted.load([old]);
    planted.cdn = "down";
    expect(`a planted file, kept ${when}: not run after a good load`, await planted.load([next]), "2.8.0 cache stale unreachable", "2.8.0");
    await planted.context.close();
  }

  // With the browser's own cache, which what is routed above goes past: in Firefox all that the browser asks for, once
  // anything is routed. This CDN says who may
  // read a file only to those who ask as a page's fetch does, as CDNs may.
  const requests = [];
  const cdn = createServer(async ({ url, headers }, response) => {
    const content = await (await fetch(address + url)).text();
    response.setHeader("Content-Type", "text/javascript; charset=utf-8");
    response.setHeader("Cache-Control", "public, max-age=31536000, immutable");
    if (headers.origin) response.setHeader("Access-Control-Allow-Origin", "*");
    response.end(requests.push(headers.origin ? "fetch" : "script") === 1 && cdn.isBroken ? content.slice(1) : content);
  });
  const site = createServer(({ url }, response) => {
    response.setHeader("Content-Type", url === "/pinned.js" ? "text/javascript" : "text/html");
    response.end(url === "/pinned.js" ? PINNED : "<!DOCTYPE html><title>kintone</title>");
  });
  const [base, home] = await Promise.all([cdn, site].map((server) => new Promise((done) =>
    server.listen(0, "127.0.0.1", () => done(`http://127.0.0.1:${server.address().port}`)))));
  const plain = await launch();
  const cached = async (name, isBroken, before, expected, wantedRequests) => {
    cdn.isBroken = isBroken;
    requests.length = 0;
    const context = await plain.newContext();
    for (const visit of ["", ", and the page after"]) {
      const page = await context.newPage();
      await page.goto(home);
      await page.evaluate(before, `${base}/sheet/2.9.0/plugin.min.js`);
      const result = await page.evaluate(async (file) => {
        window.ran = [];
        const results = [await (await import("/pinned.js")).loadPinned(file)];
        return { results, ran: window.ran };
      }, { ...next, base });
      expect(`HTTP cache: ${name}${visit}`, result, expected, "2.9.0");
      await page.close();
    }
    row(requests.join() === wantedRequests, `HTTP cache: ${name}, requests`, requests.join());
    await context.close();
  };
  try {
    await cached("in order", false, () => {}, "2.9.0 cdn", "fetch");
    await cached("a broken file in it", true, () => {}, "2.9.0 cdn", "fetch,fetch");
    const script = (url) => new Promise((done) => document.head.append(Object.assign(document.createElement("script"), { src: url, onload: done })));
    await cached("what a plain <script> got in it", false, script, "2.9.0 cdn", "script,fetch");
  } finally {
    await plain.close();
    for (const server of [cdn, site]) {
      server.close();
      server.closeAllConnections();
    }
  }
} finally {
  await end();
}
console.log(`\n${cases} cases, ${wrong} wrong`);
process.exitCode = wrong ? 1 : 0;
