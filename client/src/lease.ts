// Leases: checking that one is authentic, and reading from it what holds at an instant.
//
// Its rules are in docs/API.md, "The lease".

import { payload } from "./jws.js";
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

/** A lease's claims, or what is wrong with it. */
export type Verdict = { lease?: Claims | undefined; why?: Flaw | undefined };

/** Whether a lease is authentic and about the tenant. Never rejects. */
export async function verify(
  jws: string | undefined,
  { keys, product, issuer }: Options,
  domain: string,
): Promise<Verdict> {
  try {
    const lease = (await payload(jws, "license+jwt", keys)) as Claims;
    const why =
      lease.aud !== product
        ? "wrong_product"
        : lease.sub !== domain
          ? "wrong_tenant"
          : issuer && lease.iss !== issuer
            ? "wrong_issuer"
            : !isWellFormed(lease) && "malformed";
    return why ? { why } : { lease };
  } catch (why) {
    // What is not a flaw's name is a claim that cannot be read.
    return { why: typeof why === "string" ? (why as Flaw) : "malformed" };
  }
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
