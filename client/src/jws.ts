// Compact JWS (RFC 7515) by ES256: what is signed by a pinned key.

import type { Key } from "./types.js";

const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/**
 * The JSON payload of a JWS whose header is exactly `alg` (ES256), `typ` and the `kid` of one of the keys.
 *
 * Rejects with `forged` or `unknown_key`.
 */
export async function payload(
  jws: string | undefined,
  typ: string,
  keys: readonly Key[],
): Promise<unknown> {
  let why = "forged";
  try {
    const [head, body, tail, ...more] = jws!.split(".") as [string, string, string];
    const { alg, typ: type, kid, ...others } = json(head) as Record<string, unknown>;
    // Nothing else that might want the rest read differently, such as crit, b64 or jwk.
    if (alg === "ES256" && type === typ && !Object.keys({ ...others, ...more }).length) {
      why = "unknown_key";
      const [jwk, twin] = keys.filter((key) => kid && key.kid === kid);
      // WebCrypto refuses keys on other curves than P-256.
      const { kty, crv, x, y } = twin ? ({} as Key) : jwk!;
      const { subtle } = crypto;
      const key = await subtle.importKey("jwk", { kty, crv, x, y }, ECDSA, false, ["verify"]);
      why = "forged";
      const signed = new TextEncoder().encode(`${head}.${body}`);
      // 64 bytes (RFC 7518, section 3.4): Firefox's WebCrypto takes fewer if both numbers are small.
      if (tail.length === 86 && (await subtle.verify(ECDSA, key, bytes(tail), signed))) {
        return Object(json(body));
      }
    }
  } catch {
    // As far as it came.
  }
  throw why;
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
