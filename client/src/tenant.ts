// Which tenant the page belongs to.

import type { Kintone } from "./types.js";

/** The base domains on which Cybozu runs kintone tenants, and what certificates put before. */
const BASE = /(\.s)?(\.(cybozu\.com|kintone\.com|cybozu\.cn))$/;

/**
 * The one spelling of a tenant's host name: lower case, no port, no trailing dot, and without the
 * `.s` of client-certificate access (`example.s.cybozu.com` is `example.cybozu.com`).
 */
export function canonicalDomain(host: string): string {
  return host
    .toLowerCase()
    .replace(/\.?(:\d*)?$/, "")
    .replace(BASE, "$2");
}

/**
 * The page's tenant in canonical form.
 *
 * The address counts where it is a kintone one: every screen has it, and no other script in the
 * page can change it, while `kintone.getDomain` can be replaced, and with it the tenant whose
 * licence is asked for. `getDomain` serves pages that stand elsewhere, such as a test page.
 */
export async function tenant(kintone: Kintone | undefined): Promise<string> {
  const host = canonicalDomain(location.hostname);
  if (!BASE.test(host)) {
    try {
      const { subdomain, baseDomain } = await kintone!.getDomain!();
      return canonicalDomain(`${subdomain}.${baseDomain}`);
    } catch {
      // Not on this screen. The address it is.
    }
  }
  return host;
}
