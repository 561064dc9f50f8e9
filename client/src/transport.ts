// How the licence API is reached, and how long is waited for it.

import type { Kintone, Options } from "./types.js";

/** What [`limit`] rejects with. */
export const LATE = {};

/** The outcome of some work, or a rejection with [`LATE`] if it takes more milliseconds. */
export function limit<T>(work: PromiseLike<T>, ms = 8_000): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(reject, ms, LATE);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** Body, status, headers. */
type Answer = [string, number, Record<string, string>];

/**
 * Prepares `GET` of a tenant's licence. Throws if the options allow no request: an endpoint that is
 * not a URL, or a transport that the page does not have.
 *
 * What it returns rejects if there is no answer within eight seconds. It throws, and does not
 * reject, if kintone refuses to send.
 */
export function prepare(
  { product, endpoint, version, pluginId, transport = "auto" }: Options,
  serial: string | null,
  kintone: Kintone | undefined,
): (domain: string) => Promise<Answer> {
  const query = version ? `?version=${encodeURIComponent(version)}` : "";
  const { protocol, username, password } = new URL(endpoint);
  // `fetch` refuses an address with a password.
  if (!/^https?:$/.test(protocol) || username || password) {
    throw TypeError("bad endpoint");
  }
  const headers: Record<string, string> = serial ? { "X-License-Serial": serial } : {};
  const app = kintone?.plugin?.app;
  const way =
    transport !== "auto"
      ? transport
      : pluginId && app?.proxy
        ? "plugin-proxy"
        : kintone?.proxy
          ? "proxy"
          : "fetch";
  const ways = {
    // The serial is a header that the settings screen saved, and that the page never sees.
    "plugin-proxy": pluginId && app?.proxy && ((url: string) => app.proxy!(pluginId, url, "GET", {}, {})),
    proxy: kintone?.proxy && ((url: string) => kintone.proxy!(url, "GET", headers, {})),
    fetch: (url: string) => fetched(url, headers),
  };
  const send = ways[way];
  if (!send) {
    throw TypeError(`${way}: not on this page`);
  }
  return (domain) => {
    const path = `/v1/products/${product}/domains/${encodeURIComponent(domain)}/license${query}`;
    return limit(send(new URL(path, endpoint).href));
  };
}

async function fetched(url: string, headers: Record<string, string>): Promise<Answer> {
  const response = await fetch(url, { headers, credentials: "omit", cache: "no-store" });
  return [await response.text(), response.status, Object.fromEntries(response.headers)];
}

/** `Retry-After` in milliseconds; 0 if absent or, which the API does not use, a date. */
export function retryAfter(headers: Record<string, string>): number {
  // The proxies keep the spelling of the server's headers.
  const header = Object.entries(headers).find(([name]) => /^retry-after$/i.test(name));
  return Number(header?.[1]) * 1000 || 0;
}
