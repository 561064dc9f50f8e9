/** Which file, as `tegata publish files` prints it. */
export interface PluginFile {
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
/** Why nothing of the CDN's was run. */
export type LoadProblem = 
/** No answer, or none in time, or a server's error. */
"unreachable"
/** The CDN does not have it: 403, 404. */
 | "missing"
/** What it sent is not what was published. */
 | "tampered"
/** The page does not let it run. */
 | "forbidden";
export type Loaded = {
    ok: true;
    /** The version that runs. */
    version: string;
    source: "cdn" | "cache";
    /** Whether that is another version than the one that was asked for. */
    stale: boolean;
    /** Why it is not the CDN's. */
    problem?: LoadProblem;
} | {
    ok: false;
    problem: LoadProblem;
};
/**
 * Loads and runs a file: the CDN's; the kept one of this version if the CDN cannot be reached or is
 * not to be trusted; else the last other version that was kept. Nothing runs whose hash is wrong,
 * and no file runs twice on a page.
 *
 * Never rejects for anything that the network does; with a `TypeError` if the integrity or the base is none.
 */
export declare function loadPlugin(wanted: PluginFile): Promise<Loaded>;
