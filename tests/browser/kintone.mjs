// Screens of kintone that a plug-in's package runs on, at https://TENANT.cybozu.com: what Cybozu
// documents of the JavaScript API (cybozu.dev/ja/kintone/docs/js-api), on the screens on which it is
// documented, and nothing else. The package is the zip as kintone takes it. The pages are dark where the
// browser prefers that, which kintone's are not: what a plug-in shows has to be legible on both.

import assert from "node:assert/strict";
import { createHash, createPublicKey, verify } from "node:crypto";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

// Unpacks a plug-in's zip into a directory: the id that kintone gives it, its manifest, its files.
export function install(zip, directory) {
  const unzip = (from, to) => execFileSync("python3", ["-m", "zipfile", "-e", from, to]);
  unzip(zip, directory);
  const read = (name) => readFileSync(join(directory, name));
  const publicKey = read("PUBKEY");
  const key = createPublicKey({ key: publicKey, format: "der", type: "spki" });
  assert(verify("RSA-SHA1", read("contents.zip"), key, read("SIGNATURE")), "the package is signed with its key");
  const hash = createHash("sha256").update(publicKey).digest("hex").slice(0, 32);
  const id = hash.replace(/./g, (digit) => String.fromCharCode(97 + parseInt(digit, 16)));
  const contents = join(directory, "contents");
  unzip(join(directory, "contents.zip"), contents);
  const file = (name) => readFileSync(join(contents, name), "utf8");
  return { id, manifest: JSON.parse(file("manifest.json")), file };
}


const RECORDS = [["A 社", "120000"], ["B 社", "80500"], ["C 社", "4200"]];

// The HTML of a screen: "desktop", "mobile" or "config".
function html(plugin, screen, language) {
  const { css = [], js, html: body } = plugin.manifest[screen];
  const ja = language === "ja";
  const rows = RECORDS.map(([name, amount]) => `<tr><td>${name}</td><td>${Number(amount).toLocaleString()}</td></tr>`).join("");
  const list = `<div id="space"></div><table><thead><tr><th scope="col">${ja ? "顧客" : "Customer"}</th><th scope="col">${ja ? "金額" : "Amount"}</th></tr></thead><tbody>${rows}</tbody></table>`;
  return `<!DOCTYPE html><html lang="${language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${ja ? "案件管理" : "Deals"} - kintone</title>
<style>:root { color-scheme: light dark; } body { margin: 0; font: 14px/1.6 "Noto Sans CJK JP", sans-serif; color: light-dark(#333, #e4e6e8); background: light-dark(#fff, #16181b); } header { padding: 12px 16px; background: light-dark(#eef0f3, #25292e); } h1 { margin: 0; font-size: 18px; }
table { width: calc(100% - 32px); margin: 0 16px; border-collapse: collapse; } th, td { padding: 6px 8px; border: 1px solid #d4d7d7; text-align: left; }</style>
${css.map((name) => `<style>${plugin.file(name)}</style>`).join("\n")}</head>
<body><header><h1>${ja ? "案件管理" : "Deals"}</h1></header><main>${screen === "config" ? plugin.file(body) : list}</main>
${js.map((name) => `<script>kintone.$PLUGIN_ID = "${plugin.id}";</script><script>${plugin.file(name).replaceAll("</script", "<\\/script")}</script><script>delete kintone.$PLUGIN_ID;</script>`).join("\n")}
<script>document.body.dataset.shown = "";</script></body></html>`;
}

// In the page, before anything else.
function api({ id, screen, language, editApp, config, proxyConfig, records }) {
  const handlers = [];
  const show = screen === "mobile" ? "mobile.app.record.index.show" : "app.record.index.show";
  const isList = screen !== "config";
  const send = async (kind, url, method, headers, data) => {
    if (![url, method].every((text) => typeof text === "string") || ![headers, data].every((of) => typeof of === "object")) {
      throw new Error("kintone: invalid argument");
    }
    new Headers(headers);
    const { body, status, headers: answered, error } = await window.hostSend(kind, url, method, headers);
    if (error) throw error;
    return [body, status, answered];
  };
  const element = () => document.querySelector("#space");
  const isOwn = (pluginId) => pluginId === id;
  window.kintone = {
    events: {
      on(names, handler) {
        for (const name of [names].flat()) if (name === show) handlers.push(handler);
      },
    },
    getLoginUser: () => ({ id: "1", code: "user", name: "user", language, isGuest: false, timezone: "Asia/Tokyo" }),
    proxy: (...given) => send("proxy", ...given),
    plugin: {
      app: {
        getConfig: (pluginId) => (isOwn(pluginId) ? { ...config } : null),
        ...(isList && { proxy: (pluginId, ...given) => (isOwn(pluginId) ? send("plugin-proxy", ...given) : Promise.reject("{}")) }),
        ...(!isList && {
          setConfig(values, done) {
            for (const [key, value] of Object.entries(values)) {
              if (typeof value !== "string" || !/^[\x20-\x7e]+$/.test(key)) throw new Error("kintone: invalid config");
            }
            window.hostSave("config", values).then(() => (done ? done() : (location.href = "/k/admin/app/12/plugin/")));
          },
          setProxyConfig(url, method, headers, data, done) {
            if (!["GET", "POST", "PUT", "DELETE"].includes(method)) throw new Error("kintone: invalid method");
            new Headers(headers);
            window.hostSave("proxy", { url, method, headers, data }).then(() => (done ? done() : (location.href = "/k/admin/app/12/plugin/")));
          },
          getProxyConfig: (url, method) => proxyConfig.find((of) => of.url === url && of.method === method) ?? null,
        }),
      },
    },
    app: {
      getId: () => 12,
      ...(isList && { getPermissions: async () => ({ addRecord: true, editApp }) }),
      ...(screen === "desktop" && { getHeaderSpaceElement: element }),
    },
    ...(screen === "mobile" && { mobile: { app: { getId: () => 12, getHeaderSpaceElement: element } } }),
  };
  window.addEventListener("DOMContentLoaded", () => {
    for (const handler of handlers) {
      handler({ type: show, appId: 12, viewId: 1, records: structuredClone(records) });
    }
  });
}

// A tenant with the plug-in in one of its apps. `answer(url, method, headers)` is what Cybozu's servers
// get for a request, `direct(route)` what the page's own requests get.
export class Tenant {
  config = {};
  proxyConfig = [];
  sent = [];

  constructor(browser, plugin, domain, { answer, direct, clock = () => Date.now() }) {
    Object.assign(this, { browser, plugin, domain, answer, direct, clock });
  }

  // Opens a screen in a browser of its own, or in one that was opened before.
  async open(screen, { language = "ja", width = 1280, editApp = false, path, context, colorScheme = "light" } = {}) {
    context ??= await this.browser.newContext({ locale: "de-DE", viewport: { width, height: 800 }, colorScheme });
    const page = await context.newPage();
    page.on("dialog", () => assert.fail("the plug-in showed a dialog"));
    page.on("pageerror", (error) => {
      // Firefox reports a request that failed as an error, too: no script's.
      if (!`${error.stack}`.startsWith("Cross-Origin Request Blocked")) assert.fail(`the page broke: ${error.stack}`);
    });
    const records = RECORDS.map(([name, amount]) => ({ name: { type: "SINGLE_LINE_TEXT", value: name }, amount: { type: "NUMBER", value: amount } }));
    const { config, proxyConfig, plugin: { id } } = this;
    await page.addInitScript(`(${api})(${JSON.stringify({ id, screen, language, editApp, config, proxyConfig, records })})`);
    await page.exposeFunction("hostSend", (...given) => this.send(...given));
    await page.exposeFunction("hostSave", (...given) => this.save(...given));
    await page.route("**", (route) => this.serve(route, screen, language));
    await page.goto(`https://${this.domain}${path ?? { desktop: "/k/12/", mobile: "/k/m/12/", config: "/k/admin/app/12/plugin/config?pluginId=" + id }[screen]}`);
    return page;
  }

  serve(route, screen, language) {
    const request = route.request();
    const { hostname, pathname } = new URL(request.url());
    if (hostname !== this.domain) return this.direct(route);
    if (pathname === "/k/" && request.method() === "HEAD") {
      return route.fulfill({ status: 200, headers: { Date: new Date(this.clock()).toUTCString() } });
    }
    if (pathname === "/k/admin/app/12/plugin/") {
      return route.fulfill({ contentType: "text/html; charset=utf-8", body: `<!DOCTYPE html><title>kintone</title><p id="saved">${language}` });
    }
    return route.fulfill({ contentType: "text/html; charset=utf-8", body: html(this.plugin, screen, language) });
  }

  // The saved headers win; of several addresses that the request's begins with, the longest.
  async send(kind, url, method, headers) {
    const saved = this.proxyConfig.filter((of) => kind === "plugin-proxy" && of.method === method && url.startsWith(of.url))
      .sort((a, b) => b.url.length - a.url.length)[0];
    const all = { ...headers, ...saved?.headers };
    this.sent.push({ kind, url, headers: all });
    try {
      return await this.answer(url, method, all);
    } catch {
      return { error: "{}" };
    }
  }

  save(what, values) {
    if (what === "config") {
      this.config = values;
      return;
    }
    this.proxyConfig = this.proxyConfig.filter(({ url, method }) => url !== values.url || method !== values.method);
    // Empty headers and data delete the entry.
    if (Object.keys({ ...values.headers, ...values.data }).length) this.proxyConfig.push(values);
  }
}
