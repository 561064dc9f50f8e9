// Tenants of kintone and a CDN, served on this machine under their real names, and a browser to visit
// them. In Chromium what travels is HTTP, and the origins count as secure ones.

import { createHash, webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { launch, SCHEME } from "./browser.mjs";

export const CDN = `${SCHEME}://cdn.vendor.example`;
export const ISSUER = "https://license.example.com";
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
// Not cybozu.com: browsers know that it is HTTPS only.
const TENANTS = ["example.kintone.com", "other.kintone.com"];
const MODULES = new Map(["loader", "pinned", "index"].map((name) =>
  [`/${name}.js`, readFileSync(new URL(`../../client/dist/${name}.js`, import.meta.url), "utf8")]));

const b64 = (data) => Buffer.from(data).toString("base64url");
export const hash = (content) => `sha384-${createHash("sha384").update(content).digest("base64")}`;

// A key pair: its public half as a package pins it, and what it signs.
export async function signer(kid) {
  const pair = await webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
  const { kty, crv, x, y } = await webcrypto.subtle.exportKey("jwk", pair.publicKey);
  return {
    jwk: { kty, crv, x, y, kid },
    async sign(claims, typ = "release+jwt") {
      const input = [{ alg: "ES256", typ, kid }, claims].map((part) => b64(JSON.stringify(part))).join(".");
      return `${input}.${b64(await webcrypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, pair.privateKey, Buffer.from(input)))}`;
    },
  };
}

export class World {
  // kintone's time; whether it can be read; how long each answer takes.
  now = Date.parse("2026-12-05T10:00:00+09:00");
  clock = true;
  latency = 0;
  // By path at the CDN: a content, or { status, body, half, slow, down }. `cdn` is for all that is not there.
  files = new Map();
  cdn = {};
  // What the licence API answers.
  license = "";
  requests = [];

  static async start() {
    const world = new World();
    const server = createServer((request, response) => world.answer(request, response).catch(() => response.destroy()));
    await new Promise((done) => server.listen(0, "127.0.0.1", done));
    // The shell has no origins that count as secure ones.
    const browser = await launch({ port: server.address().port, secure: TENANTS, isWhole: true });
    return Object.assign(world, { browser, async end() {
      await browser.close();
      server.close();
      server.closeAllConnections();
    } });
  }

  async answer({ headers: { host, referer }, method, url }, response) {
    if (this.latency) await new Promise((done) => setTimeout(done, this.latency));
    if (host.endsWith(".kintone.com")) {
      response.setHeader("Date", new Date(this.now).toUTCString());
      if (url === "/k/") {
        this.requests.push(`${method} /k/`);
        if (!this.clock) return response.destroy();
      }
      const module = MODULES.get(url.replace(/\?.*/, ""));
      response.setHeader("Content-Type", module ? "text/javascript" : "text/html");
      response.setHeader("Cache-Control", module ? "max-age=3600" : "no-store");
      return response.end(module ?? "<!DOCTYPE html><title>kintone</title>");
    }
    response.setHeader("Access-Control-Allow-Origin", "*");
    if (host === "license.vendor.example") {
      response.setHeader("Content-Type", "application/json");
      return response.end(JSON.stringify({ code: "VALID", lease: this.license }));
    }
    this.requests.push(url);
    this.referer = referer;
    const known = this.files.get(url) ?? { status: 403, body: "" };
    const { status = 200, body = known.body ?? known, slow, half, down } = { ...this.cdn, ...(known.body === undefined ? {} : known) };
    if (down) return response.destroy();
    if (slow) await new Promise((done) => setTimeout(done, slow));
    // A minute in the field. Here an hour may pass in no time, and the browser's cache would not know.
    response.setHeader("Cache-Control", url.endsWith(".jwt") ? "max-age=0" : "public, max-age=31536000, immutable");
    response.setHeader("Content-Type", url.endsWith(".jwt") ? "application/jwt" : "text/javascript; charset=utf-8");
    response.writeHead(status, { "Content-Length": Buffer.byteLength(body) });
    if (!half) return response.end(body);
    response.write(body.slice(0, body.length / 2));
    setTimeout(() => response.destroy(), 50);
  }

  // Puts a version's files, which note that they ran, and returns the version with their hashes.
  publish(version, paths = ["main.js", "config.js", "chunk/a.js"], more = "") {
    const contents = paths.map((path) => [path, `(window.ran ??= []).push("${version}${path === "main.js" ? "" : ` ${path}`}");\n(window.scripts ??= []).push(document.currentScript);\n${more}`]);
    for (const [path, content] of contents) this.files.set(`/sheet/${version}/${path}`, content);
    return { version, files: Object.fromEntries(contents.map(([path, content]) => [path, hash(content)])) };
  }

  // Signs a document: `at` is in minutes after the story's begin.
  document(by, at, release, changes = {}, typ = undefined) {
    const iat = Date.parse("2026-12-05T10:00:00+09:00") / 1000 + at * 60;
    return by.sign({ iss: ISSUER, aud: "sheet", iat, ...release, ...changes }, typ);
  }

  serve(document) {
    this.files.set("/sheet/current.jwt", document);
  }

  async customer(options) {
    return Object.assign(new Customer(), { world: this, options, context: await this.browser.newContext() });
  }
}

// A customer's browser, and the package that it has of the plug-in.
class Customer {
  pc = 0;
  tenant = `${SCHEME}://${TENANTS[0]}`;

  // Opens a page whose PC has its own idea of the time, which stands still there.
  async open() {
    const page = await this.context.newPage();
    await page.addInitScript((now) => { Date.now = () => now; }, this.world.now + this.pc);
    await page.goto(`${this.tenant}/k/12/`);
    this.world.requests.length = 0;
    return page;
  }

  // Runs something in a page, before the package.
  async plant(work, argument) {
    const page = await this.open();
    await page.evaluate(work, argument);
    await page.close();
  }

  // A page view: what came of loading, what ran, what was asked, and which version was said to wait.
  async view({ entries = ["main.js"], bundled = false, files = [], page = undefined } = {}) {
    page ??= await this.open();
    const outcome = await page.evaluate(async ({ options, entries, bundled, files }) => {
      const { loadPlugin } = await import("/loader.js");
      const updates = [];
      const load = (entry) => loadPlugin({
        ...options, entry, onUpdate: ({ version }) => updates.push(version),
        ...(bundled && { bundled: () => { (window.ran ??= []).push("bundled"); } }),
      }).catch((error) => ({ threw: error.name }));
      const begin = performance.now();
      const results = [];
      for (const entry of entries) results.push(await load(entry));
      const took = performance.now() - begin;
      for (const file of files) results.push(await results[0].loadFile(file));
      // Until what goes on behind is done.
      for (let i = 0; i < 3; i++) {
        await new Promise((done) => setTimeout(done, 25));
        await navigator.locks.request("tegata/2/sheet", () => {});
      }
      return { results: results.map(({ loadFile, ...rest }) => rest), ran: window.ran ?? [], updates, took };
    }, { options: this.options, entries, bundled, files });
    await page.close();
    const said = outcome.results.map(({ ok, version, source, stale, problem, threw }) =>
      threw ?? [ok ? version : "nothing", source !== version && source, stale && version !== "bundled" && "stale", problem].filter(Boolean).join(" "));
    return { ...outcome, said: said.join(", "), asked: [...this.world.requests] };
  }
}
