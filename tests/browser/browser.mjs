// A browser without a window: Debian's Chromium, or CHROMIUM; with BROWSER=firefox Debian's Firefox, by WebDriver
// BiDi, or FIREFOX.

import { chromium, firefox } from "playwright-core";

// With more arguments of Chromium: its headless shell, which is the same engine in a third of the time, or the
// whole browser.
export function launch(args = [], isWhole = false) {
  if (process.env.BROWSER === "firefox") {
    return firefox.launch({ channel: "moz-firefox", executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr" });
  }
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? `/usr/bin/${isWhole ? "chromium" : "chromium-headless-shell"}`,
    args: ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run", ...args],
  });
}
