import { type Loaded } from "./file.js";
import { type Signer } from "./release.js";
export type { FileProblem, Loaded, LoadFile, LoadProblem } from "./file.js";
export type { ReleaseFlaw, Signer } from "./release.js";
export type { Key } from "./types.js";
/** The options of [`loadPlugin`]. */
export interface PluginRelease extends Signer {
    /** The CDN's origin, such as `https://cdn.example.com`. */
    base: string;
    /** The path below the version's of the file to run, such as `plugin.min.js`. */
    entry: string;
    /** Runs the version in the package: the last resort if nothing of the CDN's can run. */
    bundled?: (() => unknown) | undefined;
    /** Called if the next page view will run another version. */
    onUpdate?: ((update: {
        version: string;
    }) => void) | undefined;
    /** How long the CDN is waited for, in milliseconds, if nothing was kept: 8000 if not given. */
    timeout?: number | undefined;
}
/**
 * Loads and runs a file of the release that is current for the page's tenant. A kept file runs at once,
 * and is refreshed after that. Without one, the page waits for the CDN. The last resort is `bundled`.
 *
 * A file of the CDN runs only if an authentic document has its hash. A page runs one release of a
 * product, and each file once.
 *
 * Rejects with a `TypeError` if the options are wrong, and with the error of `bundled`; never because of
 * the network.
 */
export declare function loadPlugin(wanted: PluginRelease): Promise<Loaded>;
