import type { ReleaseFlaw } from "./release.js";
/** A problem with a file. */
export type FileProblem = 
/** No answer, or none in time, or a server's error. */
"unreachable"
/** The CDN does not have it: 403, 404. */
 | "missing"
/** What it sent is not what was published. */
 | "tampered"
/** The page does not let it run. */
 | "forbidden";
/** How long the CDN is waited for, in milliseconds, if nothing else is asked for. */
export declare const TIMEOUT = 8000;
/**
 * Fetches from the CDN, for `ms` milliseconds at most. Resolves with what `read` makes of the answer, or
 * with the problem, which is a text. `read` throws a text if the answer is invalid.
 */
export declare function download<T, Flaw = "tampered">(url: string, ms: number, read: (response: Response) => Promise<T>): Promise<T | FileProblem | Flaw>;
/** The bytes of a file, if they have the hash. Rejects with `tampered`. */
export declare function intact(file: Response, integrity: unknown): Promise<ArrayBuffer>;
/**
 * Runs a classic script, and tells whether the page allowed it. Errors of the script are reported to the
 * page, as those of any script. `members` are added to its `document.currentScript`.
 */
export declare function run(bytes: ArrayBuffer, url: string, members?: {}): Promise<boolean>;
/** A problem with a file, or with the document. */
export type LoadProblem = FileProblem | ReleaseFlaw
/** The document names no version for this tenant yet. */
 | "unreleased";
/** The result of loading. */
export type Loaded = {
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
} | {
    ok: false;
    problem: LoadProblem;
};
/** Loads and runs a file by its path below the version's. */
export type LoadFile = (path: string) => Promise<Loaded>;
