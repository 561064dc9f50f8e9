// The usage report in a browser: charts are there, nothing is wrong, nothing is fetched.
//
// usage: node usage-report.mjs TEGATA [DIRECTORY]     screenshots go into the directory
//
// Starts `tegata dev --sample-traffic` on a place of its own, asks for a licence, and opens the
// page that `usage report --html` writes, in both languages, light on a desktop, dark on a phone, and
// in print.

import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { accessible } from "./axe.mjs";
import { run, start, until, work } from "./dev.mjs";

const shots = process.argv[3] && resolve(process.argv[3]);

const CHARTS = ["requests", "domains", "latency", "versions", "codes"];
const VIEWS = [
  { name: "desktop", width: 1200, height: 900, colorScheme: "light" },
  { name: "phone-dark", width: 390, height: 844, colorScheme: "dark" },
];
let checks = 0;

const { address, browser, end } = await start({ args: ["--sample-traffic"] });
try {
  // What was just asked is in the report.
  const path = "/v1/products/sheet/domains/example.cybozu.com/license?version=9.8.7";
  assert.equal((await fetch(address + path)).status, 200);
  const report = () => JSON.parse(run("usage", "report", "--product", "sheet", "--output", "json"));
  await until("the request is in the usage", () =>
    report().versions.some(({ version }) => version === "9.8.7"),
  );
  const { totals, days } = report();
  assert.equal(days.length, 7);
  assert.ok(totals.requests > 1000, `${totals.requests} requests`);
  assert.ok(days.every(({ is_counted }) => is_counted));

  for (const language of ["ja", "en"]) {
    const file = join(work, `report-${language}.html`);
    run("usage", "report", "--product", "sheet", "--html", file, "--language", language);
    for (const { name, width, height, colorScheme } of VIEWS) {
      const context = await browser.newContext({ viewport: { width, height }, colorScheme });
      const page = await context.newPage();
      const complaints = [];
      const requests = [];
      page.on("console", (message) => complaints.push(message.text()));
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("request", (request) => requests.push(request.url()));
      const url = pathToFileURL(file).href;
      await page.goto(url);
      assert.deepEqual(complaints, [], `${language} ${name}: the console`);
      assert.deepEqual(requests, [url], `${language} ${name}: requests`);
      assert.equal(await page.getAttribute("html", "lang"), language);
      for (const chart of CHARTS) {
        const figure = page.locator(`#chart-${chart}`);
        const box = await figure.boundingBox();
        assert.ok(box && box.height > 60 && box.width > 200, `${language} ${name}: ${chart}`);
        const marks = await figure.locator("svg rect, svg line, svg circle, svg path").count();
        assert.ok(marks > 2, `${language} ${name}: ${chart} has ${marks} marks`);
        assert.ok((await figure.locator("figcaption").innerText()).length > 3);
      }
      // A bar for each day, one of them for what was asked just now.
      assert.match(await page.innerText("#chart-versions"), /9\.8\.7/);
      assert.match(await page.innerText("#table-without-license"), /copied-app\.cybozu\.com/);
      assert.equal(await page.locator("script").count(), 0);
      const overflow = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth",
      );
      assert.equal(overflow, 0, `${language} ${name}: wider than its window`);
      await accessible(page, `usage report, ${language} ${name}`);
      checks += 1;
      if (shots) await page.screenshot({ path: join(shots, `usage-${language}-${name}.png`), fullPage: true });
      if (name === "desktop") {
        const pdf = await page.pdf({ format: "A4", printBackground: true });
        assert.ok(pdf.length > 10_000);
        checks += 1;
      }
      await context.close();
    }
  }
} finally {
  await end();
}
console.log(`${checks} passed, 0 failed`);
