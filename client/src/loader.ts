// Loads a plug-in's files from the CDN: those of the release that a signed document says is current.

import { readClock } from "./clock.js";
import {
  download,
  type FileProblem,
  intact,
  type Loaded,
  type LoadFile,
  type LoadProblem,
  run,
  TIMEOUT,
} from "./file.js";
import { type Known, recall } from "./kept.js";
import { once, rootOf } from "./page.js";
import {
  type Document,
  isInStage,
  type Release,
  type ReleaseFlaw,
  type Signer,
  verifyRelease,
} from "./release.js";
import { tenant } from "./tenant.js";
import type { Kintone } from "./types.js";

export type { FileProblem, Loaded, LoadFile, LoadProblem } from "./file.js";
export type { ReleaseFlaw, Signer } from "./release.js";
export type { Key } from "./types.js";

/** The options of [`loadPlugin`]. */
export interface PluginRelease extends Signer {
  /** The CDN's origin, such as `https://cdn.example.com`. */
  base: string;
  /** The path below the version's of the file to run, such as `plugin.min.js`. */
  entry: string;
  /** Runs the version in the package: the last resort if nothing of the CDN's can run. */
  bundled?: (() => unknown) | undefined;
  /** Called if the next page view will run another version. */
  onUpdate?: ((update: { version: string }) => void) | undefined;
  /** How long the CDN is waited for, in milliseconds, if nothing was kept: 8000 if not given. */
  timeout?: number | undefined;
}

/** How often the CDN is asked for the document, in milliseconds. */
const HOUR = 3_600_000;

/** The release that a page runs of a product. */
interface Running {
  release: Release;
  /** Whether a newer document is known, whose files are not here yet. */
  stale: boolean;
  /** How the last request for the document failed; empty if it did not. */
  problem: LoadProblem | "";
}

/** What a page runs of a product. The entry that was asked for first decides, the others follow it. */
interface Session {
  ok: boolean;
  entry: string;
  /** What became of that entry. */
  loaded: Loaded;
  /** Absent if nothing of the CDN's runs. */
  running?: Running;
  /** The version of the next page view, if it is another. */
  update?: Promise<string | undefined>;
}

const isWithinHour = (age: number) => age >= 0 && age < HOUR;

/**
 * Loads and runs a file of the release that is current for the page's tenant. A kept file runs at once,
 * and is refreshed after that. Without one, the page waits for the CDN. The last resort is `bundled`.
 *
 * A file of the CDN runs only if an authentic document has its hash. A page runs one release of a
 * product, and each file once.
 *
 * Rejects with a `TypeError` if the options are wrong, and with the error of `bundled`; never because of
 * the network.
 */
export async function loadPlugin(wanted: PluginRelease): Promise<Loaded> {
  const { base, product, keys, entry } = wanted;
  if (!keys?.length || !entry) {
    throw new TypeError("no keys or entry");
  }
  return once(`${product}/${entry}`, () => load(rootOf(base, product), wanted));
}

async function load(root: string, wanted: PluginRelease): Promise<Loaded> {
  const { product, entry, bundled, onUpdate, timeout = TIMEOUT } = wanted;
  const store = `tegata/2/${product}`;
  const current = `${root}current.jwt`;
  const end = Date.now() + timeout;
  // In a function: where storage is blocked, reading `caches` throws.
  const cache = (async () => caches.open(store))();
  let known: Known;

  /** Keeps a file or what is known. Storage may be blocked or full, which is not an error. */
  const keep = (url: string, body: ArrayBuffer | string) =>
    cache.then((cache) => cache.put(url, new Response(body))).catch(() => {});
  const note = () => keep(current, JSON.stringify(known));

  const address = ({ version }: Release, path: string) => new URL(`${root}${version}/${path}`).href;

  let clock: Promise<number> | undefined;
  /** kintone's time, read once; NaN if it cannot be read. */
  const kintoneNow = () => (clock ??= readClock(3_000).catch(() => NaN));

  /** The release that this tenant runs now by a document, or (`isAhead`) from its instant on. */
  const releaseOf = async (document: Document, isAhead?: boolean) => {
    const { asked, pc } = known;
    const { iat, from = iat, stage, before } = document;
    const { kintone } = globalThis as { kintone?: Kintone };
    const start = from * 1_000;
    const age = Date.now() - pc;
    // A version that counted at the last request still counts. Hours before the instant, the PC's clock
    // is good enough.
    const isFar = age >= 0 && asked + age + HOUR < start;
    return (isAhead ||
      from <= iat ||
      start <= asked ||
      (!isFar && start <= (await kintoneNow()))) &&
      (!stage || (await isInStage(document, await tenant(kintone))))
      ? document
      : before;
  };

  /** A file of a release: the kept one, otherwise the CDN's, for which it waits `ms`; or the problem. */
  const find = async (
    release: Release,
    path: string,
    ms = timeout,
  ): Promise<FileProblem | [ArrayBuffer, "cache" | "cdn"]> => {
    const integrity = release.files[path];
    const url = address(release, path);
    const kept = await cache
      .then((cache) => cache.match(url))
      .then((response) => intact(response!, integrity))
      .catch(() => undefined);
    if (kept) {
      return [kept, "cache"];
    }
    const bytes =
      ms && integrity ? await download(url, ms, (response) => intact(response, integrity)) : "missing";
    if (typeof bytes === "string") {
      return bytes;
    }
    keep(url, bytes);
    return [bytes, "cdn"];
  };

  /** Asks the CDN for the document. */
  const ask = async () => {
    const { documents } = known;
    const now = kintoneNow();
    const got = await download<Document, ReleaseFlaw>(current, timeout, async (response) => {
      const document = await verifyRelease(await response.text(), wanted);
      if (documents[0]?.iat! > document.iat) {
        throw "replayed";
      }
      return document;
    });
    known = { documents, problem: "", asked: await now, pc: Date.now() };
    if (typeof got === "string") {
      known.problem = got;
    } else {
      // Of the older ones, the last is the one whose files are complete.
      known.documents = [got, ...documents.filter(({ iat }) => iat < got.iat).slice(-1)];
    }
  };

  /** Fetches those files of the newest document that are in use, and deletes those of old versions. */
  const fetchAll = async () => {
    const [newest] = known.documents as [Document];
    const urls = (await (await cache).keys()).map(({ url }) => url);
    let isComplete = true;
    for (const release of [await releaseOf(newest), await releaseOf(newest, true)]) {
      for (const path in release?.files) {
        const tail = address(release!, path).slice(address(release!, "").length - 1);
        if (urls.some((url) => url.endsWith(tail))) {
          isComplete &&= typeof (await find(release!, path)) === "object";
        }
      }
    }
    if (isComplete) {
      known.documents = [newest];
      const kept = [current, address(newest, ""), address(newest.before ?? newest, "")];
      for (const url of urls) {
        if (!kept.some((start) => url.startsWith(start))) {
          await (await cache).delete(url);
        }
      }
    }
  };

  /** Asks if the hour is over, and fetches what the next page needs. Resolves with its version. */
  const refresh = async () => {
    known = await recall(cache, current, wanted);
    if (!isWithinHour(Date.now() - known.pc)) {
      const age = (await kintoneNow()) - known.asked;
      // If it is not over, the PC's clock was set, or the page that asked was left too early.
      let pc = Date.now() - age;
      if (!isWithinHour(age)) {
        await ask();
        pc = known.pc;
        // The newer document first: this page may be left at any time.
        known.pc = 0;
        await note();
      }
      await fetchAll();
      known.pc = pc;
      await note();
    }
    const [newest, older] = known.documents;
    return newest && !older ? (await releaseOf(newest))?.version : undefined;
  };

  /** Runs a file of the release that the page runs. */
  const play = async (running: Running, path: string, ms = timeout): Promise<Loaded> => {
    const { release, stale, problem } = running;
    const got = await find(release, path, ms);
    if (typeof got === "string") {
      return { ok: false, problem: got };
    }
    const [bytes, source] = got;
    const loadFile: LoadFile = (path) => once(`${product}/${path}`, () => play(running, path));
    return (await run(bytes, address(release, path), { loadFile }))
      ? { ok: true, version: release.version, source, stale, ...(problem && { problem }), loadFile }
      : { ok: false, problem: "forbidden" };
  };

  const { entry: first, loaded, running, update } = await once(product, async () => {
    known = await recall(cache, current, wanted);
    const session = { ok: !!bundled, entry } as Session;
    /** Runs the entry: of the last complete release first; if it may wait, of the newest first. */
    const start = async (isWaiting?: boolean) => {
      for (const document of isWaiting ? known.documents : [...known.documents].reverse()) {
        const release = await releaseOf(document);
        if (release) {
          const stale = document !== known.documents[0];
          const running = { release, stale, problem: known.problem };
          const ms = isWaiting ? end - Date.now() : 0;
          session.loaded = await play(running, entry, ms);
          if (session.loaded.ok) {
            session.running = running;
            return (session.ok = true);
          }
        }
      }
      return undefined;
    };
    const isDue = !isWithinHour(Date.now() - known.pc);
    if (await start()) {
      if (isDue) {
        // In a task of its own, so that the page gets its result first, and in one tab at a time.
        session.update = new Promise<void>((begin) => setTimeout(begin))
          .then(() => navigator.locks?.request(store, refresh) ?? refresh())
          .catch(() => undefined);
      }
      return session;
    }
    if (isDue || !known.documents.length) {
      await ask();
    }
    session.loaded = { ok: false, problem: known.problem || "unreleased" };
    if (!(await start(true))) {
      // The next page asks again.
      known.pc = 0;
    }
    if (known.documents.length) {
      void note();
    }
    return session;
  });
  void update?.then((version) => {
    if (version && version !== running!.release.version) {
      onUpdate?.({ version });
    }
  });
  if (running) {
    return entry === first ? loaded : play(running, entry);
  }
  if (loaded.ok || !bundled) {
    return loaded;
  }
  await bundled();
  return { ok: true, version: "bundled", source: "bundled", stale: true, problem: loaded.problem };
}
