// WCAG 2.2 AA, as far as axe-core can tell, of what a page shows now.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const AXE = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

let checked = 0;

// How many page views were checked.
export const views = () => checked;

// Fails with every rule that a page or frame violates, in light and in dark, and where. Ends in the scheme that it
// began in. A mail is part of a mail client's page, which has the landmarks.
export async function accessible(page, what, isMail = false) {
  // A frame is a document of its own.
  await page.evaluate(`${AXE};0`);
  const isDark = await page.evaluate(() => matchMedia("(prefers-color-scheme: dark)").matches);
  const schemes = isDark ? ["light", "dark"] : ["dark", "light"];
  const owner = page.page?.() ?? page;
  // WebDriver cannot change the scheme of a page.
  if (!owner.emulateMedia) schemes.shift();
  for (const colorScheme of schemes) {
    await owner.emulateMedia?.({ colorScheme });
    const { violations } = await page.evaluate(([tags, off]) => window.axe.run(document, {
      runOnly: tags, iframes: false, resultTypes: ["violations"], rules: Object.fromEntries(off.map((rule) => [rule, { enabled: false }])),
    }), [TAGS, isMail ? ["landmark-one-main", "region"] : []]);
    const found = violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary, html }) =>
      `${id}: ${target.join(" ")}\n    ${html.slice(0, 160)}\n    ${failureSummary.split("\n").slice(1).join(" ").trim()}`));
    checked++;
    assert.equal(found.length, 0, `${what}, ${colorScheme}: ${found.length} violations\n  ${found.join("\n  ")}`);
  }
}
