// Leases: checking that one is authentic, and reading from it what holds at an instant.
//
// A lease is a compact JWS (RFC 7515) by ES256. Its rules are in docs/API.md, "The lease".

import type { Code, Flaw, Grant, Options } from "./types.js";

/** The payload. Instants in seconds since 1970, or in RFC 3339 with the product's offset. */
export interface Claims extends Partial<Grant> {
  iss: string;
  aud: string;
  sub: string;
  /** When it was signed. Among authentic leases the newest counts. */
  iat: number;
  /** The hard stop of `VALID` and `GRACE`. */
  exp: number;
  usable_from: string;
  suspended_from?: string;
  valid_until: string;
  grace_until: string;
}

const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** A lease's claims, or what is wrong with it. */
export type Verdict = { lease?: Claims | undefined; why?: Flaw | undefined };

/** Whether a lease is authentic and about the tenant. Never rejects. */
export async function verify(
  jws: string | undefined,
  { keys, product, issuer }: Options,
  domain: string,
): Promise<Verdict> {
  let why: Flaw = "forged";
  const demand = (isMet: () => unknown, orElse: Flaw) => {
    why = orElse;
    if (!isMet()) {
      throw why;
    }
  };
  try {
    const [head, body, tail, ...more] = jws!.split(".") as [string, string, string];
    const signature = bytes(tail);
    const { alg, typ, kid, ...others } = json(head) as Record<string, unknown>;
    // Nothing else that might want the rest read differently, such as crit, b64 or jwk.
    const extra = Object.keys({ ...others, ...more });
    demand(() => alg === "ES256" && typ === "license+jwt" && !extra.length, "forged");
    const [jwk, twin] = keys.filter((key) => kid && key.kid === kid);
    demand(() => jwk && !twin, "unknown_key");
    // WebCrypto refuses keys on other curves than P-256, and signatures of other sizes than 64
    // bytes, such as DER's.
    const { kty, crv, x, y } = jwk!;
    const { subtle } = crypto;
    const key = await subtle.importKey("jwk", { kty, crv, x, y }, ECDSA, false, ["verify"]);
    const signed = new TextEncoder().encode(`${head}.${body}`);
    const isSigned = await subtle.verify(ECDSA, key, signature, signed);
    demand(() => isSigned, "forged");
    const lease = json(body) as Claims;
    demand(() => lease.aud === product, "wrong_product");
    demand(() => lease.sub === domain, "wrong_tenant");
    demand(() => !issuer || lease.iss === issuer, "wrong_issuer");
    demand(() => isWellFormed(lease), "malformed");
    return { lease };
  } catch {
    return { why };
  }
}

/** The bytes of strict base64url (RFC 7515, section 2): one spelling for each, no padding. */
function bytes(text: string): Uint8Array<ArrayBuffer> {
  const base64 = text.replace(/-/g, "+").replace(/_/g, "/");
  const binary = atob(base64);
  if (/[+/]/.test(text) || btoa(binary).replace(/=/g, "") !== base64) {
    throw text;
  }
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}

function json(part: string): unknown {
  return JSON.parse(new TextDecoder().decode(bytes(part)));
}

/** What is decided by. What else the vendor has signed is the plug-in's to read. */
function isWellFormed(claims: Claims): boolean {
  const { suspended_from, usable_from, valid_until, grace_until, iat, exp } = claims;
  const instants = [usable_from, valid_until, grace_until, suspended_from ?? usable_from];
  return instants.every(Date.parse) && [iat, exp].every(Number.isSafeInteger);
}

/** What holds at an instant. */
export interface State {
  code: Code;
  /** `VALID` or `GRACE`. */
  usable: boolean;
  /** When the code changes by itself, in RFC 3339 with the product's offset, if that is known. */
  until: string | undefined;
}

/**
 * What a lease says at an instant, in milliseconds. An instant belongs to what begins at it.
 *
 * Nothing (`undefined`) from its hard stop on, unless it is a denial: that outlives its `exp`, and
 * the lease of an expired licence is even born with it behind.
 */
export function stateAt(claims: Claims, now: number): State | undefined {
  const { suspended_from, usable_from, valid_until, grace_until, exp } = claims;
  let code: Code = "EXPIRED";
  let until: string | undefined;
  for (const [before, end] of [
    ["GRACE", grace_until],
    ["VALID", valid_until],
    ["NOT_STARTED", usable_from],
  ] as const) {
    if (now < Date.parse(end)) {
      code = before;
      until = end;
    }
  }
  // What there is none of is NaN, and no comparison with it holds.
  const suspended = Date.parse(suspended_from!);
  if (now >= suspended) {
    code = "SUSPENDED";
    until = undefined;
  } else if (suspended < Date.parse(until!)) {
    until = suspended_from;
  }
  const usable = code === "VALID" || code === "GRACE";
  if (usable && !claims.term && Date.parse(until!) > exp * 1000) {
    // Without a serial, an end after the lease's own is not told.
    until = undefined;
  }
  return usable && now >= exp * 1000 ? undefined : { code, usable, until };
}
