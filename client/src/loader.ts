// Loads a version's file from the CDN with its integrity checked, and keeps the last good ones for
// when the CDN cannot be reached.
//
// A `<script integrity>` would check as much, but says neither why it failed nor when it gives up,
// and one that was given up on may still run later. So the bytes are fetched, checked, and then run.

/** Which file, as `tegata publish files` prints it. */
export interface PluginFile {
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

/** Why nothing of the CDN's was run. */
export type LoadProblem =
  /** No answer, or none in time, or a server's error. */
  | "unreachable"
  /** The CDN does not have it: 403, 404. */
  | "missing"
  /** What it sent is not what was published. */
  | "tampered"
  /** The page does not let it run. */
  | "forbidden";

export type Loaded =
  | {
      ok: true;
      /** The version that runs. */
      version: string;
      source: "cdn" | "cache";
      /** Whether that is another version than the one that was asked for. */
      stale: boolean;
      /** Why it is not the CDN's. */
      problem?: LoadProblem;
    }
  | { ok: false; problem: LoadProblem };

const TIMEOUT = 8_000;

/** How many versions of a file are kept. */
const KEPT = 2;

/** What a kept file is checked and forgotten by. */
const INTEGRITY = "x-integrity";
const KEPT_AT = "x-kept-at";

/** Each plug-in has a copy of this loader in it: what was loaded is noted where all of them see it. */
const LOADS = Symbol.for("tegata.loads");
type Page = { [LOADS]?: Map<string, Promise<Loaded>> };

/**
 * Loads and runs a file: the CDN's; the kept one of this version if the CDN cannot be reached or is
 * not to be trusted; else the last other version that was kept. Nothing runs whose hash is wrong,
 * and no file runs twice on a page.
 *
 * Never rejects for anything that the network does; with a `TypeError` if the integrity or the base is none.
 */
export async function loadPlugin(wanted: PluginFile): Promise<Loaded> {
  if (!/^sha384-[\w+/]{64}$/.test(wanted.integrity)) {
    throw new TypeError("loadPlugin: integrity is not sha384- and 64 characters of base64");
  }
  const { base, product, file } = wanted;
  // As the browser writes it: kept files are found by it.
  const root = new URL(`${base.replace(/\/*$/, "/")}${product}/`).href;
  const name = `${product}/${file}`;
  const loads = ((globalThis as Page)[LOADS] ??= new Map<string, Promise<Loaded>>());
  let loading = loads.get(name);
  if (!loading) {
    loading = load(root, wanted);
    loads.set(name, loading);
    // What did not run may be tried again.
    void loading.then(({ ok }) => ok || loads.delete(name));
  }
  return loading;
}

async function load(root: string, wanted: PluginFile): Promise<Loaded> {
  const { product, version, file, integrity, timeout } = wanted;
  const url = `${root}${version}/${file}`;
  const store = `tegata/${product}`;
  const got = await download(url, integrity, timeout ?? TIMEOUT);
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
    const bytes = await kept.response.arrayBuffer().catch(() => new ArrayBuffer());
    if (await isIntact(bytes, expected)) {
      return (await run(bytes, kept.url))
        ? { ok: true, version: kept.version, source: "cache", stale, problem: got }
        : { ok: false, problem: "forbidden" };
    }
  }
  return { ok: false, problem: got };
}

/** The CDN's file, if it is what was published. */
async function download(url: string, integrity: string, ms: number): Promise<ArrayBuffer | LoadProblem> {
  let problem: LoadProblem = "unreachable";
  try {
    const signal = AbortSignal.timeout(ms);
    // The browser keeps what the CDN sent for a year. If that came broken, or is what a page's plain
    // <script> got, without the CORS headers, it would stay so: the second time it is not used.
    for (const cache of ["default", "reload"] as const) {
      try {
        const response = await fetch(url, {
          cache,
          credentials: "omit",
          // The CDN's log tells tenants apart by it; the page's path is nobody's business.
          referrerPolicy: "strict-origin",
          signal,
        });
        if (!response.ok) {
          return response.status < 500 ? "missing" : "unreachable";
        }
        const bytes = await response.arrayBuffer();
        if (await isIntact(bytes, integrity)) {
          return bytes;
        }
        problem = "tampered";
      } catch {
        // No answer, or none that the page may read. When time is up, the second ends at once.
      }
    }
  } catch {
    // A browser without `AbortSignal.timeout`.
  }
  return problem;
}

async function isIntact(bytes: ArrayBuffer, integrity: string | null): Promise<boolean> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-384", bytes));
  return integrity === `sha384-${btoa(String.fromCharCode(...digest))}`;
}

/** Runs a classic script. Whether it was let run; its own errors are the page's, as any script's. */
async function run(bytes: ArrayBuffer, url: string): Promise<boolean> {
  // Where it came from, for stack traces.
  const parts = [bytes, `\n//# sourceURL=${url}`];
  const address = URL.createObjectURL(new Blob(parts, { type: "text/javascript;charset=utf-8" }));
  try {
    return await new Promise<boolean>((done) => {
      const script = document.createElement("script");
      script.onload = () => done(true);
      script.onerror = () => done(false);
      script.src = address;
      document.head.append(script);
    });
  } catch {
    // Trusted Types.
    return false;
  } finally {
    URL.revokeObjectURL(address);
  }
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
      (await isIntact(await newest.response.arrayBuffer(), integrity));
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
