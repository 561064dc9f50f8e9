import { type Loaded } from "./file.js";
/** Which file, as `tegata publish files` prints it. */
export interface PinnedFile {
    /** The CDN's origin, such as `https://cdn.example.com`. */
    base: string;
    /** The product's slug. */
    product: string;
    /** The version, such as `1.9.0`. */
    version: string;
    /** The path below the version's, such as `plugin.min.js`. */
    file: string;
    /** Its hash: `sha384-` and 64 characters of base64. */
    integrity: string;
    /** How long the CDN is waited for, in milliseconds: 8000 if not given. */
    timeout?: number | undefined;
}
export type { FileProblem, Loaded, LoadProblem } from "./file.js";
/**
 * Loads and runs a file: the CDN's; the kept one of this version if the CDN cannot be reached or is
 * not to be trusted; else the last other version that was kept. Nothing runs whose hash is wrong,
 * and no file runs twice on a page.
 *
 * Never rejects for anything that the network does; with a `TypeError` if the integrity or the base is none.
 */
export declare function loadPinned(wanted: PinnedFile): Promise<Loaded>;
