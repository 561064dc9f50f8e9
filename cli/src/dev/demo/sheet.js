// The sample plug-in, "Sheet", as `tegata dev` publishes it on the CDN: it turns a list of records into a
// sheet to edit. This is what a vendor writes: the records are always there, and the licence decides
// about the sheet only. A classic script, which the package's desktop.js loads.

(() => {

// Each sample version has its own. 1.9.0 adds the sum.
const VERSION = "{version}";

const WORDS = {
  ja: {
    columns: ["会社名", "確度", "金額"],
    records: [["山田商事", "A", 1280000], ["サンプル工業", "B", 450000], ["例示システムズ", "A", 2310000], ["青空物流", "C", 190000], ["港南食品", "B", 760000]],
    sum: "合計", sheet: "シート", tools: ["元に戻す", "貼り付け", "CSV"],
    checking: "ライセンスを確認しています…", fine: "ライセンスは有効です。",
  },
  en: {
    columns: ["Company", "Chance", "Amount"],
    records: [["Yamada Trading", "A", 1280000], ["Sample Industries", "B", 450000], ["Example Systems", "A", 2310000], ["Blue Sky Logistics", "C", 190000], ["Harbour Foods", "B", 760000]],
    sum: "Sum", sheet: "Sheet", tools: ["Undo", "Paste", "CSV"],
    checking: "Checking the licence…", fine: "The licence is valid.",
  },
};

async function start({ report, language, ...given }) {
  const words = WORDS[language];
  const { checkLicense } = await import(new URL("/demo/client.js", location.href).href);
  // The list first: nothing waits for a licence.
  show("#records", list(words));
  show("#banner", banner("wait", words.checking));
  const started = performance.now();
  const apply = (license, took) => {
    show("#records", ...(license.usable ? sheet(words) : [list(words)]));
    show("#notice", license.message.user ? element("p", { className: "quiet" }, license.message.user) : "");
    const kind = license.code === "VALID" ? "good" : license.usable ? "warn" : "bad";
    show("#banner", banner(kind, license.message.admin || words.fine));
    report(license, took);
  };
  const license = await checkLicense({ ...given, version: VERSION, language, onChange: (changed) => apply(changed) });
  apply(license, performance.now() - started);
}

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function show(where, ...what) {
  document.querySelector(where).replaceChildren(...what);
}

function banner(kind, text) {
  return element("p", { className: `banner ${kind}`, role: "status" }, text);
}

const amount = (value) => value.toLocaleString("ja-JP");

function table(words, className, cell) {
  const head = words.columns.map((name) => element("th", {}, name));
  const rows = words.records.map((record) => element("tr", {}, ...record.map(cell)));
  return element("table", { className },
    element("thead", {}, element("tr", {}, ...head)),
    element("tbody", {}, ...rows));
}

function list(words) {
  return table(words, "", (value) =>
    typeof value === "number"
      ? element("td", { className: "number" }, amount(value))
      : element("td", {}, value));
}

function sheet(words) {
  const made = table(words, "sheet", (value) =>
    element("td", {
      contentEditable: "plaintext-only",
      className: typeof value === "number" ? "number" : "",
      oninput: () => add(),
    }, typeof value === "number" ? amount(value) : value));
  const total = element("td", { className: "number" });
  if (VERSION !== "1.8.0") {
    made.append(element("tfoot", {}, element("tr", {}, element("td", {}, words.sum), element("td", {}), total)));
  }
  const add = () => {
    const cells = [...made.querySelectorAll("tbody td.number")];
    const sum = cells.reduce((sum, cell) => sum + (Number(cell.textContent.replaceAll(",", "")) || 0), 0);
    total.textContent = amount(sum);
  };
  add();
  const tools = words.tools.map((name) => element("span", {}, name));
  return [element("div", { className: "tools" }, element("b", {}, `${words.sheet} ${VERSION}`), ...tools), made];
}

window.SheetPlugin = { start };
})();
