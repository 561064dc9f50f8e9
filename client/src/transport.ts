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

/** `GET`s the licence of a tenant. Rejects if there is no answer within eight seconds. */
export function ask(
  { product, endpoint, version, serial, pluginId, transport = "auto" }: Options,
  kintone: Kintone | undefined,
  domain: string,
): Promise<Answer> {
  const query = version ? `?version=${encodeURIComponent(version)}` : "";
  const [of, by] = [product, domain].map(encodeURIComponent);
  const path = `/v1/products/${of}/domains/${by}/license${query}`;
  const url = new URL(path, endpoint).href;
  const headers: Record<string, string> = serial ? { "X-License-Serial": serial } : {};
  const app = kintone?.plugin?.app;
  const is = (name: string, isHere: unknown) =>
    transport === "auto" ? isHere : transport === name;
  return limit(
    is("plugin-proxy", pluginId && app?.proxy)
      ? // The serial is a header that the settings screen saved, and that the page never sees.
        app!.proxy!(pluginId!, url, "GET", {}, {})
      : is("proxy", kintone?.proxy)
        ? kintone!.proxy!(url, "GET", headers, {})
        : fetched(url, headers),
  );
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
