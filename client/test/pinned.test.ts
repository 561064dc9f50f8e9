// The pinned form against a CDN, a Cache Storage and a page that do what they do on bad days.

import { createHash } from "node:crypto";
import { beforeEach, describe, expect, test, vi } from "vitest";
import type { Loaded, PinnedFile } from "../src/pinned.js";

const CDN = "https://cdn.vendor.example";
const INTEGRITY = "x-integrity";

const script = (version: string): string => `ran ${version}`;
const hash = (content: string): string =>
  `sha384-${createHash("sha384").update(content).digest("base64")}`;

function pinned(version: string, changes: Partial<PinnedFile> = {}): PinnedFile {
  const integrity = hash(script(version));
  return { base: CDN, product: "sheet", version, file: "plugin.min.js", integrity, ...changes };
}

const url = (version: string): string => `${CDN}/sheet/${version}/plugin.min.js`;

/** Answers in turn, the last for good: a content, a status, no answer, or none for ever. */
type Answer = string | number | "down" | "hangs";

let asked: { url: string; init: RequestInit }[];
let ran: string[];
let sources: string[];
let storage: Map<string, Map<string, Response>>;
let full: boolean;
let page: "allows" | "blocks" | "throws";
let written: number;
let busy: number;

function cdn(...answers: Answer[]): void {
  asked = [];
  vi.stubGlobal("fetch", async (at: string, init: RequestInit) => {
    asked.push({ url: at, init });
    init.signal?.throwIfAborted();
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer === "hangs") {
      return new Promise((_, failed) =>
        init.signal?.addEventListener("abort", () => failed(init.signal?.reason)),
      );
    }
    if (answer === "down") {
      throw new TypeError("Failed to fetch");
    }
    return typeof answer === "number"
      ? new Response("", { status: answer })
      : new Response(answer ?? script(/\/(\d[\d.]+)\//.exec(at)?.[1] ?? ""));
  });
}

/** Cache Storage. What is put again stays at its place in the order, as in some browsers. */
const caches = {
  open: async (name: string) => {
    busy += 1;
    const kept = storage.get(name) ?? new Map<string, Response>();
    storage.set(name, kept);
    return {
      keys: async () => [...kept.keys()].map((url) => ({ url })),
      match: async (at: string) => {
        busy += 1;
        return kept.get(at)?.clone();
      },
      delete: async (at: string) => kept.delete(at),
      put: async (at: string, response: Response) => {
        busy += 1;
        if (full) {
          throw new DOMException("full", "QuotaExceededError");
        }
        written += 1;
        kept.set(new URL(at).href, response);
      },
    };
  },
};

const blobs = new Map<string, Blob>();

interface Script {
  src: string;
  onload(): void;
  onerror(): void;
}

beforeEach(() => {
  delete (globalThis as Record<symbol, unknown>)[Symbol.for("tegata.loads")];
  vi.useFakeTimers({ toFake: ["Date"], now: 1_000 });
  [ran, sources, storage, full, page] = [[], [], new Map(), false, "allows"];
  [written, busy] = [0, 0];
  cdn();
  vi.stubGlobal("caches", caches);
  vi.spyOn(URL, "createObjectURL").mockImplementation((blob) => {
    const address = `blob:${blobs.size}`;
    blobs.set(address, blob as Blob);
    return address;
  });
  vi.spyOn(URL, "revokeObjectURL").mockImplementation((address) => void blobs.delete(address));
  vi.stubGlobal("document", {
    createElement: () => ({}) as Script,
    head: {
      append: (element: Script) => {
        if (page === "throws") {
          throw new TypeError("This document requires 'TrustedScriptURL' assignment.");
        }
        const blob = blobs.get(element.src);
        void blob?.text().then((text) => {
          if (page === "blocks") {
            element.onerror();
            return;
          }
          ran.push(text.split("\n")[0] ?? "");
          sources.push(text.split("sourceURL=")[1] ?? "");
          element.onload();
        });
      },
    },
  });
});

/** Loads on a new page, and waits until what is to be kept is kept. */
async function load(file: PinnedFile): Promise<Loaded> {
  delete (globalThis as Record<symbol, unknown>)[Symbol.for("tegata.loads")];
  vi.setSystemTime(Date.now() + 1_000);
  [ran, sources] = [[], []];
  const { loadPinned } = await import("../src/pinned.js");
  const loaded = await loadPinned(file);
  for (let before = -1; before !== busy; ) {
    before = busy;
    await new Promise((done) => setTimeout(done, 15));
  }
  return loaded;
}

const kept = (): string[] => [...(storage.get("tegata/sheet")?.keys() ?? [])].sort();

function tamper(version: string, headers: Record<string, string> = {}): void {
  const cache = storage.get("tegata/sheet");
  const before = cache?.get(url(version));
  expect(before, "is kept").toBeDefined();
  const all = { ...Object.fromEntries(before?.headers ?? []), ...headers };
  cache?.set(url(version), new Response("evil", { headers: all }));
}

describe("the CDN is in order", () => {
  test("its file runs, is asked for in the right way, and is kept with its hash", async () => {
    expect(await load(pinned("1.9.0"))).toEqual({ ok: true, version: "1.9.0", source: "cdn", stale: false });
    expect(ran).toEqual([script("1.9.0")]);
    expect(sources).toEqual([url("1.9.0")]);
    expect(asked.map(({ url }) => url)).toEqual([url("1.9.0")]);
    expect(asked[0]?.init).toMatchObject({ credentials: "omit", referrerPolicy: "strict-origin" });
    const copy = storage.get("tegata/sheet")?.get(url("1.9.0"));
    expect(copy?.headers.get(INTEGRITY)).toBe(hash(script("1.9.0")));
    expect(await copy?.text()).toBe(script("1.9.0"));
    expect(blobs.size).toBe(0);
  });

  test.each(["/", "//", ""])("a base that ends in %j", async (end) => {
    await load(pinned("1.9.0", { base: `HTTPS://CDN.vendor.example${end}` }));
    expect(kept()).toEqual([url("1.9.0")]);
    cdn("down");
    expect(await load(pinned("1.9.0", { base: CDN + end }))).toMatchObject({ source: "cache" });
  });

  test("a base with a path: kept and forgotten as any", async () => {
    const base = `${CDN}/files`;
    for (const version of ["1.8.0", "1.9.0", "1.10.0"]) {
      await load(pinned(version, { base }));
    }
    expect(kept()).toEqual([`${base}/sheet/1.10.0/plugin.min.js`, `${base}/sheet/1.9.0/plugin.min.js`]);
    cdn("down");
    expect(await load(pinned("1.11.0", { base }))).toMatchObject({ version: "1.10.0", stale: true });
    // Another CDN's, such as that of tests, is not taken for this one's.
    for (const base of [CDN, "https://tst.vendor.example/files"]) {
      expect(await load(pinned("1.11.0", { base }))).toEqual({ ok: false, problem: "unreachable" });
    }
  });

  test("what is kept and right is not written again on every page", async () => {
    await load(pinned("1.9.0"));
    await load(pinned("1.9.0"));
    expect(written).toBe(1);
    tamper("1.9.0");
    await load(pinned("1.9.0"));
    expect(written).toBe(2);
  });
});

describe("the CDN is not in order", () => {
  const cases: [string, Answer[], string][] = [
    ["no answer", ["down"], "unreachable"],
    ["500", [500], "unreachable"],
    ["503", [503], "unreachable"],
    ["403", [403], "missing"],
    ["404", [404], "missing"],
    ["another content", ["evil"], "tampered"],
    ["the content with a byte more", [`${script("1.9.0")}\n`], "tampered"],
    ["nothing in it", [""], "tampered"],
    ["not in time", ["hangs"], "unreachable"],
    ["another content, then not in time", ["evil", "hangs"], "tampered"],
    ["another content, then no answer", ["evil", "down"], "tampered"],
    ["no answer, then 503", ["down", 503], "unreachable"],
  ];
  const soon = { timeout: 20 };

  test.each(cases)("%s, nothing kept: nothing runs", async (_, answers, problem) => {
    cdn(...answers);
    expect(await load(pinned("1.9.0", soon))).toEqual({ ok: false, problem });
    expect(ran).toEqual([]);
    expect(kept()).toEqual([]);
  });

  test.each(cases)("%s, this version kept: it runs", async (_, answers, problem) => {
    await load(pinned("1.8.0"));
    await load(pinned("1.9.0"));
    await load(pinned("1.8.0"));
    cdn(...answers);
    const expected = { ok: true, version: "1.9.0", source: "cache", stale: false, problem };
    expect(await load(pinned("1.9.0", soon))).toEqual(expected);
    expect(ran).toEqual([script("1.9.0")]);
  });

  test.each(cases)("%s, others kept: the last one runs", async (_, answers, problem) => {
    await load(pinned("1.8.0"));
    await load(pinned("1.7.0"));
    cdn(...answers);
    const expected = { ok: true, version: "1.7.0", source: "cache", stale: true, problem };
    expect(await load(pinned("1.9.0", soon))).toEqual(expected);
    expect(ran).toEqual([script("1.7.0")]);
    // A stack trace shows which file ran.
    expect(sources).toEqual([url("1.7.0")]);
  });

  test.each<[string, Answer[]]>([
    ["broken", ["half of i"]],
    ["without CORS headers", ["down"]],
  ])("the browser's own cache has it %s: asked again past it", async (_, answers) => {
    cdn(...answers, script("1.9.0"));
    expect(await load(pinned("1.9.0"))).toMatchObject({ source: "cdn" });
    expect(asked.map(({ init }) => init.cache)).toEqual(["default", "reload"]);
    expect(ran).toEqual([script("1.9.0")]);
  });

  test.each([403, 404, 500, 503])("a status is an answer: %d is not asked again", async (status) => {
    cdn(status);
    await load(pinned("1.9.0"));
    expect(asked.length).toBe(1);
  });
});

describe("what is kept", () => {
  test("the last two, and other files of the product beside them", async () => {
    await load(pinned("1.8.0", { file: "config/plugin.min.js" }));
    for (const version of ["1.8.0", "1.9.0", "1.10.0", "1.11.0"]) {
      await load(pinned(version));
    }
    expect(kept()).toEqual([url("1.10.0"), url("1.11.0"), `${CDN}/sheet/1.8.0/config/plugin.min.js`]);
  });

  test("after a return to the version before, the bad one is forgotten first", async () => {
    for (const version of ["1.8.0", "1.9.0", "1.8.0", "1.10.0"]) {
      await load(pinned(version));
    }
    expect(kept()).toEqual([url("1.10.0"), url("1.8.0")]);
  });

  test("a copy that was tampered with does not run, whatever its headers say", async () => {
    await load(pinned("1.9.0"));
    cdn("down");
    tamper("1.9.0", { [INTEGRITY]: hash("evil") });
    expect(await load(pinned("1.9.0"))).toEqual({ ok: false, problem: "unreachable" });
    expect(ran).toEqual([]);
  });

  test("an older copy that was tampered with does not run; the one before it does", async () => {
    await load(pinned("1.8.0"));
    await load(pinned("1.9.0"));
    cdn("down");
    tamper("1.9.0");
    expect(await load(pinned("1.10.0"))).toMatchObject({ version: "1.8.0", stale: true });
    expect(ran).toEqual([script("1.8.0")]);
    tamper("1.8.0");
    expect(await load(pinned("1.10.0"))).toEqual({ ok: false, problem: "unreachable" });
  });

  test("a version is kept under one hash, and asked for with another", async () => {
    await load(pinned("1.9.0"));
    cdn("down");
    const other = pinned("1.9.0", { integrity: hash("another") });
    expect(await load(other)).toEqual({ ok: false, problem: "unreachable" });
    expect(ran).toEqual([]);
  });

  describe("and was not by the loader", () => {
    const AT = "x-kept-at";
    const soon = () => Date.now() + 5_000;
    const YEARS = 300_000_000_000;
    /** A file with its own hash, under a version of its own. */
    const plant = (version: string, at: unknown, headers: Record<string, string> = {}) => {
      const all = { [INTEGRITY]: hash("evil"), "x-version": version, [AT]: `${at}`, ...headers };
      const cache = storage.get("tegata/sheet") ?? new Map<string, Response>();
      storage.set("tegata/sheet", cache.set(url(version), new Response("evil", { headers: all })));
    };

    test.each([
      ["in years", () => Date.now() + YEARS],
      ["before the next page", soon],
      ["without end", () => "Infinity"],
      ["9e99", () => 9e99],
      ["never", () => "never"],
      ["an empty text", () => ""],
      ["before it", () => 0],
      ["a hexadecimal number", () => "0xffffffffffff"],
    ])("does not run after a file was loaded: kept %s", async (_, at) => {
      await load(pinned("1.9.0"));
      plant("9.9.9", at());
      expect(await load(pinned("1.9.0"))).toMatchObject({ source: "cdn" });
      cdn("down");
      expect(await load(pinned("1.10.0"))).toMatchObject({ version: "1.9.0", stale: true });
      expect(ran).toEqual([script("1.9.0")]);
    });

    test("does not run at all, nor stay, if it says that it was kept in the future", async () => {
      cdn("down");
      plant("9.9.9", Date.now() + YEARS);
      expect(await load(pinned("1.9.0"))).toEqual({ ok: false, problem: "unreachable" });
      expect(ran).toEqual([]);
      cdn();
      await load(pinned("1.9.0"));
      expect(kept()).toEqual([url("1.9.0")]);
    });

    test("does not stay when two versions were loaded after it, whatever it says", async () => {
      for (const at of [0, Date.now(), Date.now() + YEARS, "never"]) {
        plant("9.9.9", at);
        await load(pinned("1.8.0"));
        await load(pinned("1.9.0"));
        expect(kept(), `${at}`).toEqual([url("1.8.0"), url("1.9.0")]);
      }
    });

    test("the wanted version runs by its pinned hash, though a clock was wrong when it was kept", async () => {
      vi.setSystemTime(Date.now() + YEARS);
      await load(pinned("1.9.0"));
      vi.setSystemTime(Date.now() - YEARS);
      cdn("down");
      expect(await load(pinned("1.9.0"))).toMatchObject({ version: "1.9.0", stale: false });
      cdn();
      await load(pinned("1.9.0"));
      cdn("down");
      expect(await load(pinned("1.10.0"))).toMatchObject({ version: "1.9.0", stale: true });
    });

    test("its version is that of its address", async () => {
      cdn("down");
      plant("9.9.9", 0, { "x-version": "1.9.0" });
      expect(await load(pinned("1.9.0"))).toMatchObject({ version: "9.9.9", stale: true });
      expect(await load(pinned("9.9.9"))).toEqual({ ok: false, problem: "unreachable" });
    });
  });

  test("the storage is full: the file runs, and what was kept stays", async () => {
    await load(pinned("1.8.0"));
    full = true;
    expect(await load(pinned("1.9.0"))).toMatchObject({ ok: true, source: "cdn" });
    tamper("1.8.0");
    expect(await load(pinned("1.8.0"))).toMatchObject({ ok: true, source: "cdn" });
    expect(kept()).toEqual([url("1.8.0")]);
  });

  const storages: [string, unknown][] = [
    ["is not there", undefined],
    ["is forbidden", { open: () => Promise.reject(new DOMException("no", "SecurityError")) }],
  ];
  test.each(storages)("Cache Storage %s: the CDN's file runs all the same", async (_, value) => {
    vi.stubGlobal("caches", value);
    expect(await load(pinned("1.9.0"))).toMatchObject({ ok: true, source: "cdn" });
    cdn("down");
    expect(await load(pinned("1.9.0"))).toEqual({ ok: false, problem: "unreachable" });
  });
});

describe("on one page", () => {
  test("a file runs once, however often and by whatever copy of the loader it is asked for", async () => {
    const first = await import("../src/pinned.js");
    vi.resetModules();
    const second = await import("../src/pinned.js");
    expect(second.loadPinned).not.toBe(first.loadPinned);
    const results = await Promise.all([
      first.loadPinned(pinned("1.9.0")),
      first.loadPinned(pinned("1.9.0")),
      second.loadPinned(pinned("1.9.0")),
      // Two versions of one file would be in each other's way.
      second.loadPinned(pinned("1.8.0")),
    ]);
    expect(results.map((result) => result.ok && result.version)).toEqual(Array(4).fill("1.9.0"));
    expect(ran).toEqual([script("1.9.0")]);
    expect(asked.length).toBe(1);
    expect(await second.loadPinned(pinned("1.9.0", { file: "more.js" }))).toMatchObject({ ok: true });
    expect(ran.length).toBe(2);
  });

  test("what failed may be tried again", async () => {
    const { loadPinned } = await import("../src/pinned.js");
    cdn("down");
    expect(await loadPinned(pinned("1.9.0"))).toEqual({ ok: false, problem: "unreachable" });
    cdn();
    expect(await loadPinned(pinned("1.9.0"))).toMatchObject({ ok: true, source: "cdn" });
    expect(ran).toEqual([script("1.9.0")]);
  });

  test.each(["blocks", "throws"] as const)("a page that %s: forbidden, and not kept", async (how) => {
    page = how;
    expect(await load(pinned("1.9.0"))).toEqual({ ok: false, problem: "forbidden" });
    expect(kept()).toEqual([]);
    expect(blobs.size).toBe(0);
    page = "allows";
    await load(pinned("1.9.0"));
    page = how;
    cdn("down");
    expect(await load(pinned("1.9.0"))).toEqual({ ok: false, problem: "forbidden" });
    expect(ran).toEqual([]);
  });

  // A browser takes an integrity that it does not understand for none, and runs anything.
  test.each([
    "",
    "sha384",
    "sha384-",
    `sha384-${"A".repeat(63)}`,
    `sha384-${"A".repeat(65)}`,
    `sha256-${"A".repeat(43)}=`,
    `md5-${"A".repeat(64)}`,
    `${hash("a")} ${hash("b")}`,
    `${hash("a")}\n`,
  ])("the integrity %j is none: nothing is asked", async (integrity) => {
    await expect(load(pinned("1.9.0", { integrity }))).rejects.toThrow(TypeError);
    expect(asked).toEqual([]);
  });

  test.each(["", "/files", "cdn.vendor.example"])("the base %j is none", async (base) => {
    await expect(load(pinned("1.9.0", { base }))).rejects.toThrow(TypeError);
    expect(asked).toEqual([]);
  });
});
