// A file of the CDN: fetched, checked, and then run.
//
// A `<script integrity>` would check as much, but says neither why it failed nor when it gives up,
// and one that was given up on may still run later.

import type { ReleaseFlaw } from "./release.js";

/** Why nothing of the CDN's was run. */
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
 * What the CDN sends, as it is read: `read` rejects with what is wrong with it, if anything. That, or
 * why there is nothing, is the outcome too; it is a text.
 */
export async function download<T, Flaw = "tampered">(
  url: string,
  ms: number,
  read: (response: Response) => Promise<T>,
): Promise<T | FileProblem | Flaw> {
  let problem: FileProblem | Flaw = "unreachable";
  try {
    const signal = AbortSignal.timeout(ms);
    // The browser keeps what the CDN sent, a file for a year. If that came broken, or is what a page's
    // plain <script> got, without the CORS headers, it would stay so: the second time it is not used.
    for (const cache of ["default", "reload"] as const) {
      try {
        const response = await fetch(url, {
          cache,
          credentials: "omit",
          // The CDN's log tells tenants apart by it; the page's path is nobody's business.
          referrerPolicy: "strict-origin",
          signal,
        });
        if (!response.ok) {
          return response.status < 500 ? "missing" : "unreachable";
        }
        return await read(response);
      } catch (error) {
        // No answer, or none that the page may read. When time is up, the second ends at once.
        if (typeof error === "string") {
          problem = error as Flaw;
        }
      }
    }
  } catch {
    // A browser without `AbortSignal.timeout`.
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
 * Runs a classic script. Whether it was let run; its own errors are the page's, as any script's.
 * `members` are those of its `document.currentScript`.
 */
export async function run(bytes: ArrayBuffer, url: string, members = {}): Promise<boolean> {
  // Where it came from, for stack traces.
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

/** Why it is not what the CDN has: of its file, or of the document that says which. */
export type LoadProblem =
  | FileProblem
  | ReleaseFlaw
  /** The document names no version for this tenant yet. */
  | "unreleased";

/** What came of loading. */
export type Loaded =
  | {
      ok: true;
      /** The version that runs; `bundled` for what the package brought. */
      version: string;
      source: "cdn" | "cache" | "bundled";
      /** Whether that is another version than the one that is known to be wanted. */
      stale: boolean;
      /** Why it is not the CDN's; of what was kept, how the last request failed, if it did. */
      problem?: LoadProblem;
      /** Loads another file of the release that runs. Not there for a pinned file, or a bundled one. */
      loadFile?: LoadFile;
    }
  | { ok: false; problem: LoadProblem };

/** Loads and runs a file by its path below the version's. */
export type LoadFile = (path: string) => Promise<Loaded>;
