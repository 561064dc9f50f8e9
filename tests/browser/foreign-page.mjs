// A page of somebody else in the browser of a developer who runs `tegata dev`: it may not read or
// change anything there, neither by the address, nor by a name that leads to it (DNS rebinding), nor
// from another port of this machine. A page of kintone gets what it gets from the real service.
//
// usage: node tests/browser/foreign-page.mjs TEGATA        prints a table of case and result

import { createServer, request } from "node:http";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { place, run, start } from "./dev.mjs";

// As a browser without a rule against pages of the Internet that ask loopback addresses.
const { address, browser, end } = await start({
  browser: { args: ["--host-resolver-rules=MAP *.attacker.example 127.0.0.1",
    "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests"] },
});
const port = new URL(address).port;
const [endpoint, accessKey] = readFileSync(join(place, "endpoint"), "utf8").split("\n");
const databasePort = new URL(endpoint).port;

// The attacker's own server, on another port of this machine.
const server = createServer((_, response) => {
  response.setHeader("Content-Type", "text/html");
  response.end("<!DOCTYPE html><title>attacker</title>");
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const other = server.address().port;

const rows = [];
function expect(name, got, wanted) {
  const isRight = wanted instanceof RegExp ? wanted.test(got) : got === wanted;
  rows.push(`${isRight ? "ok    " : "WRONG "} ${name.padEnd(66)} ${got.slice(0, 40)}${isRight ? "" : `   expected ${wanted}`}`);
  if (!isRight) process.exitCode = 1;
}

// Opens a page at an address. Its document is the attacker's wherever it stands: with DNS rebinding
// the name leads to the attacker's server first, and to this machine from the next request on.
async function open(url) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.route(url, (route) => route.fulfill({ contentType: "text/html", body: "<!DOCTYPE html><title>page</title>" }), { times: 1 });
  await page.goto(url);
  return page;
}

// In the page: what a request gives it. "unreadable" stands for an answer that the browser keeps
// from the page, and for none.
function ask(page, url, init) {
  return page.evaluate(async ([url, init]) => {
    try {
      const response = await fetch(url, init);
      return `${response.status} ${await response.text()}`;
    } catch {
      return "unreadable";
    }
  }, [url, init]);
}

// A request of the DynamoDB API, signed with made-up credentials.
function operation(name, body, key = "AKIAMADEUP") {
  const scope = `${key}/20261127/local/dynamodb/aws4_request`;
  return {
    method: "POST",
    headers: {
      "Content-Type": "application/x-amz-json-1.0",
      "X-Amz-Target": `DynamoDB_20120810.${name}`,
      "X-Amz-Date": "20261127T000000Z",
      Authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=${"0".repeat(64)}`,
    },
    body: JSON.stringify(body),
  };
}

const CONTACTS = operation("Scan", { TableName: "Customers" });
const RESUME = operation("UpdateItem", {
  TableName: "Licenses",
  Key: { domain: { S: "suspended.cybozu.com" }, product: { S: "sheet" } },
  UpdateExpression: "SET license.suspended_from = :never",
  ExpressionAttributeValues: { ":never": { NULL: true } },
});
const SUSPEND = {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ domain: "example.cybozu.com", product: "sheet", action: "suspend" }),
};

// What holds here, whatever a page was told.
async function code(tenant) {
  const response = await fetch(`${address}/v1/products/sheet/domains/${tenant}.cybozu.com/license`);
  return (await response.json()).code;
}

const is = (pattern) => (got) => (pattern.test(got) ? "YES" : "no");
const hasContacts = is(/@/);
const hasState = is(/tenants/);
const hasMails = is(/Outbox/);

try {
  const rebound = (of) => `http://rebound.attacker.example:${of}`;
  for (const [name, page, database, gateway] of [
    ["by name", "http://page.attacker.example/", endpoint, address],
    ["by rebinding", null, rebound(databasePort), rebound(port)],
    ["from another port of 127.0.0.1", `http://127.0.0.1:${other}/`, endpoint, address],
    ["from another port of localhost", `http://localhost:${other}/`, endpoint, address],
    ["from a page of kintone", "https://example.cybozu.com/k/1/", endpoint, address],
  ]) {
    // What is rebound is asked by a page of the same name and port.
    const at = await open(page ?? `${database}/`);
    expect(`${name}: reads the contacts from the database`, hasContacts(await ask(at, database, CONTACTS)), "no");
    await ask(at, database, RESUME);
    expect(`${name}: a suspended licence afterwards`, await code("suspended"), "SUSPENDED");
    await at.context().close();

    const on = await open(page ?? `${gateway}/attack`);
    expect(`${name}: reads the demo's state`, hasState(await ask(on, `${gateway}/demo/state`)), "no");
    expect(`${name}: reads the outbox`, hasMails(await ask(on, `${gateway}/dev/outbox`)), "no");
    await ask(on, `${gateway}/demo/license`, SUSPEND);
    // Without asking first: a type that any page may send.
    await ask(on, `${gateway}/demo/license`, { ...SUSPEND, mode: "no-cors", headers: { "Content-Type": "text/plain" } });
    expect(`${name}: a licence that it wants suspended`, await code("example"), "VALID");
    if (!page) {
      const answer = await ask(on, `${gateway}/v1/products/sheet/domains/example.cybozu.com/license`);
      expect(`${name}: reads a licence`, is(/VALID/)(answer), "no");
    }
    // A button of the demo under the user's click, in a frame that is not seen.
    const framed = await on.evaluate((url) => new Promise((done) => {
      const frame = document.createElement("iframe");
      frame.onload = () => setTimeout(done, 300);
      frame.src = `${url}/`;
      document.body.append(frame);
    }), gateway).then(() => on.frames().length > 1 && on.frames()[1].evaluate(() => document.querySelector("#suspend") !== null).catch(() => false));
    expect(`${name}: shows the demo in a frame`, String(framed), "false");
    await on.context().close();
    // For the next page, everything as it was.
    if ((await code("suspended")) !== "SUSPENDED") run("license", "suspend", "suspended.cybozu.com", "sheet");
    if ((await code("example")) === "SUSPENDED") run("license", "resume", "example.cybozu.com", "sheet");
  }

  // What kintone's pages get of the real service, they get here.
  const license = `${address}/v1/products/sheet/domains/example.cybozu.com/license`;
  const kintone = await open("https://example.cybozu.com/k/12/");
  expect("kintone: its own licence", await ask(kintone, license), /^200 .*"VALID"/);
  expect("kintone: its own licence, with a serial", await ask(kintone, license, { headers: { "X-License-Serial": "SAMP-LEON-LYSA-MPLE-ONLY" } }), /^200 .*"VALID"/);
  expect("kintone: another tenant's licence", await ask(kintone, license.replace("example", "grace")), "unreadable");
  expect("kintone: a file of the CDN", await ask(kintone, `${address}/news/feed.xml`), /^200 /);
  await kintone.context().close();

  // The developer's own ways in.
  for (const host of [address, address.replace("127.0.0.1", "localhost")]) {
    const context = await browser.newContext();
    const own = await context.newPage();
    await own.goto(`${host}/`);
    await own.locator("#outcome .verdict .chip").filter({ hasText: "VALID" }).waitFor({ timeout: 15_000 });
    expect(`the demo at ${new URL(host).hostname}`, "works", "works");
    await own.goto(`${host}/dev/outbox`);
    expect(`the outbox at ${new URL(host).hostname}`, hasMails(await own.title()), "YES");
    await context.close();
  }
  const from = await open(`http://page.attacker.example/`);
  const [popup] = await Promise.all([from.context().waitForEvent("page"), from.evaluate((url) => { window.open(url); }, `${address}/`)]);
  await popup.waitForLoadState();
  expect("a link from elsewhere opens the demo", is(/demo|tegata/i)(await popup.title()), "YES");
  await from.context().close();

  // Without a browser: each header for itself.
  const direct = (headers, path = "/demo/state", at = port, init = {}) => new Promise((done, failed) => {
    const sent = request({ host: "127.0.0.1", port: at, path, method: init.method ?? "GET", headers: { ...init.headers, ...headers }, setHost: false }, (response) => {
      response.resume();
      response.on("end", () => done(String(response.statusCode)));
    });
    sent.on("error", failed);
    sent.end(init.body);
  });
  const own = `127.0.0.1:${port}`;
  for (const [name, headers, wanted] of [
    ["its address", { Host: own }, "200"],
    ["localhost", { Host: `LocalHost:${port}` }, "200"],
    ["another name", { Host: `evil.example:${port}` }, "421"],
    ["a name that begins with its own", { Host: `localhost:${port}.evil.example` }, "421"],
    ["no port", { Host: "127.0.0.1" }, "421"],
    ["another port", { Host: `127.0.0.1:${other}` }, "421"],
    ["its own origin", { Host: own, Origin: `http://${own}` }, "200"],
    ["another origin", { Host: own, Origin: "https://evil.example" }, "403"],
    ["the origin of a sandboxed frame", { Host: own, Origin: "null" }, "403"],
    ["its own origin over TLS", { Host: own, Origin: `https://${own}` }, "403"],
    ["no origin, and another site", { Host: own, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors" }, "403"],
    ["no origin, and another port of this host", { Host: own, "Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors" }, "403"],
  ]) expect(`the port, ${name}`, await direct(headers), wanted);

  const host = `127.0.0.1:${databasePort}`;
  const scan = (key) => operation("Scan", { TableName: "Customers" }, key);
  for (const [name, headers, key, wanted] of [
    ["its access key", { Host: host }, accessKey, "200"],
    ["a made-up access key", { Host: host }, "local", "400"],
    ["the beginning of its access key", { Host: host }, accessKey?.slice(0, -1), "400"],
    ["its access key, by another name", { Host: `evil.example:${databasePort}` }, accessKey, "421"],
    ["its access key, from a page", { Host: host, Origin: `http://${host}` }, accessKey, "403"],
  ]) expect(`the database, ${name}`, await direct(headers, "/", databasePort, scan(key)), wanted);
  expect("the database, no credentials", await direct({ Host: host, Authorization: "" }, "/", databasePort, scan("x")), "400");

  const mode = (file) => (statSync(join(place, file)).mode & 0o777).toString(8);
  expect("the place's mode", mode("."), "700");
  for (const file of ["dynamodb.sqlite", "endpoint"]) expect(`the mode of ${file}`, mode(file), "600");
} finally {
  server.close();
  server.closeAllConnections();
  await end();
}
for (const row of rows) console.log(row);
console.log(`\n${rows.length} cases`);
