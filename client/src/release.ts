// The current release: the signed document that says which version a product's tenants run.
//
// `/<product>/current.jwt` on the CDN is a compact JWS. Its rules are in LOADER.md, "The document".

import { payload } from "./jws.js";
import type { Flaw, Key } from "./types.js";

/** A version and its files. */
export interface Release {
  /** Such as `1.9.0`. */
  version: string;
  /** The path below the version's, such as `chunk/a.js`, to its hash: `sha384-` and base64. */
  files: Record<string, string>;
}

/** The payload. Instants in seconds since 1970. */
export interface ReleaseClaims extends Release {
  iss: string;
  /** The product. */
  aud: string;
  /** When it was signed. Among authentic documents the newest counts. */
  iat: number;
  /** The notice that announced the version; absent after an emergency. */
  notice?: string;
  /** When the version begins to count, by kintone's clock. */
  from?: number;
  /** The tenants that run the version; absent: all. A tenant is in it if either member has it. */
  stage?: {
    /** A share of all tenants: an integer from 1 to 99. */
    percent?: number;
    /** Tenants by number, in lower-case hexadecimal digits. */
    tenants?: string[];
  };
  /** What the other tenants run, and all of them before `from`. */
  before?: Release;
}

/** Authentic claims, and the text that was signed. */
export interface Document extends ReleaseClaims {
  text: string;
}

/** What is wrong with a document, as with a lease. */
export type ReleaseFlaw = Exclude<Flaw, "wrong_tenant" | "lease_ended">;

/** Whose documents are accepted. */
export interface Signer {
  /** The product's slug, such as `sheet`. */
  product: string;
  /** The pinned release keys: the `keys` of `/.well-known/release-keys.json`. */
  keys: readonly Key[];
  /** The vendor's issuer; a document's `iss` is checked against it if given. */
  issuer?: string | undefined;
}

/** An authentic document. Rejects with a [`ReleaseFlaw`]. */
export async function verifyRelease(text: string, signer: Signer): Promise<Document> {
  const claims = (await payload(text, "release+jwt", signer.keys)) as ReleaseClaims;
  const { aud, iss, iat, from = 0, before } = claims;
  if (aud !== signer.product) {
    throw "wrong_product";
  }
  if (signer.issuer && iss !== signer.issuer) {
    throw "wrong_issuer";
  }
  const isRelease = ({ version, files }: Release) =>
    typeof version === "string" && Object(files) === files;
  if (![iat, from].every(Number.isSafeInteger) || ![claims, before ?? claims].every(isRelease)) {
    throw "malformed";
  }
  return { ...claims, text };
}

/**
 * Whether a document's stage has a tenant, by the SHA-256 of `VERSION/DOMAIN`: the first 16 bytes are
 * its number; it is in a share if the first 4 are below it, as a share of 2^32.
 */
export async function isInStage(
  { version, stage = {} }: ReleaseClaims,
  domain: string,
): Promise<boolean> {
  const text = new TextEncoder().encode(`${version}/${domain}`);
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", text)).slice(0, 16);
  const number = [...bytes].map((byte) => (byte + 256).toString(16).slice(1)).join("");
  return (
    parseInt(number.slice(0, 8), 16) * 100 < stage.percent! * 2 ** 32 ||
    [stage.tenants].flat().includes(number)
  );
}
