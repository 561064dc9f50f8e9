import type { ReleaseFlaw } from "./release.js";
/** Why nothing of the CDN's was run. */
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
 * What the CDN sends, as it is read: `read` rejects with what is wrong with it, if anything. That, or
 * why there is nothing, is the outcome too; it is a text.
 */
export declare function download<T, Flaw = "tampered">(url: string, ms: number, read: (response: Response) => Promise<T>): Promise<T | FileProblem | Flaw>;
/** The bytes of a file, if they have the hash. Rejects with `tampered`. */
export declare function intact(file: Response, integrity: unknown): Promise<ArrayBuffer>;
/**
 * Runs a classic script. Whether it was let run; its own errors are the page's, as any script's.
 * `members` are those of its `document.currentScript`.
 */
export declare function run(bytes: ArrayBuffer, url: string, members?: {}): Promise<boolean>;
/** Why it is not what the CDN has: of its file, or of the document that says which. */
export type LoadProblem = FileProblem | ReleaseFlaw
/** The document names no version for this tenant yet. */
 | "unreleased";
/** What came of loading. */
export type Loaded = {
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
} | {
    ok: false;
    problem: LoadProblem;
};
/** Loads and runs a file by its path below the version's. */
export type LoadFile = (path: string) => Promise<Loaded>;
