// A browser without a window, by the variable BROWSER: Debian's Chromium if it is not set, `firefox` (by WebDriver
// BiDi), or `webkit`.

import { existsSync } from "node:fs";
import { chromium, firefox } from "playwright-core";
import { forward, startProxy } from "./proxy.mjs";
import * as webkit from "./webkit.mjs";

export const BROWSER = process.env.BROWSER ?? "chromium";
// Only Chromium takes names of this machine's for secure ones without TLS.
export const SCHEME = BROWSER === "chromium" ? "http" : "https";

function executable(variable, path, packages) {
  const found = process.env[variable] ?? path;
  if (existsSync(found)) return found;
  throw new Error(`${found} is missing: apt-get install ${packages}, or set ${variable} to the program`);
}

// Every name is the server's at `port`, if there is one; Chromium takes those in `secure` for secure ones. `args` are
// Chromium's, of which `isWhole` starts the whole browser; its headless shell is the same engine in a third of the time.
export async function launch({ args = [], isWhole = false, port, secure = [] } = {}) {
  switch (BROWSER) {
    case "chromium": {
      const name = isWhole ? "chromium" : "chromium-headless-shell";
      if (port) args = [`--host-resolver-rules=MAP * 127.0.0.1:${port}`, `--unsafely-treat-insecure-origin-as-secure=${secure.map((of) => `http://${of}`)}`, ...args];
      return chromium.launch({
        executablePath: executable("CHROMIUM", `/usr/bin/${name}`, name),
        args: ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run", ...args],
      });
    }
    case "firefox": {
      const browser = await firefox.launch({
        channel: "moz-firefox",
        executablePath: executable("FIREFOX", "/usr/bin/firefox-esr", "firefox-esr"),
      });
      if (!port) return browser;
      const proxy = await startProxy((...given) => forward(port, ...given));
      browser.on("disconnected", () => proxy.close());
      const newContext = browser.newContext.bind(browser);
      browser.newContext = (options) => newContext({ ...options, ignoreHTTPSErrors: true, proxy: { server: proxy.address } });
      return browser;
    }
    case "webkit":
      return webkit.launch({ port, executable: executable("WEBKIT", "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser", "webkit2gtk-driver xvfb") });
    default:
      throw new Error(`BROWSER is "${BROWSER}": accepted are chromium, firefox and webkit`);
  }
}
