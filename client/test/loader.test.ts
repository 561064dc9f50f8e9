// The loader against a CDN, a kintone, a Cache Storage and other tabs that do what they do on bad days.
// The signatures are real.

import { createHash, webcrypto } from "node:crypto";
import { createRequire } from "node:module";
import { beforeEach, describe, expect, test, vi } from "vitest";
import type { Loaded, PluginRelease } from "../src/loader.js";
import { b64, DAY, HOUR, START, type Signer, signer } from "./world.js";

const CDN = "https://cdn.vendor.example";
const ROOT = `${CDN}/sheet/`;
const DOCUMENT = `${ROOT}current.jwt`;
const STORE = "tegata/2/sheet";
const ISSUER = "https://license.example.com";

vi.setConfig({ testTimeout: 120_000 });

const keys = { old: await signer("release-a"), next: await signer("release-b"), lease: await signer("lease-a") };

const script = (version: string, path = "main.js"): string => `${path} of ${version}`;
const hash = (content: string): string =>
  `sha384-${createHash("sha384").update(content).digest("base64")}`;
const PATHS = ["main.js", "config.js", "chunk/a.js", "図.js"];
const files = (version: string) =>
  Object.fromEntries(PATHS.map((path) => [path, hash(script(version, path))]));
const release = (version: string) => ({ version, files: files(version) });

/** A document, signed at a minute of the story. */
async function document(
  minute: number,
  version: string,
  changes: Record<string, unknown> = {},
  by: Signer = keys.old,
  header: Record<string, unknown> = {},
): Promise<string> {
  const head = { alg: "ES256", typ: "release+jwt", kid: by.jwk.kid, ...header };
  const iat = START / 1_000 + minute * 60;
  const claims = { iss: ISSUER, aud: "sheet", iat, ...release(version), ...changes };
  const input = `${b64(JSON.stringify(head))}.${b64(JSON.stringify(claims))}`;
  return `${input}.${b64(await by.sign(input))}`;
}

const TENANT = "example.cybozu.com";
const numberOf = (version: string, domain = TENANT): string =>
  createHash("sha256").update(`${version}/${domain}`).digest("hex").slice(0, 32);

/** What the CDN does with a path: a content, a status, no answer, or none for ever. */
type Answer = string | number | "down" | "hangs";
let answers: Map<string, Answer>;
/** What it does with all that has no answer of its own. */
let cdn: "up" | "down" | "hangs" | number;
let clock: "works" | "down";
let now: number;
let pcOff: number;
let asked: string[];
let ran: string[];
let members: Record<string, (path: string) => Promise<Loaded>>[];
let storage: Map<string, Map<string, Response>>;
let blocked: boolean;
let underWay: number;
/** What the CDN waits for before it answers. */
let gate: Promise<void> | undefined;
let page: "allows" | "blocks";
let locks: Map<string, Promise<unknown>> | undefined;

const url = (version: string, path = "main.js") => new URL(`${version}/${path}`, ROOT).href;

async function counted<T>(work: Promise<T>): Promise<T> {
  underWay += 1;
  try {
    return await work;
  } finally {
    underWay -= 1;
  }
}

async function answer(at: string, init: RequestInit): Promise<Response> {
  init.signal?.throwIfAborted();
  if (at === "/k/") {
    asked.push("clock");
    expect(init).toMatchObject({ method: "HEAD", cache: "no-store" });
    if (clock === "down") throw new TypeError("Failed to fetch");
    return new Response(null, { headers: { Date: new Date(now).toUTCString() } });
  }
  expect(init).toMatchObject({ credentials: "omit", referrerPolicy: "strict-origin" });
  const path = decodeURI(at.slice(ROOT.length));
  asked.push(init.cache === "reload" ? `${path} again` : path);
  const given = answers.get(path) ?? (cdn === "up" ? undefined : cdn);
  await gate;
  if (given === "hangs") {
    return new Promise((_, failed) =>
      init.signal?.addEventListener("abort", () => failed(init.signal?.reason)),
    );
  }
  if (given === "down") throw new TypeError("Failed to fetch");
  if (typeof given === "number") return new Response("", { status: given });
  const [version, ...rest] = path.split("/");
  return new Response(given ?? script(version!, rest.join("/")));
}

/** WebCrypto itself, with a count of what is under way: it works off the main thread. */
const subtle = Object.fromEntries(
  (["importKey", "verify", "digest"] as const).map((name) => [
    name,
    (...args: unknown[]) => counted((webcrypto.subtle[name] as (...args: unknown[]) => Promise<unknown>).apply(webcrypto.subtle, args)),
  ]),
);

const blobs = new Map<string, Blob>();

beforeEach(() => {
  delete (globalThis as Record<symbol, unknown>)[Symbol.for("tegata.loads")];
  [now, pcOff, cdn, clock, blocked, page, underWay] = [START, 0, "up", "works", false, "allows", 0];
  [answers, storage, asked, ran, members] = [new Map(), new Map(), [], [], []];
  [locks, gate] = [new Map(), undefined];
  vi.spyOn(Date, "now").mockImplementation(() => now + pcOff);
  vi.stubGlobal("location", { hostname: TENANT });
  vi.stubGlobal("crypto", { subtle });
  vi.stubGlobal("navigator", {
    get locks() {
      return locks && {
        request: async (name: string, work: () => Promise<unknown>) => {
          const turn = (locks!.get(name) ?? Promise.resolve()).then(work);
          locks!.set(name, turn.catch(() => {}));
          return counted(turn);
        },
      };
    },
  });
  vi.stubGlobal("fetch", (at: string, init: RequestInit) => counted(answer(at, init)));
  vi.stubGlobal("caches", {
    open: async (name: string) => {
      if (blocked) throw new DOMException("no", "SecurityError");
      const kept = storage.get(name) ?? new Map<string, Response>();
      storage.set(name, kept);
      return {
        keys: () => counted((async () => [...kept.keys()].map((url) => ({ url })))()),
        match: (at: string) => counted((async () => kept.get(new URL(at).href)?.clone())()),
        delete: (at: string) => counted((async () => kept.delete(at))()),
        put: (at: string, response: Response) =>
          counted((async () => void kept.set(new URL(at).href, response))()),
      };
    },
  });
  vi.spyOn(URL, "createObjectURL").mockImplementation((blob) => {
    const address = `blob:${blobs.size}`;
    blobs.set(address, blob as Blob);
    return address;
  });
  vi.spyOn(URL, "revokeObjectURL").mockImplementation((address) => void blobs.delete(address));
  vi.stubGlobal("document", {
    createElement: () => ({}),
    head: {
      append: (element: { src: string; onload(): void; onerror(): void; loadFile: never }) => {
        void blobs
          .get(element.src)
          ?.text()
          .then((text) => {
            if (page === "blocks") return element.onerror();
            ran.push(text.split("\n")[0]!);
            members.push({ loadFile: element.loadFile });
            element.onload();
          });
      },
    },
  });
});

const wanted = (changes: Partial<PluginRelease> = {}): PluginRelease => ({
  base: CDN,
  product: "sheet",
  keys: [keys.old.jwk, keys.next.jwk],
  issuer: ISSUER,
  entry: "main.js",
  ...changes,
});

async function settle(): Promise<void> {
  for (let idle = 0; idle < 5; idle = underWay ? 0 : idle + 1) {
    await new Promise((done) => setTimeout(done, 2));
    await new Promise((done) => setImmediate(done));
  }
}

/** Opens a page: with a new copy of the loader, and nothing of the pages before but the storage. */
async function open() {
  delete (globalThis as Record<symbol, unknown>)[Symbol.for("tegata.loads")];
  [asked, ran, members] = [[], [], []];
  vi.resetModules();
  return (await import("../src/loader.js")).loadPlugin;
}

/** Loads on a new page, and waits for what goes on behind. */
async function load(changes: Partial<PluginRelease> = {}): Promise<Loaded> {
  const loadPlugin = await open();
  const loaded = await loadPlugin(wanted(changes));
  await settle();
  return loaded;
}

/** A page, and what it ran and asked. */
async function view(changes: Partial<PluginRelease> = {}): Promise<string> {
  const loaded = await load(changes);
  const { version, source, stale, problem } = loaded as Loaded & Record<string, unknown>;
  return [loaded.ok ? version : "nothing", source, stale && "stale", problem].filter(Boolean).join(" ");
}

const publish = async (...args: Parameters<typeof document>) =>
  answers.set("current.jwt", await document(...args));
const kept = () => [...(storage.get(STORE) ?? new Map()).keys()].map((at) => decodeURI(at.slice(ROOT.length))).sort();
const note = async (): Promise<Record<string, any>> => storage.get(STORE)!.get(DOCUMENT)!.clone().json();
const plant = async (changes: Record<string, unknown>) => {
  const text = JSON.stringify({ ...(await note()), ...changes });
  storage.get(STORE)!.set(DOCUMENT, new Response(text));
};

describe("the current release", () => {
  test("runs from the CDN first, and from then on from what is kept, without a request", async () => {
    await publish(0, "1.8.0");
    expect(await view()).toBe("1.8.0 cdn");
    expect(asked.sort()).toEqual(["1.8.0/main.js", "clock", "current.jwt"]);
    expect(kept()).toEqual(["1.8.0/main.js", "current.jwt"]);
    now += HOUR - 1_000;
    expect(await view()).toBe("1.8.0 cache");
    expect(asked).toEqual([]);
    expect(ran).toEqual([script("1.8.0")]);
  });

  test("is asked for again after an hour, behind the page; the next page runs what is newer", async () => {
    await publish(0, "1.8.0");
    await load();
    await publish(5, "1.9.0");
    now += HOUR;
    const onUpdate = vi.fn();
    expect(await view({ onUpdate })).toBe("1.8.0 cache");
    expect(onUpdate.mock.calls).toEqual([[{ version: "1.9.0" }]]);
    expect(asked.sort()).toEqual(["1.9.0/main.js", "clock", "current.jwt"]);
    expect(kept()).toEqual(["1.9.0/main.js", "current.jwt"]);
    cdn = "down";
    expect(await view({ onUpdate })).toBe("1.9.0 cache");
    expect(asked).toEqual([]);
    cdn = "up";
    now += HOUR;
    expect(await view({ onUpdate })).toBe("1.9.0 cache");
    expect(asked.sort()).toEqual(["clock", "current.jwt"]);
    expect(onUpdate).toHaveBeenCalledTimes(1);
  });

  test("goes back by a newer document", async () => {
    await publish(0, "1.9.0");
    await load();
    await publish(5, "1.8.0");
    now += HOUR;
    expect(await view()).toBe("1.9.0 cache");
    expect(await view()).toBe("1.8.0 cache");
  });

  test("is not waited for when the CDN hangs and something good is kept", async () => {
    await publish(0, "1.8.0");
    await load();
    now += 2 * HOUR;
    cdn = "hangs";
    answers.clear();
    const loadPlugin = await open();
    expect(await loadPlugin(wanted({ timeout: 30 }))).toMatchObject({ version: "1.8.0", source: "cache" });
    await new Promise((done) => setTimeout(done, 60));
    await settle();
    expect(await note()).toMatchObject({ problem: "unreachable" });
    expect(await view()).toBe("1.8.0 cache unreachable");
    expect(asked).toEqual([]);
  });

  test("may be signed by either of the pinned keys", async () => {
    await publish(0, "1.8.0", {}, keys.next);
    expect(await view()).toBe("1.8.0 cdn");
  });

  test("runs without a file's hash being right nowhere", async () => {
    await publish(0, "1.8.0");
    answers.set("1.8.0/main.js", "evil");
    expect(await view()).toBe("nothing tampered");
    expect(asked).toContain("1.8.0/main.js again");
    expect(ran).toEqual([]);
    expect(kept()).toEqual(["current.jwt"]);
    answers.delete("1.8.0/main.js");
    expect(await view()).toBe("1.8.0 cdn");
  });

  test("has no such file", async () => {
    await publish(0, "1.8.0");
    for (const entry of ["gone.js", "constructor", "__proto__", "../1.8.0/main.js"]) {
      expect(await view({ entry }), entry).toMatch(/^nothing (missing|tampered)$/);
    }
    expect(ran).toEqual([]);
  });

  test("is in the browser's cache in a state that cannot be used: asked again past it", async () => {
    await publish(0, "1.8.0");
    const good = answers.get("current.jwt") as string;
    answers.set("current.jwt", "<!doctype html>");
    const { fetch } = globalThis;
    vi.stubGlobal("fetch", (at: string, init: RequestInit) => {
      if (init.cache === "reload") answers.set("current.jwt", good);
      return fetch(at, init);
    });
    expect(await view()).toBe("1.8.0 cdn");
  });
});

describe("what is refused", async () => {
  const mallory = await signer("release-a");
  test.each<[string, () => Promise<string>, string]>([
    ["by a key of the same name", () => document(5, "9.9.9", {}, mallory), "forged"],
    ["by a lease key", () => document(5, "9.9.9", {}, keys.lease), "unknown_key"],
    ["a lease", () => document(5, "9.9.9", {}, keys.old, { typ: "license+jwt" }), "forged"],
    ["without a signature", async () => `${(await document(5, "9.9.9")).split(".").slice(0, 2).join(".")}.`, "forged"],
    ["another product's", () => document(5, "9.9.9", { aud: "grid" }), "wrong_product"],
    ["another vendor's", () => document(5, "9.9.9", { iss: "https://evil.example" }), "wrong_issuer"],
    ["an older one", () => document(-5, "9.9.9"), "replayed"],
    ["without an instant", () => document(5, "9.9.9", { iat: "now" }), "malformed"],
    ["without a version", () => document(5, "9.9.9", { version: undefined }), "malformed"],
    ["without files", () => document(5, "9.9.9", { files: undefined }), "malformed"],
    ["with files in a text", () => document(5, "9.9.9", { files: "all" }), "malformed"],
    ["with no release before", () => document(5, "9.9.9", { before: "1.8.0" }), "malformed"],
    ["with an instant in a text", () => document(5, "9.9.9", { from: "2026-12-01" }), "malformed"],
    ["nothing", async () => "", "forged"],
  ])("a document: %s", async (_, make, problem) => {
    await publish(0, "1.8.0");
    await load();
    const bad = await make();
    answers.set("current.jwt", bad);
    now += HOUR;
    expect(await view()).toBe("1.8.0 cache");
    expect(await view()).toBe(`1.8.0 cache ${problem}`);
    expect(asked).toEqual([]);
    // And where nothing is known. An older one cannot be told from the newest there.
    storage.clear();
    expect(await view()).toBe(problem === "replayed" ? "9.9.9 cdn" : `nothing ${problem}`);
  });

  test("a good one that is planted under a lease's type, product or key in the storage", async () => {
    await publish(0, "1.8.0");
    await load();
    for (const bad of [
      await document(5, "9.9.9", {}, mallory),
      await document(5, "9.9.9", { aud: "grid" }),
      await document(5, "9.9.9", {}, keys.old, { typ: "license+jwt" }),
      "a.b.c",
    ]) {
      storage.get(STORE)!.set(url("9.9.9"), new Response(script("9.9.9")));
      await plant({ documents: [{ ...release("9.9.9"), text: bad }] });
      expect(await view()).toBe("1.8.0 cache");
      expect(asked).toContain("current.jwt");
    }
  });
});

describe("an older document", () => {
  test("is not gone back to by a tab that knows less", async () => {
    await publish(0, "1.8.0");
    await load();
    const old = answers.get("current.jwt")!;
    await publish(5, "1.9.0");
    now += HOUR;
    await load();
    answers.set("current.jwt", old);
    now += HOUR;
    expect(await view()).toBe("1.9.0 cache");
    expect(await view()).toBe("1.9.0 cache replayed");
  });

  test("is refused also while the newest one's files are missing", async () => {
    await publish(0, "1.8.0");
    await load();
    answers.set("1.10.0/main.js", 503);
    await publish(9, "1.10.0");
    now += HOUR;
    expect(await view()).toBe("1.8.0 cache");
    expect(await view()).toBe("1.8.0 cache stale");
    await publish(5, "1.9.0");
    now += HOUR;
    await load();
    expect(await view()).toBe("1.8.0 cache stale replayed");
  });
});

describe("a newer version whose files do not come", () => {
  test.each<[string, Answer]>([
    ["503", 503], ["403", 403], ["half of it", script("1.9.0").slice(0, 4)], ["nothing", "down"],
  ])("(%s): the last good one runs, until they do", async (_, broken) => {
    await publish(0, "1.8.0");
    await load();
    await publish(5, "1.9.0");
    answers.set("1.9.0/main.js", broken);
    now += HOUR;
    const onUpdate = vi.fn();
    expect(await view({ onUpdate })).toBe("1.8.0 cache");
    expect(onUpdate).not.toHaveBeenCalled();
    expect(await view({ onUpdate })).toBe("1.8.0 cache stale");
    expect(asked).toEqual([]);
    answers.delete("1.9.0/main.js");
    now += HOUR;
    expect(await view({ onUpdate })).toBe("1.8.0 cache stale");
    expect(onUpdate.mock.calls).toEqual([[{ version: "1.9.0" }]]);
    expect(await view({ onUpdate })).toBe("1.9.0 cache");
    expect(kept()).toEqual(["1.9.0/main.js", "current.jwt"]);
  });

  test("though a still newer one follows, whose files do not come either", async () => {
    await publish(0, "1.8.0");
    await load();
    for (const [minute, version] of [[5, "1.9.0"], [9, "1.10.0"]] as const) {
      answers.set(`${version}/main.js`, 503);
      await publish(minute, version);
      now += HOUR;
      await load();
      expect(await view(), version).toBe("1.8.0 cache stale");
    }
  });

  test("because the page was left: the next page fetches them, without asking for the document", async () => {
    await publish(0, "1.8.0");
    await load();
    await publish(5, "1.9.0");
    answers.set("1.9.0/main.js", "hangs");
    now += HOUR;
    const loadPlugin = await open();
    await loadPlugin(wanted());
    await new Promise((done) => setTimeout(done, 50));
    answers.delete("1.9.0/main.js");
    locks = new Map();
    now += 1_000;
    expect(await view()).toBe("1.8.0 cache stale");
    expect(asked.sort()).toEqual(["1.9.0/main.js", "clock"]);
    expect(await view()).toBe("1.9.0 cache");
    expect(asked).toEqual([]);
  });

  test("are asked for again by the page when nothing else can run", async () => {
    await publish(0, "1.8.0");
    answers.set("1.8.0/main.js", 403);
    expect(await view()).toBe("nothing missing");
    await publish(1, "1.8.1");
    expect(await view()).toBe("1.8.1 cdn");
  });
});

describe("kept files and notes", () => {
  test("that were tampered with do not run: the CDN's does", async () => {
    await publish(0, "1.8.0");
    await load();
    storage.get(STORE)!.set(url("1.8.0"), new Response("evil"));
    expect(await view()).toBe("1.8.0 cdn");
    storage.get(STORE)!.set(url("1.8.0"), new Response("evil"));
    cdn = "down";
    expect(await view()).toBe("nothing unreachable");
    expect(ran).toEqual([]);
  });

  test("a planted file of another version is forgotten with the next refresh", async () => {
    await publish(0, "1.8.0");
    await load();
    storage.get(STORE)!.set(url("9.9.9"), new Response("evil"));
    now += HOUR;
    await load();
    expect(kept()).toEqual(["1.8.0/main.js", "current.jwt"]);
  });

  const YEAR = 365 * DAY;
  const INSTANTS = [
    0, -1, START, START + 1_000, START + HOUR, START + YEAR, START - YEAR, 1e300, null, "soon", `${START + YEAR}`,
  ];
  test("an instant that is planted delays a newer version by two hours at most", async () => {
    for (const asked of INSTANTS) {
      for (const pc of INSTANTS) {
        [storage, now] = [new Map(), START];
        await publish(0, "1.8.0");
        await load();
        await publish(5, "1.9.0");
        await plant({ asked, pc });
        for (now = START + 1_000; now <= START + 2 * HOUR + 2_000; now += HOUR / 2) {
          await load();
        }
        expect(await view(), JSON.stringify({ asked, pc })).toBe("1.9.0 cache");
      }
    }
  });

  test("a note has no words of its own", async () => {
    await publish(0, "1.8.0");
    await load();
    for (const problem of ["<img src=x>", "a b", "\u202e", {}, 5]) {
      await plant({ problem });
      expect(await view(), `${problem}`).toMatch(/^1\.8\.0 cache( [a-z]+)?$/);
    }
  });

  test.each(["", "null", "5", "[]", "{", '{"documents":5}', '{"documents":[null]}', '{"documents":[{"text":5}]}'])(
    "a note that is %j is none",
    async (text) => {
      await publish(0, "1.8.0");
      await load();
      storage.get(STORE)!.set(DOCUMENT, new Response(text));
      expect(await view()).toBe("1.8.0 cache");
      expect(asked).toContain("current.jwt");
    },
  );

  test("where storage is blocked: the CDN's runs, each time", async () => {
    blocked = true;
    await publish(0, "1.8.0");
    expect(await view()).toBe("1.8.0 cdn");
    expect(await view()).toBe("1.8.0 cdn");
    cdn = "down";
    answers.clear();
    expect(await view()).toBe("nothing unreachable");
  });

  test("an older document that is planted runs until the CDN is asked, within the hour", async () => {
    await publish(0, "1.8.0");
    const old = answers.get("current.jwt")!;
    await publish(5, "1.9.0");
    await load();
    storage.get(STORE)!.set(url("1.8.0"), new Response(script("1.8.0")));
    await plant({ documents: [{ text: old }] });
    expect(await view()).toBe("1.8.0 cache");
    now += HOUR;
    await load();
    expect(await view()).toBe("1.9.0 cache");
  });
});

describe("the Big List of Naughty Strings", () => {
  const strings = createRequire(import.meta.url)("big-list-of-naughty-strings/blns.json") as string[];

  test("as a document, a file, or the note: nothing runs but what is signed, and nothing rejects", async () => {
    for (const [i, text] of strings.entries()) {
      [storage, cdn] = [new Map(), "up"];
      if (i % 2) {
        answers.set("current.jwt", text);
        expect(await view(), text).toBe("nothing forged");
        await publish(0, "1.8.0");
        answers.set("1.8.0/main.js", text);
        expect(await view(), text).toBe("nothing tampered");
        answers.delete("1.8.0/main.js");
      } else {
        await publish(0, "1.8.0");
        await load();
        await plant({ problem: text, asked: text, pc: text, documents: [{ text }] });
        expect(await view(), text).toMatch(/^1\.8\.0 c(dn|ache)$/);
      }
    }
  });

  test("as an option: refused with a TypeError, or nothing of it runs", async () => {
    await publish(0, "1.8.0");
    for (const [i, text] of strings.entries()) {
      // Each as two of them.
      for (const option of [["base", "product"], ["entry", "issuer"]].map((pair) => pair[i % 2]!)) {
        storage.clear();
        const loaded = await load({ [option]: text }).catch((error) => error);
        if (loaded instanceof Error) {
          expect(loaded, `${option} ${text}`).toBeInstanceOf(TypeError);
        } else if (!(option === "issuer" && text === "")) {
          expect(loaded, `${option} ${text}`).toMatchObject({ ok: false });
        }
        expect(ran, `${option} ${text}`).toHaveLength(option === "issuer" && text === "" ? 1 : 0);
      }
    }
  });
});

describe("the clock", () => {
  const YEARS = 10 * 365 * DAY;
  test.each([-YEARS, -HOUR / 2, HOUR / 2, YEARS])("a PC's that is %d ms off makes no difference", async (off) => {
    pcOff = off;
    await publish(0, "1.8.0");
    await load();
    await publish(5, "1.9.0");
    now += HOUR - 1_000;
    expect(await view()).toBe("1.8.0 cache");
    expect(asked).toEqual([]);
    now += 1_000;
    await load();
    expect(await view()).toBe("1.9.0 cache");
  });

  test("a PC's that is set costs a look at kintone's, not at the CDN", async () => {
    await publish(0, "1.8.0");
    await load();
    for (const off of [YEARS, -YEARS, HOUR, 0]) {
      pcOff = off;
      now += 1_000;
      expect(await view()).toBe("1.8.0 cache");
      expect(asked).toEqual(["clock"]);
      expect(await view()).toBe("1.8.0 cache");
      expect(asked).toEqual([]);
    }
  });

  test("kintone's that cannot be read: the CDN is asked once an hour by the PC's", async () => {
    clock = "down";
    await publish(0, "1.8.0");
    expect(await view()).toBe("1.8.0 cdn");
    now += HOUR - 1;
    await load();
    expect(asked).toEqual([]);
    now += 1;
    await load();
    expect(asked.sort()).toEqual(["clock", "current.jwt"]);
  });
});

describe("a version that is signed ahead", () => {
  const from = (START + 3 * DAY) / 1_000;
  const before = release("1.8.0");

  test("runs from its instant on, by kintone's clock, from files that are here already", async () => {
    await publish(0, "1.8.0");
    await load();
    await publish(5, "1.9.0", { from, before });
    now += HOUR;
    await load();
    expect(kept()).toEqual(["1.8.0/main.js", "1.9.0/main.js", "current.jwt"]);
    cdn = "down";
    answers.clear();
    for (const [at, version] of [
      [START + DAY, "1.8.0"], [from * 1_000 - 60_000, "1.8.0"], [from * 1_000 - 1_000, "1.8.0"],
      [from * 1_000, "1.9.0"], [from * 1_000 + DAY, "1.9.0"],
    ] as const) {
      for (pcOff of [0, -5 * DAY, 5 * DAY]) {
        now = at;
        expect(await view(), `${at - from * 1_000} ${pcOff}`).toContain(`${version} cache`);
      }
    }
  });

  test("is not waited for once it has begun, nor long before", async () => {
    await publish(0, "1.9.0", { from, before });
    expect(await view()).toBe("1.8.0 cdn");
    expect(await view()).toBe("1.8.0 cache");
    expect(asked).toEqual([]);
    now = from * 1_000 + 1;
    expect(await view()).toBe("1.9.0 cdn");
    await load();
    expect(asked).toEqual([]);
    now += HOUR - 10_000;
    expect(await view()).toBe("1.9.0 cache");
    expect(asked).toEqual([]);
  });

  test("does not begin while kintone's clock cannot be read", async () => {
    await publish(0, "1.9.0", { from, before });
    clock = "down";
    now = from * 1_000 + DAY;
    expect(await view()).toBe("1.8.0 cdn");
  });

  test("has begun if the document says so, whatever the clock", async () => {
    clock = "down";
    await publish(0, "1.9.0", { from: START / 1_000, before });
    expect(await view()).toBe("1.9.0 cdn");
  });

  test("and has nothing before it: nothing runs, or what the package brought", async () => {
    await publish(0, "1.9.0", { from });
    expect(await view()).toBe("nothing unreleased");
    const bundled = vi.fn();
    expect(await view({ bundled })).toBe("bundled bundled stale unreleased");
    expect(bundled).toHaveBeenCalledTimes(1);
    now = from * 1_000;
    expect(await view({ bundled })).toBe("1.9.0 cdn");
  });

  test("a planted instant brings it forward by an hour at most", async () => {
    await publish(0, "1.9.0", { from, before });
    await load();
    await plant({ asked: from * 1_000 + DAY, pc: now });
    expect(await view()).toBe("1.9.0 cdn");
    now += HOUR;
    await load();
    expect(await view()).toBe("1.8.0 cache");
  });
});

describe("a stage", () => {
  const before = release("1.8.0");
  test("by number", async () => {
    const stage = { tenants: [numberOf("1.9.0", "other.cybozu.com"), numberOf("1.9.0")] };
    await publish(0, "1.9.0", { stage, before });
    expect(await view()).toBe("1.9.0 cdn");
    storage.clear();
    vi.stubGlobal("location", { hostname: "third.cybozu.com" });
    expect(await view()).toBe("1.8.0 cdn");
    storage.clear();
    vi.stubGlobal("location", { hostname: "example.s.cybozu.com" });
    expect(await view()).toBe("1.9.0 cdn");
  });

  test("by share: who is in 10 % is in 50 %", async () => {
    const isIn = async (percent: number, name: string) => {
      storage.clear();
      vi.stubGlobal("location", { hostname: name });
      await publish(0, "1.9.0", { stage: { percent }, before });
      return (await view()) === "1.9.0 cdn";
    };
    let [few, half] = [0, 0];
    for (let i = 0; i < 20; i++) {
      const name = `tenant-${i}.cybozu.com`;
      const share = parseInt(numberOf("1.9.0", name).slice(0, 8), 16) / 2 ** 32;
      for (const percent of [1, 10, 50, 99]) {
        expect(await isIn(percent, name), `${name} ${percent}`).toBe(share < percent / 100);
      }
      few += share < 0.1 ? 1 : 0;
      half += share < 0.5 ? 1 : 0;
    }
    expect(few).toBeGreaterThan(0);
    expect(half).toBeGreaterThan(5);
  });

  test("has either member, or none, and begins when the version does", async () => {
    const from = (START + DAY) / 1_000;
    const stage = { percent: 99, tenants: [] };
    await publish(0, "1.9.0", { stage, before, from });
    expect(await view()).toBe("1.8.0 cdn");
    now = from * 1_000;
    expect(await view()).toBe("1.9.0 cdn");
    storage.clear();
    await publish(0, "1.9.0", { stage: {}, before });
    expect(await view()).toBe("1.8.0 cdn");
  });
});

describe("what the package brought", () => {
  test("is the last resort, and the page stays with it", async () => {
    cdn = "down";
    const loadPlugin = await open();
    const order: string[] = [];
    const bundled = (name: string) => async () => void order.push(name);
    expect(await loadPlugin(wanted({ bundled: bundled("main") }))).toEqual({
      ok: true, version: "bundled", source: "bundled", stale: true, problem: "unreachable",
    });
    cdn = "up";
    await publish(0, "1.8.0");
    expect(await loadPlugin(wanted({ bundled: bundled("again") }))).toMatchObject({ version: "bundled" });
    expect(await loadPlugin(wanted({ entry: "config.js", bundled: bundled("config") }))).toMatchObject({ version: "bundled" });
    expect(await loadPlugin(wanted({ entry: "chunk/a.js" }))).toEqual({ ok: false, problem: "unreachable" });
    expect(order).toEqual(["main", "config"]);
    expect(ran).toEqual([]);
  });

  test("does not join a release that runs", async () => {
    await publish(0, "1.8.0");
    const loadPlugin = await open();
    await loadPlugin(wanted());
    cdn = "down";
    const bundled = vi.fn();
    expect(await loadPlugin(wanted({ entry: "config.js", bundled }))).toEqual({ ok: false, problem: "unreachable" });
    expect(bundled).not.toHaveBeenCalled();
  });

  test("may reject, which is the plug-in's own error, and be tried again", async () => {
    cdn = "down";
    const loadPlugin = await open();
    await expect(loadPlugin(wanted({ bundled: () => Promise.reject(new Error("own")) }))).rejects.toThrow("own");
    expect(await loadPlugin(wanted({ bundled: () => {} }))).toMatchObject({ version: "bundled" });
  });

  test("runs where the page forbids the CDN's", async () => {
    page = "blocks";
    await publish(0, "1.8.0");
    expect(await view()).toBe("nothing forbidden");
    expect(await view({ bundled: () => {} })).toBe("bundled bundled stale forbidden");
  });
});

describe("several files", () => {
  test("are of one version, though a newer one is current meanwhile", async () => {
    await publish(0, "1.8.0");
    await load();
    await publish(5, "1.9.0");
    now += HOUR;
    const loadPlugin = await open();
    const main = await loadPlugin(wanted());
    await settle();
    expect(await loadPlugin(wanted({ entry: "config.js" }))).toMatchObject({ version: "1.8.0", source: "cdn" });
    expect(main.ok && (await main.loadFile!("chunk/a.js"))).toMatchObject({ version: "1.8.0" });
    expect(await members[0]!.loadFile!("図.js")).toMatchObject({ version: "1.8.0" });
    expect(ran).toEqual(["main.js", "config.js", "chunk/a.js", "図.js"].map((path) => script("1.8.0", path)));
    await settle();
    // The next page has of the newer one what this page used after the refresh only from the CDN.
    expect(await view()).toBe("1.9.0 cache");
    expect(await view({ entry: "config.js" })).toBe("1.9.0 cdn");
  });

  test("that are in use are fetched together when a version changes", async () => {
    await publish(0, "1.8.0");
    let loadPlugin = await open();
    await loadPlugin(wanted());
    for (const path of PATHS.slice(1)) await members[0]!.loadFile!(path);
    await settle();
    await publish(5, "1.9.0");
    answers.set("1.9.0/図.js", 503);
    now += HOUR;
    await load();
    expect(await view()).toBe("1.8.0 cache stale");
    answers.delete("1.9.0/図.js");
    now += HOUR;
    await load();
    expect(kept()).toEqual([...PATHS.map((path) => `1.9.0/${path}`), "current.jwt"].sort());
    cdn = "down";
    loadPlugin = await open();
    for (const entry of PATHS) {
      expect(await loadPlugin(wanted({ entry })), entry).toMatchObject({ version: "1.9.0", source: "cache" });
    }
    expect(asked).toEqual([]);
  });

  test("asked for at once, by two copies of the loader: one document, each file once", async () => {
    await publish(0, "1.8.0");
    const first = await open();
    vi.resetModules();
    const second = (await import("../src/loader.js")).loadPlugin;
    expect(second).not.toBe(first);
    const results = await Promise.all([
      first(wanted()), second(wanted()), second(wanted({ entry: "config.js" })), first(wanted({ entry: "config.js" })),
    ]);
    expect(results.map((loaded) => loaded.ok && loaded.version)).toEqual(Array(4).fill("1.8.0"));
    expect(ran).toEqual([script("1.8.0"), script("1.8.0", "config.js")]);
    expect(asked.sort()).toEqual(["1.8.0/config.js", "1.8.0/main.js", "clock", "current.jwt"]);
  });

  test("a chunk that does not come may be tried again", async () => {
    await publish(0, "1.8.0");
    const loadPlugin = await open();
    await loadPlugin(wanted());
    answers.set("1.8.0/chunk/a.js", 503);
    expect(await members[0]!.loadFile!("chunk/a.js")).toEqual({ ok: false, problem: "unreachable" });
    expect(await members[0]!.loadFile!("chunk/b.js")).toEqual({ ok: false, problem: "missing" });
    answers.delete("1.8.0/chunk/a.js");
    expect(await members[0]!.loadFile!("chunk/a.js")).toMatchObject({ version: "1.8.0" });
  });
});

describe("several tabs", () => {
  test.each([true, false])("ask once an hour, with locks: %s", async (has) => {
    await publish(0, "1.8.0");
    await load();
    await publish(5, "1.9.0");
    now += HOUR;
    if (!has) locks = undefined;
    const updates: string[] = [];
    const onUpdate = ({ version }: { version: string }) => updates.push(version);
    const loads: Promise<Loaded>[] = [];
    // With locks, all tabs run before the CDN has answered the first one.
    let answerNow = () => {};
    if (has) gate = new Promise((done) => (answerNow = done));
    for (const loadPlugin of [await open(), await open(), await open()]) {
      delete (globalThis as Record<symbol, unknown>)[Symbol.for("tegata.loads")];
      loads.push(loadPlugin(wanted({ onUpdate })));
      if (!has) await settle();
    }
    const versions = (await Promise.all(loads)).map((loaded) => loaded.ok && loaded.version);
    expect(versions).toEqual(has ? ["1.8.0", "1.8.0", "1.8.0"] : ["1.8.0", "1.9.0", "1.9.0"]);
    answerNow();
    await settle();
    expect(asked.filter((path) => path === "current.jwt")).toHaveLength(1);
    expect(updates).toEqual(has ? Array(3).fill("1.9.0") : ["1.9.0"]);
  });
});

describe("keys", () => {
  test("an old package keeps its last good version, and says why it gets no newer", async () => {
    await publish(0, "1.8.0");
    await load();
    const third = await signer("release-c");
    await publish(5, "1.9.0", {}, third);
    now += HOUR;
    await load();
    expect(await view()).toBe("1.8.0 cache unknown_key");
    expect(await view({ keys: [keys.next.jwk, third.jwk] })).toBe("1.9.0 cdn");
  });

  test("an old package leaves what a new one has kept", async () => {
    const third = await signer("release-c");
    const renewed = { keys: [keys.next.jwk, third.jwk] };
    await publish(0, "1.9.0", {}, third);
    expect(await view(renewed)).toBe("1.9.0 cdn");
    expect(await view()).toBe("nothing unknown_key");
    expect(await view(renewed)).toBe("1.9.0 cache");
    expect(asked).toEqual([]);
  });

  test.each<[string, Partial<PluginRelease>]>([
    ["keys", { keys: [] }], ["entry", { entry: "" }], ["base", { base: "/files" }], ["base", { base: "" }],
  ])("there have to be options: %s", async (_, changes) => {
    await expect(load(changes)).rejects.toThrow(TypeError);
    expect(asked).toEqual([]);
  });
});
