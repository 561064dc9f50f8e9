// kintone's clock: what a licence is judged by. The PC's own is the user's to set.

import { limit } from "./transport.js";

/** One look at kintone's clock. */
export interface Reading {
  /** What it said, in milliseconds since 1970. */
  kintone: number;
  /** What the PC's clock said then, likewise. */
  pc: number;
}

/** How long a reading serves, and how soon another is tried after one that failed. */
const FRESH = 3 * 3_600_000;
const RETRY = 60_000;

/** The page's last reading. */
export let reading: Reading | undefined;
/** `performance.now()` then: it goes on evenly, whatever becomes of the PC's clock. */
let read = 0;
/** When a look began that has not come to anything, likewise. */
let tried = -RETRY;
let pending: Promise<void> | undefined;

/**
 * kintone's time. `undefined` if it cannot be read.
 *
 * It is the `Date` of the page's own server (RFC 9110, section 6.6.1), in whole seconds. The
 * request is not one of the REST API, whose calls are counted.
 */
export async function kintoneNow(): Promise<number | undefined> {
  const mono = performance.now();
  if (!isFresh(mono) && mono - tried >= RETRY) {
    tried = mono;
    pending = look();
  }
  await pending;
  // An old reading, continued evenly, is still better than the PC's clock.
  return reading && reading.kintone + performance.now() - read;
}

function isFresh(mono: number): boolean | undefined {
  const run = mono - read;
  // The two run apart if the PC slept, which may stop the even one, or if its clock was set.
  return reading && run < FRESH && Math.abs(Date.now() - reading.pc - run) < RETRY;
}

async function look(): Promise<void> {
  try {
    const kintone = await limit(readClock(), 3_000);
    if (kintone) {
      reading = { kintone, pc: Date.now() };
      read = performance.now();
      tried = -RETRY;
    }
  } catch {
    // No clock to read.
  }
}

/**
 * One look at kintone's clock, in milliseconds; NaN if the answer has none. Rejects without an answer,
 * after `ms` milliseconds at most if that is given.
 */
export async function readClock(ms?: number): Promise<number> {
  const signal = ms ? AbortSignal.timeout(ms) : null;
  const response = await fetch("/k/", { method: "HEAD", cache: "no-store", signal });
  return Date.parse(response.headers.get("Date")!);
}
