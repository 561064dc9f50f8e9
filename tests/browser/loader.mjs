// The loader in a browser: which version a page runs, and what becomes of each threat that The Update
// Framework's specification names. Real servers, Chromium's own caches, storage, tabs and signatures.
//
// usage: node tests/browser/loader.mjs [TEGATA]      prints a table of case and result
//        node tests/browser/loader.mjs speed         prints the time to running, and requests per page view

import { BROWSER, SCHEME } from "./browser.mjs";
import { CDN, DAY, HOUR, ISSUER, signer, World } from "./world.mjs";

const [a, b, c, lease, mallory] = await Promise.all(
  ["release-a", "release-b", "release-c", "lease-a", "release-a"].map(signer));
const world = await World.start();
const START = world.now;
// What these browsers do takes longer, by what drives them.
const TIMEOUT = BROWSER === "chromium" ? 1_000 : 3_000;
const OPTIONS = { base: CDN, product: "sheet", keys: [a.jwk, b.jwk], issuer: ISSUER, timeout: TIMEOUT };

let cases = 0;
let wrong = 0;
let isLimit = false;
function expect(name, got, wanted) {
  const isRight = got === wanted;
  cases++;
  if (!isRight) wrong++;
  console.log(`${(isRight ? (isLimit ? "limit" : "ok") : "WRONG").padEnd(6)} ${name.padEnd(66)} ${got}${isRight ? "" : `   expected: ${wanted}`}`);
}
const title = (name) => console.log(`\n${name}`);
const shows = ({ said, ran }) => `${said} | ran ${ran.join(", ") || "nothing"}`;

// A world with 1.8.0 current, and a customer who may have run it.
const [old, next] = [world.publish("1.8.0"), world.publish("1.9.0")];
async function begin({ isKept = true, ...options } = {}) {
  for (const version of ["1.8.0", "1.9.0"]) world.publish(version);
  Object.assign(world, { now: START, clock: true, cdn: {}, latency: 0 });
  world.serve(await world.document(a, 0, old));
  const customer = await world.customer({ ...OPTIONS, ...options });
  if (isKept) await customer.view();
  return customer;
}
const later = () => { world.now += HOUR; };
// What two page views show: the first finds something new behind it, the second runs what came of that.
async function two(customer, options) {
  const [first, second] = [await customer.view(options), await customer.view(options)];
  return `${first.said}, then ${second.said}`;
}

async function current() {
  title("The current release");
  let customer = await begin({ isKept: false });
  let view = await customer.view();
  expect("first page", shows(view), "1.8.0 cdn | ran 1.8.0");
  expect("… requests", view.asked.sort().join(", "), "/sheet/1.8.0/main.js, /sheet/current.jwt, HEAD /k/");
  expect("… the CDN learns the tenant, and not the page", world.referer, `${SCHEME}://example.kintone.com/`);
  view = await customer.view();
  expect("next page", shows(view), "1.8.0 cache | ran 1.8.0");
  expect("… requests", view.asked.length, 0);
  world.serve(await world.document(a, 5, next));
  expect("a newer one within the hour", await two(customer), "1.8.0 cache, then 1.8.0 cache");
  later();
  view = await customer.view();
  expect("… after it", `${shows(view)}, update ${view.updates}`, "1.8.0 cache | ran 1.8.0, update 1.9.0");
  expect("… requests behind the page", view.asked.sort().join(", "), "/sheet/1.9.0/main.js, /sheet/current.jwt, HEAD /k/");
  expect("… the page after it", shows(await customer.view()), "1.9.0 cache | ran 1.9.0");
  world.serve(await world.document(a, 9, old));
  later();
  expect("gone back", await two(customer), "1.9.0 cache, then 1.8.0 cache");
  customer = await begin({ isKept: false });
  expect("several entries and a chunk", shows(await customer.view({ entries: ["main.js", "config.js"], files: ["chunk/a.js"] })),
    "1.8.0 cdn, 1.8.0 cdn, 1.8.0 cdn | ran 1.8.0, 1.8.0 config.js, 1.8.0 chunk/a.js");
  world.serve(await world.document(a, 5, next));
  later();
  await customer.view();
  world.cdn = { down: true };
  expect("… of the next version, with the CDN down by then", shows(await customer.view({ entries: ["main.js", "config.js"], files: ["chunk/a.js"] })),
    "1.9.0 cache, 1.9.0 cache, 1.9.0 cache | ran 1.9.0, 1.9.0 config.js, 1.9.0 chunk/a.js");

  customer = await begin({ isKept: false });
  let page = await customer.open();
  const chunk = await page.evaluate(async (options) => {
    const { loadPlugin } = await import("/loader.js");
    await loadPlugin({ ...options, entry: "main.js" });
    const { version } = await window.scripts[0].loadFile("chunk/a.js");
    return [version, ...window.ran].join(", ");
  }, customer.options);
  await page.close();
  expect("running code loads a chunk by its own script element", chunk, "1.8.0, 1.8.0, 1.8.0 chunk/a.js");

  customer = await begin({ isKept: false });
  page = await customer.open();
  const copies = await page.evaluate(async (options) => {
    const loaders = await Promise.all([import("/loader.js?1"), import("/loader.js?2")]);
    const loads = loaders.flatMap(({ loadPlugin }) => ["main.js", "config.js"].map((entry) => loadPlugin({ ...options, entry })));
    return [...(await Promise.all(loads)).map(({ version }) => version), ...(window.ran ?? [])].join(", ");
  }, customer.options);
  await page.close();
  expect("two plug-ins on a page, each with the loader and two entries", copies, "1.8.0, 1.8.0, 1.8.0, 1.8.0, 1.8.0, 1.8.0 config.js");
  expect("… requests", world.requests.sort().join(", "), "/sheet/1.8.0/config.js, /sheet/1.8.0/main.js, /sheet/current.jwt, HEAD /k/");

  customer = await begin();
  world.serve(await world.document(a, 5, next));
  later();
  const tabs = [];
  for (let i = 0; i < 4; i++) tabs.push(await customer.open());
  const views = await Promise.all(tabs.map((page) => customer.view({ page })));
  // A tab that is slower than another's request knows of the new version, or runs it at once.
  const isFine = ({ said, updates }) => /^(1\.8\.0 cache( stale)?, 1\.9\.0|1\.9\.0 cache, )$/.test(`${said}, ${updates}`);
  expect("four tabs at once, after the hour: 1.8.0 and an update, or 1.9.0", `${views.filter(isFine).length} of 4`, "4 of 4");
  expect("… requests for the document", world.requests.filter((url) => url.endsWith(".jwt")).length, 1);
}

async function threats() {
  title("A document that is not to be trusted (kept: 1.8.0, or nothing)");
  const [head, , tail] = (await world.document(a, 5, next)).split(".");
  const body = (await world.document(a, 6, next)).split(".")[1];
  for (const [name, document, problem] of [
    ["forged: another key under a pinned name", await world.document(mallory, 5, next), "forged"],
    ["forged: other claims under a signature", `${head}.${body}.${tail}`, "forged"],
    ["another product's", await world.document(a, 5, next, { aud: "grid" }), "wrong_product"],
    ["another vendor's", await world.document(a, 5, next, { iss: "https://evil.example" }), "wrong_issuer"],
    ["signed by a lease key", await world.document(lease, 5, next), "unknown_key"],
    ["a lease, signed by a release key", await world.document(a, 5, next, {}, "license+jwt"), "forged"],
    ["half of it", (await world.document(a, 5, next)).slice(0, 200), "forged"],
    ["a web page", "<!DOCTYPE html>", "forged"],
  ]) {
    const customer = await begin();
    world.serve(document);
    later();
    expect(name, await two(customer), `1.8.0 cache, then 1.8.0 cache ${problem}`);
    const stranger = await world.customer(OPTIONS);
    expect("… nothing kept", shows(await stranger.view()), `nothing ${problem} | ran nothing`);
    expect("… and a version in the package", shows(await stranger.view({ bundled: true })), `bundled ${problem} | ran bundled`);
  }
  let customer = await begin();
  world.license = await a.sign({ iss: ISSUER, aud: "sheet", sub: "example.kintone.com", iat: START / 1000, exp: START / 1000 + 86_400,
    usable_from: "2026-10-03T10:00:00+09:00", valid_until: "2027-11-01T09:00:00+09:00", grace_until: "2027-11-08T09:00:00+09:00" }, "license+jwt");
  const page = await customer.open();
  const check = (keys) => page.evaluate(async (options) => {
    const { checkLicense } = await import("/index.js");
    const { code, reason } = await checkLicense({ ...options, transport: "fetch", force: true });
    return `${code} ${reason}`;
  }, { product: "sheet", keys, endpoint: `${SCHEME}://license.vendor.example` });
  expect("a release key signs a lease: the licence check refuses it", await check([lease.jwk]), "UNREACHABLE unknown_key");
  await page.close();

  title("Replay, freeze, mix and match");
  customer = await begin();
  const first = world.files.get("/sheet/current.jwt");
  world.serve(await world.document(a, 5, next));
  later();
  await two(customer);
  world.serve(first);
  later();
  expect("an older document, replayed", await two(customer), "1.9.0 cache, then 1.9.0 cache replayed");
  isLimit = true;
  await customer.plant(async () => { for (const name of await caches.keys()) await caches.delete(name); });
  expect("… after the storage was cleared", shows(await customer.view()), "1.8.0 cdn | ran 1.8.0");
  customer = await begin();
  world.now += 30 * DAY;
  expect("freeze: the old document is served for ever", await two(customer), "1.8.0 cache, then 1.8.0 cache");
  isLimit = false;
  customer = await begin();
  world.serve(await world.document(a, 5, next));
  for (const path of ["main.js", "config.js"]) world.files.set(`/sheet/1.9.0/${path}`, world.files.get(`/sheet/1.8.0/${path}`));
  later();
  expect("a new document, the files of an old version", await two(customer), "1.8.0 cache, then 1.8.0 cache stale");
  customer = await begin();
  world.serve(await world.document(a, 5, next));
  later();
  let view = await customer.view({ entries: ["main.js", "config.js"], files: ["chunk/a.js"] });
  expect("a new version arrives while a page loads several files", view.ran.join(", "), "1.8.0, 1.8.0 config.js, 1.8.0 chunk/a.js");
  customer = await begin({ isKept: false });
  await customer.view();
  world.serve(await world.document(a, 5, next));
  world.cdn = { status: 503 };
  view = await customer.view({ entries: ["main.js", "config.js"], bundled: true });
  expect("another entry cannot be had: the package's does not join", shows(view), "1.8.0 cache, nothing unreachable | ran 1.8.0");

  title("A file that was exchanged");
  customer = await begin({ isKept: false });
  world.files.set("/sheet/1.8.0/main.js", 'window.ran = ["evil"]');
  expect("at the CDN, nothing kept", shows(await customer.view()), "nothing tampered | ran nothing");
  expect("… and a version in the package", shows(await customer.view({ bundled: true })), "bundled tampered | ran bundled");
  customer = await begin();
  world.serve(await world.document(a, 5, next));
  world.files.set("/sheet/1.9.0/main.js", 'window.ran = ["evil"]');
  later();
  expect("at the CDN, in a new version", await two(customer), "1.8.0 cache, then 1.8.0 cache stale");
  world.publish("1.9.0");
  later();
  expect("… and put right", await two(customer), "1.8.0 cache stale, then 1.9.0 cache");
  customer = await begin({ isKept: false });
  world.files.set("/sheet/1.8.0/main.js", "half of i");
  await customer.view();
  world.publish("1.8.0");
  expect("a broken one in the browser's cache: asked for past it", shows(await customer.view()), "1.8.0 cdn | ran 1.8.0");

  title("What is planted in the page's storage");
  const evil = async () => {
    const cache = await caches.open("tegata/2/sheet");
    for (const { url } of await cache.keys()) if (url.endsWith(".js")) await cache.put(url, new Response('window.ran = ["evil"]'));
  };
  customer = await begin();
  await customer.plant(evil);
  expect("a file", shows(await customer.view()), "1.8.0 cdn | ran 1.8.0");
  await customer.plant(evil);
  world.cdn = { down: true };
  expect("… and the CDN is down (the browser's own cache has the file)", shows(await customer.view()), "1.8.0 cdn | ran 1.8.0");
  const put = async (changes) => {
    const cache = await caches.open("tegata/2/sheet");
    const { url } = (await cache.keys()).find(({ url }) => url.endsWith("/sheet/current.jwt"));
    const note = await (await cache.match(url)).json();
    const documents = changes.text ? [{ version: "9.9.9", files: {}, iat: 9e9, text: changes.text }] : note.documents;
    await cache.put(url, new Response(JSON.stringify({ ...note, ...changes, documents })));
    if (changes.files) for (const [at, content] of changes.files) await cache.put(at, new Response(content));
  };
  const files = [[`${CDN}/sheet/1.9.0/main.js`, world.files.get("/sheet/1.9.0/main.js")]];
  for (const [name, text] of [
    ["a document by another key", await world.document(mallory, 5, next)],
    ["another product's document", await world.document(a, 5, next, { aud: "grid" })],
    ["a document of a lease's type", await world.document(a, 5, next, {}, "license+jwt")],
  ]) {
    customer = await begin();
    await customer.plant(put, { text, files });
    view = await customer.view();
    expect(`${name}: the CDN is asked`, `${shows(view)}, ${view.asked.includes("/sheet/current.jwt")}`, "1.8.0 cache | ran 1.8.0, true");
  }
  const YEARS = 3e11;
  for (const [name, asked, pc] of [
    ["in ten years", START + YEARS, START + YEARS], ["in ten years, and now by the PC", START + YEARS, START],
    ["in a minute", START + 60_000, START], ["ten years ago", START - YEARS, START - YEARS], ["no instant", "soon", {}], ["9e99", 9e99, 9e99],
  ]) {
    customer = await begin();
    await customer.plant(put, { asked, pc });
    world.serve(await world.document(a, 5, next));
    for (let i = 0; i < 3; i++) {
      later();
      view = await customer.view();
    }
    expect(`a time of the last request: ${name}; a new version arrives`, view.said, "1.9.0 cache");
  }
  isLimit = true;
  customer = await begin();
  const older = world.files.get("/sheet/current.jwt");
  world.serve(await world.document(a, 5, next));
  later();
  await two(customer);
  await customer.plant(put, { text: older, files: [[`${CDN}/sheet/1.8.0/main.js`, world.files.get("/sheet/1.8.0/main.js")]] });
  expect("an older document with its files: until the CDN is asked", (await customer.view()).said, "1.8.0 cache");
  isLimit = false;
  later();
  expect("… within the hour", await two(customer), "1.8.0 cache, then 1.9.0 cache");

  title("The CDN");
  for (const [name, cdn, problem] of [
    ["down", { down: true }, "unreachable"], ["slower than the time-out", { slow: TIMEOUT + 500 }, "unreachable"],
    ["403", { status: 403 }, "missing"], ["503", { status: 503 }, "unreachable"], ["half a file", { half: true }, "unreachable"],
  ]) {
    customer = await begin();
    world.cdn = cdn;
    later();
    view = await customer.view();
    expect(`${name}, 1.8.0 kept: not waited for`, `${view.said} ${view.took < TIMEOUT / 2}`, "1.8.0 cache true");
    expect("… the page after it", (await customer.view()).said, `1.8.0 cache ${problem}`);
    const stranger = await world.customer(OPTIONS);
    view = await stranger.view();
    expect("… nothing kept", `${shows(view)} ${view.took < TIMEOUT + 300}`, `nothing ${problem} | ran nothing true`);
    expect("… and a version in the package", shows(await stranger.view({ bundled: true })), `bundled ${problem} | ran bundled`);
    customer = await begin();
    world.serve(await world.document(a, 5, next));
    world.files.set("/sheet/1.9.0/main.js", { body: world.files.get("/sheet/1.9.0/main.js"), ...cdn });
    later();
    await customer.view();
    expect("… for a file of the new version only", (await customer.view()).said, "1.8.0 cache stale");
  }

  title("Keys");
  customer = await begin();
  const renewed = Object.assign(await world.customer({ ...OPTIONS, keys: [b.jwk, c.jwk] }), { context: customer.context });
  world.serve(await world.document(b, 5, next));
  later();
  expect("signed by the second key: an old package", await two(customer), "1.8.0 cache, then 1.9.0 cache");
  expect("… a new one, in the same browser", (await renewed.view()).said, "1.9.0 cache");
  world.serve(await world.document(c, 9, old));
  later();
  expect("signed by a key that the old package has not got", await two(customer), "1.9.0 cache, then 1.9.0 cache unknown_key");
  later();
  expect("… a new one, in the same browser", await two(renewed), "1.9.0 cache unknown_key, then 1.8.0 cache");
  expect("… the old one, where nothing is kept that it can verify", shows(await customer.view({ bundled: true })), "bundled unknown_key | ran bundled");

  title("Clocks");
  const from = (START + 2 * DAY) / 1000;
  for (const [name, pc] of [["right", 0], ["ten years slow", -YEARS], ["ten years fast", YEARS]]) {
    customer = await begin({ isKept: false });
    customer.pc = pc;
    world.serve(await world.document(a, 5, next, { from, before: old }));
    const said = [];
    for (const at of [0, DAY, 2 * DAY - 1_000, 2 * DAY, 3 * DAY]) {
      world.now = START + at;
      said.push((await customer.view()).said);
    }
    expect(`the PC's is ${name}: 1.9.0 from the third day on`, said.join(", "), "1.8.0 cdn, 1.8.0 cache, 1.8.0 cache, 1.9.0 cache, 1.9.0 cache");
  }
  customer = await begin();
  world.serve(await world.document(a, 5, next, { from, before: old }));
  const said = [];
  for (const pc of [YEARS, -YEARS, 3 * DAY, 0]) {
    customer.pc = pc;
    said.push(await two(customer));
  }
  expect("the PC's is set to and fro", [...new Set(said)].join(), "1.8.0 cache, then 1.8.0 cache");
  customer = await begin({ isKept: false });
  world.serve(await world.document(a, 5, next, { from, before: old }));
  world.clock = false;
  world.now = START + 3 * DAY;
  expect("kintone's cannot be read: the version before runs", (await customer.view()).said, "1.8.0 cdn");
  isLimit = true;
  customer = await begin({ isKept: false });
  world.serve(await world.document(a, 5, next, { from, before: old }));
  await customer.view();
  await customer.plant(put, { asked: START + 3 * DAY, pc: START });
  expect("a planted time brings a version that is signed ahead forward", (await customer.view()).said, "1.9.0 cdn");
  isLimit = false;
  later();
  expect("… until the CDN is asked", await two(customer), "1.9.0 cache, then 1.8.0 cache");

  title("A gradual release");
  const number = (domain) => import("node:crypto").then(({ createHash }) => createHash("sha256").update(`1.9.0/${domain}`).digest("hex").slice(0, 32));
  const stage = { tenants: [await number("other.kintone.com")] };
  for (const [name, changes, wanted] of [
    ["one tenant, by its number", { stage, before: old }, "1.8.0 cdn, 1.9.0 cdn"],
    ["a share of 99 %", { stage: { percent: 99 }, before: old }, "1.9.0 cdn, 1.9.0 cdn"],
    ["signed ahead too", { stage, before: old, from }, "1.8.0 cdn, 1.8.0 cdn"],
    ["a first version, signed ahead: nothing yet", { from }, "nothing unreleased, nothing unreleased"],
  ]) {
    const said = [];
    for (const tenant of ["example", "other"]) {
      customer = await begin({ isKept: false });
      customer.tenant = `${SCHEME}://${tenant}.kintone.com`;
      world.serve(await world.document(a, 5, next, changes));
      said.push((await customer.view()).said);
    }
    expect(name, said.join(", "), wanted);
  }
}

// From the call to the script's own first line, in milliseconds, with scripts of 100 kB: medians.
async function speed() {
  const padding = `/*${"x".repeat(100_000)}*/`;
  const [old, next] = ["1.8.0", "1.9.0"].map((version) => world.publish(version, ["main.js"], `window.at = performance.now();${padding}`));
  const median = (numbers) => numbers.sort((x, y) => x - y)[numbers.length >> 1].toFixed(1);
  const document = await world.document(a, 0, old);
  const ahead = await world.document(a, 0, next, { from: (START + DAY) / 1000, before: old });
  const time = async (page, form) => page.evaluate(async ({ options, form }) => {
    const { loadPlugin, loadPinned } = await import(form === "pinned" ? "/pinned.js" : "/loader.js");
    await new Promise((done) => setTimeout(done, 100));
    const begin = performance.now();
    const loaded = await (loadPinned ?? loadPlugin)(options);
    return [window.at - begin, loaded.source];
  }, { options: form === "pinned" ? { base: CDN, product: "sheet", version: "1.8.0", file: "main.js", integrity: old.files["main.js"] } : { ...OPTIONS, entry: "main.js", timeout: 8_000 }, form });
  console.log("median of 30, ms:                           network 0 ms   network 40 ms");
  for (const [name, form, isFirst, served] of [
    ["current release, from what is kept", "current", false, document],
    ["… signed ahead, an instant that is a day off", "current", false, ahead],
    ["current release, first page: from the CDN", "current", true, document],
    ["pinned file, from the browser's own cache", "pinned", false, document],
    ["pinned file, first page: from the CDN", "pinned", true, document],
  ]) {
    const medians = [];
    for (const latency of [0, 40]) {
      world.serve(served);
      world.now = START;
      world.latency = 0;
      let customer = await world.customer(OPTIONS);
      const open = async () => {
        const page = await customer.open();
        world.latency = latency;
        const [took] = await time(page, form);
        await page.waitForTimeout(50);
        world.latency = 0;
        await page.close();
        return took;
      };
      if (!isFirst) await open();
      const times = [];
      for (let i = 0; i < 30; i++) {
        if (isFirst) {
          await customer.context.close();
          customer = await world.customer(OPTIONS);
        }
        times.push(await open());
      }
      medians.push(median(times).padStart(8));
      await customer.context.close();
    }
    console.log(`${name.padEnd(46)} ${medians.join("        ")}`);
  }
  console.log("\nrequests of 24 page views, one every ten minutes (four hours, one new version):");
  world.serve(document);
  world.now = START;
  const customer = await world.customer({ ...OPTIONS, timeout: 8_000 });
  const counts = {};
  for (let i = 0; i < 24; i++) {
    if (i === 12) world.serve(await world.document(a, 100, next));
    const { asked } = await customer.view();
    for (const url of asked) counts[url.replace(/.*\.js/, "a file")] = (counts[url.replace(/.*\.js/, "a file")] ?? 0) + 1;
    world.now += 600_000;
  }
  console.log(Object.entries(counts).map(([what, count]) => `  ${what}: ${count}`).join("\n"));
}

try {
  if (process.argv[2] === "speed") {
    await speed();
  } else {
    await current();
    await threats();
  }
} finally {
  await world.end();
}
if (cases) console.log(`\n${cases} cases, ${wrong} wrong`);
process.exitCode = wrong ? 1 : 0;
