// The client's types against those of docs/openapi.json (src/api.ts): `npm run check` fails where they differ.

import type { components } from "../src/api.js";
import type { Claims } from "../src/lease.js";
import type { Code, Grant } from "../src/index.js";

type Answer = components["schemas"]["License"];
type Same<A, B> = [A, B] extends [B, A] ? true : never;

/** `UNREACHABLE` is the client's own, and `NOT_FOUND` comes as a problem. */
export const codes: Same<Code, Answer["code"] | "NOT_FOUND" | "UNREACHABLE"> = true;

/** What a lease and the answer both say. */
type Shared = keyof Claims & keyof Answer;
export const facts: Same<Required<Pick<Claims, Shared>>, Required<Pick<Answer, Shared>>> = true;
export const shared: Same<
  Shared,
  "kind" | "edition" | "users" | "quotas" | "term" | "usable_from" | "suspended_from" | "valid_until" | "grace_until"
> = true;
/** The links are the lease's only. */
export const grant: Same<Exclude<keyof Grant, keyof Answer>, "support" | "purchase_url"> = true;
