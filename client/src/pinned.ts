// The pinned form: the package names one version's file and its hash. The last good ones are kept for
// when the CDN cannot be reached.

import { download, intact, type Loaded, run, TIMEOUT } from "./file.js";
import { once, rootOf } from "./page.js";

/** Which file, as `tegata publish files` prints it. */
export interface PinnedFile {
  /** The CDN's origin, such as `https://cdn.example.com`. */
  base: string;
  /** The product's slug. */
  product: string;
  /** The version, such as `1.9.0`. */
  version: string;
  /** The path below the version's, such as `plugin.min.js`. */
  file: string;
  /** Its hash: `sha384-` and 64 characters of base64. */
  integrity: string;
  /** How long the CDN is waited for, in milliseconds: 8000 if not given. */
  timeout?: number | undefined;
}

export type { FileProblem, Loaded, LoadProblem } from "./file.js";

/** What an integrity looks like. */
const SHA384 = /^sha384-[\w+/]{64}$/;

/** How many versions of a file are kept. */
const KEPT = 2;

/** What a kept file is checked and forgotten by. */
const INTEGRITY = "x-integrity";
const KEPT_AT = "x-kept-at";

/**
 * Loads and runs a file: the CDN's; the kept one of this version if the CDN cannot be reached or is
 * not to be trusted; else the last other version that was kept. Nothing runs whose hash is wrong,
 * and no file runs twice on a page.
 *
 * Never rejects for anything that the network does; with a `TypeError` if the integrity or the base is none.
 */
export async function loadPinned(wanted: PinnedFile): Promise<Loaded> {
  const { base, product, file, integrity } = wanted;
  if (!SHA384.test(integrity)) {
    throw new TypeError("loadPinned: integrity is not sha384- and 64 characters of base64");
  }
  return once(`${product}/${file}`, () => load(rootOf(base, product), wanted));
}

async function load(root: string, wanted: PinnedFile): Promise<Loaded> {
  const { product, version, file, integrity, timeout = TIMEOUT } = wanted;
  const url = `${root}${version}/${file}`;
  const store = `tegata/${product}`;
  const got = await download(url, timeout, (response) => intact(response, integrity));
  if (typeof got !== "string") {
    if (!(await run(got, url))) {
      return { ok: false, problem: "forbidden" };
    }
    void keep(store, root, file, url, got, integrity);
    return { ok: true, version, source: "cdn", stale: false };
  }
  for (const kept of await recall(store, root, file, version)) {
    // This version is checked by what is asked for, another by what was asked for then.
    const stale = kept.version !== version;
    const expected = stale ? kept.response.headers.get(INTEGRITY) : integrity;
    const bytes = await intact(kept.response, expected).catch(() => undefined);
    if (bytes) {
      return (await run(bytes, kept.url))
        ? { ok: true, version: kept.version, source: "cache", stale, problem: got }
        : { ok: false, problem: "forbidden" };
    }
  }
  return { ok: false, problem: got };
}

interface Kept {
  url: string;
  /** By its address: headers are as easily written as the file. */
  version: string;
  /** When it was loaded; `NEVER` if it cannot have been then. */
  at: number;
  response: Response;
}

/**
 * The time of a file that says that it was kept in the future. The loader has not kept it, or a clock
 * was wrong: it runs for its pinned integrity only, and is forgotten by the next file that is loaded.
 */
const NEVER = -1;

/** Keeps a file, and forgets all but the newest of its name. Keeping is a favour: it may fail. */
async function keep(
  store: string,
  root: string,
  file: string,
  url: string,
  bytes: ArrayBuffer,
  integrity: string,
): Promise<void> {
  try {
    const cache = await caches.open(store);
    const forget = (all: Kept[]) => Promise.all(all.map((kept) => cache.delete(kept.url)));
    const all = await list(cache, root, file);
    const others = all.filter((kept) => kept.url !== url);
    await forget(others.filter(({ at }) => at === NEVER));
    const [newest] = all;
    const isKept =
      newest?.url === url &&
      newest.at !== NEVER &&
      (await intact(newest.response, integrity).catch(() => undefined));
    // Mostly nothing has changed since the page before.
    if (!isKept) {
      // In place of what is there, which stays if there is no room.
      const headers = { [INTEGRITY]: integrity, [KEPT_AT]: `${Date.now()}` };
      await cache.put(url, new Response(bytes, { headers }));
    }
    await forget(others.slice(KEPT - 1));
  } catch {
    // Blocked or full.
  }
}

/** What may run of what is kept of a file: this version first, then the others, the newest first. */
async function recall(store: string, root: string, file: string, version: string): Promise<Kept[]> {
  try {
    const all = await list(await caches.open(store), root, file);
    const isWanted = (kept: Kept) => kept.version === version;
    return [...all.filter(isWanted), ...all.filter((kept) => !isWanted(kept) && kept.at !== NEVER)];
  } catch {
    // Blocked, or none.
    return [];
  }
}

/** The kept versions of a file, `ROOT/VERSION/FILE`, the newest first. */
async function list(cache: Cache, root: string, file: string): Promise<Kept[]> {
  const found: Kept[] = [];
  for (const { url } of await cache.keys()) {
    const below = url.startsWith(root) ? url.slice(root.length) : "";
    const end = below.indexOf("/");
    const response = end > 0 && below.slice(end + 1) === file && (await cache.match(url));
    if (response) {
      const at = Number(response.headers.get(KEPT_AT));
      const isPast = at >= 0 && at <= Date.now();
      found.push({ url, version: below.slice(0, end), at: isPast ? at : NEVER, response });
    }
  }
  // Not the order of keys: not every browser moves what is put again to the end.
  return found.sort((a, b) => b.at - a.at);
}
