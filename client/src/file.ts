// A file of the CDN: fetch, check, run.
//
// `<script integrity>` checks the hash too. But it does not report why it failed, it has no time-out,
// and a script that was given up on may still run later.

import type { ReleaseFlaw } from "./release.js";

/** A problem with a file. */
export type FileProblem =
  /** No answer, or none in time, or a server's error. */
  | "unreachable"
  /** The CDN does not have it: 403, 404. */
  | "missing"
  /** What it sent is not what was published. */
  | "tampered"
  /** The page does not let it run. */
  | "forbidden";

/** How long the CDN is waited for, in milliseconds, if nothing else is asked for. */
export const TIMEOUT = 8_000;

/**
 * Fetches from the CDN, for `ms` milliseconds at most. Resolves with what `read` makes of the answer, or
 * with the problem, which is a text. `read` throws a text if the answer is invalid.
 */
export async function download<T, Flaw = "tampered">(
  url: string,
  ms: number,
  read: (response: Response) => Promise<T>,
): Promise<T | FileProblem | Flaw> {
  let problem: FileProblem | Flaw = "unreachable";
  try {
    const signal = AbortSignal.timeout(ms);
    // The browser caches a file for a year. A copy that is broken, or that a plain <script> of the page
    // fetched without CORS headers, would fail for as long. So the second attempt bypasses that cache.
    for (const cache of ["default", "reload"] as const) {
      try {
        const response = await fetch(url, {
          cache,
          credentials: "omit",
          // The CDN's log has the tenant's host name by it, and not the page's path.
          referrerPolicy: "strict-origin",
          signal,
        });
        if (!response.ok) {
          return response.status < 500 ? "missing" : "unreachable";
        }
        return await read(response);
      } catch (error) {
        // No answer, or none that the page may read. After the time-out the second attempt fails at once.
        if (typeof error === "string") {
          problem = error as Flaw;
        }
      }
    }
  } catch {
    // No time left, or a browser without `AbortSignal.timeout`.
  }
  return problem;
}

/** The bytes of a file, if they have the hash. Rejects with `tampered`. */
export async function intact(file: Response, integrity: unknown): Promise<ArrayBuffer> {
  const bytes = await file.arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-384", bytes));
  if (integrity !== `sha384-${btoa(String.fromCharCode(...digest))}`) {
    throw "tampered";
  }
  return bytes;
}

/**
 * Runs a classic script, and tells whether the page allowed it. Errors of the script are reported to the
 * page, as those of any script. `members` are added to its `document.currentScript`.
 */
export async function run(bytes: ArrayBuffer, url: string, members = {}): Promise<boolean> {
  // The CDN's address, for stack traces.
  const parts = [bytes, `\n//# sourceURL=${url}`];
  const address = URL.createObjectURL(new Blob(parts, { type: "text/javascript;charset=utf-8" }));
  try {
    await new Promise((onload, onerror) => {
      const script = document.createElement("script");
      document.head.append(Object.assign(script, { onload, onerror, src: address, ...members }));
    });
    return true;
  } catch {
    // Refused by the page's policy, or by Trusted Types.
    return false;
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** A problem with a file, or with the document. */
export type LoadProblem =
  | FileProblem
  | ReleaseFlaw
  /** The document names no version for this tenant yet. */
  | "unreleased";

/** The result of loading. */
export type Loaded =
  | {
      ok: true;
      /** The version that runs; `bundled` for the one in the package. */
      version: string;
      source: "cdn" | "cache" | "bundled";
      /** Whether another version is known to be wanted. */
      stale: boolean;
      /** Why the last request to the CDN failed; absent if it did not. */
      problem?: LoadProblem;
      /** Loads another file of the release that runs. Absent for a pinned file and for `bundled`. */
      loadFile?: LoadFile;
    }
  | { ok: false; problem: LoadProblem };

/** Loads and runs a file by its path below the version's. */
export type LoadFile = (path: string) => Promise<Loaded>;
