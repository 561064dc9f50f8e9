// The page around kintone's window: switches, and what came of them.

import { WORDS } from "/demo/words.js";

const DAY = 86_400_000;
const $ = (selector) => document.querySelector(selector);
const form = $("#switches");

let words = WORDS.ja;
let state;
let chosen; // a tenant of `state.tenants`
let seen = new Set(); // ids of lines that were shown before
let last; // the newest outcome

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

function chip(code) {
  return element("span", { className: `chip ${code}` }, code);
}

// Instants as the page's reader reads them, in Japan's time as the samples have it.
function instant(of) {
  return new Date(of).toLocaleString(document.documentElement.lang === "ja" ? "ja-JP" : "en-GB", {
    timeZone: "Asia/Tokyo", dateStyle: "medium", timeStyle: "short",
  });
}

function speak(language) {
  words = WORDS[language];
  document.documentElement.lang = language;
  localStorage.setItem("demo/language", language);
  for (const of of document.querySelectorAll("[data-word]")) of.textContent = words[of.dataset.word];
  for (const of of document.querySelectorAll("[data-language]")) {
    of.setAttribute("aria-pressed", String(of.dataset.language === language));
  }
}

const keyOf = ({ domain, product, serial }) => `${product} ${domain} ${serial ? "serial" : ""}`;

// The list is made once for a language: whoever walks it with the keyboard keeps the focus.
function listTenants() {
  const names = Object.fromEntries(state.products.map((of) => [of.product, of[document.documentElement.lang]]));
  $("#tenants").replaceChildren(...state.tenants.map((tenant) => {
    const input = element("input", { type: "radio", name: "tenant", value: keyOf(tenant) });
    const of = names[tenant.product] ?? tenant.product;
    const product = element("small", {}, tenant.serial ? words.with_serial(of) : of);
    const [subdomain, ...base] = tenant.domain.split(".");
    const domain = [subdomain, element("wbr"), element("span", { className: "base" }, `.${base.join(".")}`)];
    const name = element("span", { className: "name" }, ...domain, element("br"), product);
    return element("label", {}, input, name, chip(tenant.code));
  }));
  showTenants();
}

function showTenants() {
  for (const tenant of state.tenants) {
    const input = form.querySelector(`input[value="${keyOf(tenant)}"]`);
    input.checked = keyOf(tenant) === keyOf(chosen);
    input.parentElement.querySelector(".chip").replaceWith(chip(tenant.code));
  }
  const button = $("#suspend");
  button.textContent = chosen.code === "SUSPENDED" ? words.resume : words.suspend;
  button.disabled = chosen.code === "NOT_FOUND";
  $("#problem").textContent = "";
}

async function load() {
  const response = await fetch("/demo/state");
  if (!response.ok) throw new Error(await response.text());
  state = await response.json();
  const key = chosen ? keyOf(chosen) : sessionStorage.getItem("demo/tenant");
  chosen = state.tenants.find((tenant) => keyOf(tenant) === key) ?? state.tenants[0];
  $("#tenants").children.length === state.tenants.length ? showTenants() : listTenants();
  showLines();
  showUsage();
}

let turn = 0;

// Opens kintone's window anew, with the world as the switches say, after something was done to what
// the browser keeps. The old window is closed first: it would write what it knows back.
async function open(prepare = () => {}) {
  const mine = ++turn;
  const closed = new Promise((done) => $("#kintone").addEventListener("load", done, { once: true }));
  $("#kintone").src = "about:blank";
  await closed;
  await prepare();
  if (mine !== turn) return;
  const kintoneDays = Number(form.elements.kintone.value);
  $("#kintone-clock").textContent = words.days(kintoneDays);
  $("#address").textContent = `https://${chosen.domain}/k/12/`;
  $("#outcome").replaceChildren(element("p", { className: "none" }, words.waiting));
  sessionStorage.setItem("demo/tenant", keyOf(chosen));
  const { domain, product, serial } = chosen;
  const issuer = state.products.find((of) => of.product === product)?.issuer;
  window.demo = {
    domain, product, serial: serial ?? undefined, issuer, keys: state.jwks.keys, kintoneDays,
    releaseKeys: state.release_jwks.keys, network: form.elements.network.value, cdn: form.elements.cdn.value, pcDays: Number(form.elements.pc.value),
    isBlocked: form.elements.blocked.checked, language: document.documentElement.lang,
    released(loaded) {
      // A window that is no longer there has nothing to say.
      if (mine !== turn) return;
      last = { loaded, kintoneDays };
      if (!loaded.ok) $("#outcome").replaceChildren(element("p", { className: "none" }, words.not_loaded(loaded.problem)));
    },
    updateWaits(version) {
      if (mine !== turn) return;
      last = { ...last, update: version };
      if (last.license) showOutcome();
    },
    report(license, took) {
      if (mine !== turn) return;
      last = { ...last, license, took: took ?? last?.took };
      showOutcome();
      showLease();
      follow();
    },
  };
  $("#kintone").src = `/demo/kintone.html?${Date.now()}`;
}

// The records and the usage that this caused come a little later.
async function follow() {
  for (const wait of [300, 1200, 2500]) {
    await new Promise((done) => setTimeout(done, wait));
    await load().catch(complain);
  }
}

function complain() {
  $("#outcome").replaceChildren(element("p", { className: "none" }, words.not_reached));
}

function facts(pairs) {
  const list = element("dl");
  for (const [name, value] of pairs) list.append(element("dt", {}, name), element("dd", {}, value));
  return list;
}

function showOutcome() {
  const { license, took, loaded, update } = last;
  const verdict = element("div", { className: "verdict" }, chip(license.code),
    element("b", {}, license.usable ? words.usable : words.not_usable),
    element("span", { className: "how" }, words[`source_${license.source}`]));
  const runs = [loaded.version, words[`from_${loaded.source}`], loaded.problem, update && words.update_waits(update)];
  const pairs = [
    [words.version, element("span", { id: "version" }, runs.filter(Boolean).join(" · "))],
    [words.reason, element("code", {}, license.reason)],
    [words.until, license.until ? instant(license.until) : "–"],
    [words.time, `${took.toFixed(took < 20 ? 1 : 0)} ms`],
    [words.user_sees, license.message.user || words.nothing],
    [words.admin_sees, license.message.admin || words.nothing],
  ];
  $("#outcome").replaceChildren(verdict, facts(pairs));
}

const decode = (part) => {
  const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
};

function showLease() {
  const kept = localStorage.getItem(`tegata/1/${chosen.product}/${chosen.domain}`) ?? "";
  const lease = kept.match(/eyJ[\w-]+\.[\w-]+\.[\w-]+/)?.[0];
  if (!lease) {
    $("#lease").replaceChildren(element("p", { className: "none" }, words.no_lease));
    return;
  }
  const [header, claims] = lease.split(".").slice(0, 2).map(decode);
  const now = Date.now() + last.kintoneDays * DAY;
  const pretty = (value) => element("pre", {}, JSON.stringify(value, null, 2));
  const hidden = (name, value) => element("details", {}, element("summary", {}, name), pretty(value));
  $("#lease").replaceChildren(
    timeline(claims, now),
    facts([["sub", claims.sub], ["aud", claims.aud], ["iat", instant(claims.iat * 1000)], ["exp", instant(claims.exp * 1000)],
      ["valid_until", instant(claims.valid_until)], ["grace_until", instant(claims.grace_until)]]),
    hidden(words.claims, claims), hidden(words.header, header), hidden(words.kept, JSON.parse(kept)));
}

function timeline(claims, now) {
  const at = (text) => new Date(text).getTime();
  const [from, valid, grace] = [claims.usable_from, claims.valid_until, claims.grace_until].map(at);
  const [iat, exp] = [claims.iat * 1000, claims.exp * 1000];
  // Around now: what happens within two months.
  const start = Math.min(now, Math.max(from, now - 20 * DAY), iat) - 2 * DAY;
  const end = Math.max(now, Math.min(grace, now + 45 * DAY), exp) + 3 * DAY;
  const share = (of) => (100 * (Math.min(Math.max(of, start), end) - start)) / (end - start);
  const span = (name, a, b) => {
    const made = element("div", { className: `span ${name}` });
    made.style.left = `${share(a)}%`;
    made.style.width = `${Math.max(0, share(b) - share(a))}%`;
    return made;
  };
  const suspended = claims.suspended_from ? [span("suspended", at(claims.suspended_from), end)] : [];
  const marker = element("div", { className: "now" }, element("span", {}, words.now));
  const left = share(now);
  if (left < 8) marker.classList.add("left");
  if (left > 92) marker.classList.add("right");
  marker.style.left = `${left}%`;
  const legend = element("div", { className: "legend" }, ...["valid", "grace", ...(suspended.length ? ["suspended"] : []), "offline"].map((name) =>
    element("span", {}, element("i", { className: name }), words[`span_${name}`])));
  return element("div", {}, element("div", { className: "line" },
    span("valid", from, valid), span("grace", valid, grace), ...suspended, span("offline", iat, exp), marker), legend);
}

function rows(heads, lines) {
  const head = element("tr", {}, ...heads.map(([name, className = ""]) => element("th", { className }, name)));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...lines));
}

function showLines() {
  if (!state.lines.length) {
    $("#lines").replaceChildren(element("p", { className: "none" }, words.no_lines));
    return;
  }
  const isFirst = !seen.size;
  const made = state.lines.map((line) => {
    const isNew = !isFirst && !seen.has(line.request_id);
    const cell = (value, className = "") => element("td", { className }, value ?? "–");
    return element("tr", { className: isNew ? "new" : "" },
      cell(new Date(line.time).toLocaleTimeString("ja-JP", { timeZone: "Asia/Tokyo" })), cell(line.domain), cell(line.product),
      cell(chip(line.code)), cell(line.status, "number"), cell(line.reason, "long"), cell(line.source), cell(line.database_ms?.toFixed(1), "number"));
  });
  seen = new Set(state.lines.map((line) => line.request_id));
  $("#lines").replaceChildren(rows([[words.col_time], [words.col_domain], [words.col_product], [words.col_code], [words.col_status, "number"],
    [words.col_reason], [words.col_network], [words.col_ms, "number"]], made));
}

function showUsage() {
  const used = state.usage.rows;
  if (!used.length) {
    $("#usage").replaceChildren(element("p", { className: "none" }, words.no_usage));
    return;
  }
  const made = used.map((row) => {
    const codes = Object.entries(row.codes).flatMap(([code, count]) => [chip(code), ` ${count}  `]);
    return element("tr", {}, element("td", {}, row.domain), element("td", {}, row.product),
      element("td", { className: "number" }, row.requests), element("td", { className: "long" }, ...codes));
  });
  $("#usage").replaceChildren(rows([[words.col_domain], [words.col_product], [words.col_requests, "number"], [words.col_codes]], made));
}

async function change() {
  const { domain, product } = chosen;
  const action = chosen.code === "SUSPENDED" ? "resume" : "suspend";
  const response = await fetch("/demo/license", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ domain, product, action }),
  });
  if (!response.ok) throw new Error(words.failed + (await response.text()));
  await load();
}

// The plug-in asks again after some hours; here somebody wants to see it now.
function hurry() {
  const key = `tegata/1/${chosen.product}/${chosen.domain}`;
  const kept = localStorage.getItem(key);
  if (kept) localStorage.setItem(key, JSON.stringify({ ...JSON.parse(kept), refresh: 0, failed: 0 }));
}

async function forget() {
  for (const key of Object.keys(localStorage)) if (key.startsWith("tegata/")) localStorage.removeItem(key);
  for (const name of await caches.keys()) if (name.startsWith("tegata/")) await caches.delete(name);
}

form.addEventListener("change", (event) => {
  if (event.target.name === "tenant") chosen = state.tenants.find((tenant) => keyOf(tenant) === event.target.value);
  showTenants();
  open();
});
form.elements.kintone.addEventListener("input", (event) => {
  $("#kintone-clock").textContent = words.days(Number(event.target.value));
});
form.addEventListener("submit", (event) => event.preventDefault());
$("#again").addEventListener("click", () => open());
$("#forget").addEventListener("click", () => open(forget));
$("#suspend").addEventListener("click", () => change().then(() => open(hurry), (error) => ($("#problem").textContent = error.message)));
for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => {
    speak(button.dataset.language);
    listTenants();
    showLines();
    showUsage();
    open();
  });
}

speak(localStorage.getItem("demo/language") ?? (navigator.language.startsWith("ja") ? "ja" : "en"));
load().then(() => open(), complain);
