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

/** What a kept file is found and checked by. */
const INTEGRITY = "x-integrity";
const VERSION = "x-version";

const loads = new Map<string, Promise<Loaded>>();

/**
 * Loads and runs a file: the CDN's; the kept one of this version if the CDN cannot be reached or is
 * not to be trusted; else the last other version that was kept. Nothing runs whose hash is wrong,
 * and no file runs twice on a page.
 *
 * Never rejects for anything that the network does; with a `TypeError` if the integrity is none.
 */
export async function loadPlugin(wanted: PluginFile): Promise<Loaded> {
  if (!/^sha384-[\w+/]{64}$/.test(wanted.integrity)) {
    throw new TypeError("loadPlugin: integrity is not sha384- and 64 characters of base64");
  }
  const { product, file } = wanted;
  const name = `${product}/${file}`;
  let loading = loads.get(name);
  if (!loading) {
    loading = load(wanted);
    loads.set(name, loading);
    // What did not run may be tried again.
    void loading.then(({ ok }) => ok || loads.delete(name));
  }
  return loading;
}

async function load({ base, product, version, file, integrity, timeout }: PluginFile): Promise<Loaded> {
  const url = `${base.replace(/\/+$/, "")}/${product}/${version}/${file}`;
  const store = `tegata/${product}`;
  let problem: LoadProblem = "unreachable";
  try {
    const response = await fetch(url, {
      credentials: "omit",
      // The CDN's log tells tenants apart by it; the page's path is nobody's business.
      referrerPolicy: "strict-origin",
      signal: AbortSignal.timeout(timeout ?? TIMEOUT),
    });
    if (response.ok) {
      const bytes = await response.arrayBuffer();
      if (await isIntact(bytes, integrity)) {
        if (!(await run(bytes, url))) {
          return { ok: false, problem: "forbidden" };
        }
        void keep(store, url, file, { bytes, integrity, version });
        return { ok: true, version, source: "cdn", stale: false };
      }
      problem = "tampered";
    } else if (response.status < 500) {
      problem = "missing";
    }
  } catch {
    // No answer, or none in time.
  }
  for (const kept of await recall(store, url, file)) {
    // This version is checked by what is asked for, another by what was asked for then.
    const stale = kept.version !== version;
    if (await isIntact(kept.bytes, stale ? kept.integrity : integrity)) {
      return (await run(kept.bytes, url))
        ? { ok: true, version: kept.version, source: "cache", stale, problem }
        : { ok: false, problem: "forbidden" };
    }
  }
  return { ok: false, problem };
}

async function isIntact(bytes: ArrayBuffer, integrity: string): Promise<boolean> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-384", bytes));
  return integrity === `sha384-${btoa(String.fromCharCode(...digest))}`;
}

/** Runs a classic script. Whether it was let run; its own errors are the page's, as any script's. */
function run(bytes: ArrayBuffer, url: string): Promise<boolean> {
  const script = document.createElement("script");
  // Where it came from, for stack traces.
  const blob = new Blob([bytes, `\n//# sourceURL=${url}`], { type: "text/javascript" });
  const address = URL.createObjectURL(blob);
  return new Promise<boolean>((done) => {
    script.onload = () => done(true);
    script.onerror = () => done(false);
    script.src = address;
    document.head.append(script);
  }).finally(() => URL.revokeObjectURL(address));
}

interface Kept {
  bytes: ArrayBuffer;
  integrity: string;
  version: string;
}

/** Keeps a file, and forgets all but the newest of its name. Keeping is a favour: it may fail. */
async function keep(store: string, url: string, file: string, kept: Kept): Promise<void> {
  try {
    const cache = await caches.open(store);
    const headers = { [INTEGRITY]: kept.integrity, [VERSION]: kept.version };
    // To the end: the order is that in which they were kept.
    await cache.delete(url);
    await cache.put(url, new Response(kept.bytes, { headers }));
    const known = (await cache.keys()).filter((request) => isOf(request, file));
    await Promise.all(known.slice(0, -KEPT).map((request) => cache.delete(request)));
  } catch {
    // Blocked or full.
  }
}

/** What is kept of a file: this version first, then the others, the newest first. */
async function recall(store: string, url: string, file: string): Promise<Kept[]> {
  const found: Kept[] = [];
  try {
    const cache = await caches.open(store);
    const known = (await cache.keys()).filter((request) => isOf(request, file)).reverse();
    known.sort((a, b) => Number(b.url === url) - Number(a.url === url));
    for (const request of known) {
      const response = await cache.match(request);
      if (response) {
        found.push({
          bytes: await response.arrayBuffer(),
          integrity: response.headers.get(INTEGRITY) ?? "",
          version: response.headers.get(VERSION) ?? "",
        });
      }
    }
  } catch {
    // Blocked, or none.
  }
  return found;
}

/** Whether it is a version of the file: `/PRODUCT/VERSION/FILE`. */
function isOf({ url }: Request, file: string): boolean {
  return new URL(url).pathname.split("/").slice(3).join("/") === file;
}
