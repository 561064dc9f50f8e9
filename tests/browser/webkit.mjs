// Debian's WebKitGTK, by WebKitWebDriver: what the checks use of Playwright's browser, context, page and
// locator, which Playwright itself has for its own build of WebKit only.
//
// WebDriver has no interception of requests and no script before the page's own. A proxy does both: it answers as
// the routes of a context say, and puts the scripts into the HTML. A context is a process of the browser, whose
// storage is in memory.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { forward, startProxy } from "./proxy.mjs";

// Where a page calls functions of the check.
const HOST = "/.host/";
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function freePort() {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address();
  server.close();
  return port;
}

// `port` is a server on this machine that answers what no route answers, whatever the name.
export async function launch({ port, executable }) {
  const display = spawn("Xvfb", ["-displayfd", "1", "-screen", "0", "1400x1000x24", "-nolisten", "tcp"], { stdio: ["ignore", "pipe", "ignore"] });
  const [number] = await once(display.stdout, "data");
  // Without a display its browsers end too.
  process.once("exit", () => display.kill());
  const contexts = new Set();
  return {
    async newContext(options = {}) {
      const context = await Context.start({ ...options, display: `:${String(number).trim()}`, port, executable });
      contexts.add(context);
      return context;
    },
    async close() {
      await Promise.all([...contexts].map((context) => context.close()));
      display.kill();
    },
  };
}

class Context {
  routes = [];
  scripts = [];
  functions = new Map();
  turn = Promise.resolve();

  static async start({ display, port, executable, colorScheme = "light", viewport }) {
    const context = Object.assign(new Context(), { port, viewport });
    context.proxy = await startProxy((...given) => context.answer(...given));
    const driverPort = await freePort();
    const { WAYLAND_DISPLAY: _, ...environment } = process.env;
    context.driver = spawn("WebKitWebDriver", [`--port=${driverPort}`], { stdio: "ignore", env: {
      ...environment, DISPLAY: display, GDK_BACKEND: "x11", GTK_THEME: `Adwaita${colorScheme === "dark" ? ":dark" : ""}`,
    } });
    context.base = `http://127.0.0.1:${driverPort}/session`;
    const capabilities = { alwaysMatch: {
      acceptInsecureCerts: true,
      "webkitgtk:browserOptions": { binary: executable, args: ["--automation", `--proxy=${context.proxy.address}`] },
    } };
    for (let attempt = 0; ; attempt++) {
      try {
        const { sessionId } = await context.command("POST", "", { capabilities });
        context.base += `/${sessionId}`;
        context.first = await context.command("GET", "/window");
        return context;
      } catch (error) {
        if (attempt === 50 || error.name === "WebDriverError") throw error;
        await sleep(100);
      }
    }
  }

  async command(method, path, body) {
    const response = await fetch(this.base + path, { method, ...(body && { body: JSON.stringify(body) }) });
    const { value } = await response.json();
    if (!response.ok) throw Object.assign(new Error(`${method} ${path}: ${value.error}: ${value.message}`), { name: "WebDriverError" });
    return value;
  }

  // A window is made the current one for what is done in it.
  inTurn(work) {
    const done = this.turn.then(work);
    this.turn = done.catch(() => {});
    return done;
  }

  async addInitScript(script, argument) {
    this.scripts.push(typeof script === "string" ? script : `(${script})(${JSON.stringify(argument)})`);
  }

  async exposeFunction(name, work) {
    this.functions.set(name, work);
    await this.addInitScript(`{
      const { fetch } = window;
      window[${JSON.stringify(name)}] = (...given) => fetch("${HOST}${name}", { method: "POST", body: JSON.stringify(given) }).then((of) => of.json()).then(({ value, error }) => {
        if (error) throw new Error(error);
        return value;
      });
    }`);
  }

  // The last one that matches answers. Of a pattern, `**` is anything and `*` anything but a slash.
  async route(pattern, handler) {
    const source = pattern.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replace(/\*\*|\*/g, (of) => (of === "**" ? ".*" : "[^/]*"));
    this.routes.unshift([new RegExp(`^${source}$`), handler]);
  }

  async answer(url, request, response) {
    const { pathname, port } = new URL(url);
    if (pathname === HOST) {
      response.setHeader("Content-Type", "text/html");
      return response.end("<!DOCTYPE html>");
    }
    if (pathname.startsWith(HOST)) {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const outcome = await Promise.resolve(this.functions.get(pathname.slice(HOST.length))(...JSON.parse(Buffer.concat(chunks))))
        .then((value) => ({ value }), (error) => ({ error: error.message }));
      return response.end(JSON.stringify(outcome));
    }
    const handler = this.routes.find(([pattern]) => pattern.test(url))?.[1];
    if (handler) return handler(new Route(this, url, request, response));
    return forward(this.port ?? port, url, request, response, this.script());
  }

  // What goes before a document, and is not in it afterwards.
  script() {
    return this.scripts.length ? `<!DOCTYPE html><script>${this.scripts.join(";\n").replaceAll("</script", "<\\/script")};\ndocument.currentScript.remove();</script>` : "";
  }

  // A cache in memory is gone with the last page that opened it. The first window stays at the origin and opens all.
  hold(origin) {
    return this.inTurn(async () => {
      await this.command("POST", "/window", { handle: this.first });
      if (origin && origin !== this.held) await this.command("POST", "/url", { url: origin + HOST });
      this.held = origin ?? this.held;
      const script = "const done = arguments[0]; (async () => { window.held = await Promise.all((await caches.keys()).map((name) => caches.open(name))); })().then(() => done(null), () => done(null));";
      if (this.held) await this.command("POST", "/execute/async", { script, args: [] });
    });
  }

  async newPage() {
    const { handle } = await this.inTurn(async () => {
      // A closed window cannot open another.
      await this.command("POST", "/window", { handle: this.first });
      return this.command("POST", "/window/new", { type: "window" });
    });
    const page = new Page(this, handle);
    if (this.viewport) {
      await page.run(() => this.command("POST", "/window/rect", this.viewport));
      const [width, height] = await page.evaluate(() => [innerWidth, innerHeight]);
      await page.run(() => this.command("POST", "/window/rect", { width: 2 * this.viewport.width - width, height: 2 * this.viewport.height - height }));
    }
    return page;
  }

  async close() {
    if (!this.driver) return;
    await this.command("DELETE", "").catch(() => {});
    this.driver.kill();
    this.driver = undefined;
    this.proxy.close();
  }
}

class Route {
  constructor(context, url, request, response) {
    Object.assign(this, { context, url, incoming: request, response });
  }

  request() {
    const { method, headers } = this.incoming;
    return { url: () => this.url, method: () => method, headers: () => headers, allHeaders: async () => headers, frame: () => ({ url: () => headers.referer }) };
  }

  async fulfill({ status = 200, headers = {}, contentType, body = "" }) {
    const all = new Headers(headers);
    for (const name of ["content-length", "content-encoding", "transfer-encoding", "connection"]) all.delete(name);
    if (contentType) all.set("content-type", contentType);
    const script = all.get("content-type")?.startsWith("text/html") ? this.context.script() : "";
    this.response.writeHead(status, Object.fromEntries(all));
    this.response.end(Buffer.concat([script, body].map((part) => Buffer.from(part))));
  }

  async abort() {
    this.response.destroy();
  }
}

let calls = 0;

class Page {
  constructor(context, handle) {
    Object.assign(this, { session: context, handle });
  }

  context = () => this.session;
  addInitScript = (...given) => this.session.addInitScript(...given);
  exposeFunction = (...given) => this.session.exposeFunction(...given);
  route = (...given) => this.session.route(...given);
  waitForTimeout = sleep;
  isClosed = () => this.handle === undefined;

  // A dialog makes the next command fail.
  on(event, handler) {
    if (event !== "pageerror") return;
    this.session.functions.set("pageerror", (message) => { this.failed = message; });
    this.session.addInitScript(`{ const { fetch } = window; addEventListener("error", ({ message }) => fetch("${HOST}pageerror", { method: "POST", body: JSON.stringify([message]) })); }`);
    this.report = handler;
  }

  run(work) {
    return this.session.inTurn(async () => {
      await this.session.command("POST", "/window", { handle: this.handle });
      return work();
    });
  }

  async goto(url) {
    await this.session.hold(new URL(url).origin);
    await this.run(() => this.session.command("POST", "/url", { url }));
  }

  execute = (script, ...args) => this.run(() => this.session.command("POST", "/execute/sync", { script, args }));

  // Other windows run meanwhile: a promise is not waited for in the browser's turn.
  async evaluate(work, argument) {
    if (typeof work === "string" && argument === undefined) return this.execute(work);
    const id = calls++;
    let outcome = await this.execute(`
      const [id, ...given] = arguments;
      const outcomes = window.outcomes ??= {};
      const keep = (outcome) => { outcomes[id] = outcome; };
      (async () => (${work})(...given))().then((value) => keep({ value }), (error) => keep({ error: String(error) + "\\n" + error?.stack }));
      return null;`, id, ...(argument === undefined ? [] : [argument]));
    for (let wait = 1; !outcome; wait = Math.min(20, wait * 2)) {
      outcome = await this.execute("const of = window.outcomes[arguments[0]]; if (of) delete window.outcomes[arguments[0]]; return of ?? null;", id);
      if (!outcome) await sleep(wait);
    }
    if (this.failed) this.report(this.failed);
    if (outcome.error) throw new Error(outcome.error);
    return outcome.value ?? undefined;
  }

  async waitForFunction(work) {
    for (let attempt = 0; attempt < 600; attempt++) {
      if (await this.evaluate(work)) return;
      await sleep(50);
    }
    throw new Error(`not within 30 s: ${work}`);
  }

  async screenshot({ path }) {
    writeFileSync(path, Buffer.from(await this.run(() => this.session.command("GET", "/screenshot")), "base64"));
  }

  async close() {
    await this.session.hold();
    await this.run(() => this.session.command("DELETE", "/window"));
    this.handle = undefined;
  }

  locator(css) {
    return new Locator(this, [css]);
  }
}

class Locator {
  constructor(page, parts, text = "") {
    Object.assign(this, { parent: page, css: parts.join(" "), text });
  }

  page = () => this.parent;
  first = () => this;
  locator = (css) => new Locator(this.parent, [this.css, css]);
  filter = ({ hasText }) => new Locator(this.parent, [this.css], hasText.source);

  // Of all elements that match.
  all(work, argument) {
    return this.parent.evaluate(`([css, text, argument]) => {
      const elements = [...document.querySelectorAll(css)].filter((of) => new RegExp(text).test(of.textContent));
      return (${work})(elements, argument);
    }`, [this.css, this.text, argument]);
  }

  // Of the first, once it is visible.
  async one(work, argument) {
    await this.waitFor();
    return this.all(`([of], argument) => (${work})(of, argument)`, argument);
  }

  count = () => this.all((elements) => elements.length);
  allTextContents = () => this.all((elements) => elements.map((of) => of.textContent));
  isVisible = () => this.all(([of]) => Boolean(of?.checkVisibility({ visibilityProperty: true })));
  textContent = () => this.one((of) => of.textContent);
  inputValue = () => this.one((of) => of.value);
  getAttribute = (name) => this.one((of, name) => of.getAttribute(name), name);

  async waitFor() {
    for (let attempt = 0; attempt < 600; attempt++) {
      // While a page is left, what was asked of it is lost.
      if (await this.isVisible().catch(() => false)) return;
      await sleep(50);
    }
    throw new Error(`not visible within 30 s: ${this.css} ${this.text}`);
  }

  async element() {
    await this.waitFor();
    return Object.values(await this.parent.run(() => this.parent.session.command("POST", "/element", { using: "css selector", value: this.css })))[0];
  }

  async click() {
    const element = await this.element();
    await this.parent.run(() => this.parent.session.command("POST", `/element/${element}/click`, {}));
  }

  async press(keys) {
    const element = await this.element();
    const text = keys.replace("Control+", "\uE009").toLowerCase();
    await this.parent.run(() => this.parent.session.command("POST", `/element/${element}/value`, { text }));
  }

  fill(text) {
    return this.one((of, text) => {
      of.focus();
      of.value = text;
      for (const name of ["input", "change"]) of.dispatchEvent(new Event(name, { bubbles: true }));
    }, text);
  }
}
