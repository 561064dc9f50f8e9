// Chromium without a window: CHROMIUM, or Debian's.

import { chromium } from "playwright-core";

// The headless shell, which is the same engine in a third of the time, or the whole browser.
export function launch(args = [], isWhole = false) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? `/usr/bin/${isWhole ? "chromium" : "chromium-headless-shell"}`,
    args: ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run", ...args],
  });
}
