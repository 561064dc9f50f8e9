import type { Kintone } from "./types.js";
/**
 * The one spelling of a tenant's host name: lower case, no port, no trailing dot, and without the
 * `.s` of client-certificate access (`example.s.cybozu.com` is `example.cybozu.com`).
 */
export declare function canonicalDomain(host: string): string;
/**
 * The page's tenant in canonical form.
 *
 * The address counts where it is a kintone one: every screen has it, and no other script in the
 * page can change it, while `kintone.getDomain` can be replaced, and with it the tenant whose
 * licence is asked for. `getDomain` serves pages that stand elsewhere, such as a test page.
 */
export declare function tenant(kintone: Kintone | undefined): Promise<string>;
