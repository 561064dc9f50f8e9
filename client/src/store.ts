// What is remembered between pages: one JSON text per product and tenant in `localStorage`.
//
// It is a note, not evidence: the lease in it is verified at every check, and everything else is
// read as a hint that a check can do without.

import type { Reason } from "./types.js";

const BLANK = {
  /** The newest authentic lease. */
  lease: "",
  /** How the last request failed; empty if it did not. */
  why: "" as Reason | "",
  /** The last reading of kintone's clock, and the PC's clock then. */
  kintone: 0,
  pc: 0,
  /** When to ask again, and not before. All below are by kintone's clock, in milliseconds. */
  refresh: 0,
  /** Since when answers have been missing; 0 if they have not. */
  offline: 0,
  /** The last failed request; 0 if the last one went well. */
  failed: 0,
};

export type Memo = typeof BLANK;

/** What could not be stored, for this page. */
const memory = new Map<string, string>();

/** Whether it can be this library's: JSON has 1e999, and a reason is shown to people. */
const isSound = (name: string, value: unknown) =>
  typeof value === "number"
    ? Number.isFinite(value)
    : name !== "why" || /^[a-z_]{0,16}$/.test(value as string);

/** The memo; a blank one, wholly or in part, for what is absent or corrupt. */
export function load(key: string): Memo {
  const memo: Memo = { ...BLANK };
  try {
    const stored = JSON.parse(memory.get(key) ?? localStorage.getItem(key)!);
    for (const name in BLANK) {
      const value = stored[name];
      if (typeof value === typeof memo[name as keyof Memo] && isSound(name, value)) {
        Object.assign(memo, { [name]: value });
      }
    }
  } catch {
    // Blocked, absent or corrupt.
  }
  return memo;
}

export function save(key: string, memo: Memo): void {
  const text = JSON.stringify(memo);
  try {
    localStorage.setItem(key, text);
    memory.delete(key);
  } catch {
    // Full or blocked.
    memory.set(key, text);
  }
}
