import { type Loaded } from "./file.js";
import { type Signer } from "./release.js";
export type { FileProblem, Loaded, LoadFile, LoadProblem } from "./file.js";
export type { ReleaseFlaw, Signer } from "./release.js";
export type { Key } from "./types.js";
/** What a package knows of the release that it loads. */
export interface PluginRelease extends Signer {
    /** The CDN's origin, such as `https://cdn.example.com`. */
    base: string;
    /** The path below the version's of the file to run, such as `plugin.min.js`. */
    entry: string;
    /** Runs what the package brought, if nothing of the CDN's can run. */
    bundled?: (() => unknown) | undefined;
    /** Called if the next page view will run another version. */
    onUpdate?: ((update: {
        version: string;
    }) => void) | undefined;
    /** How long the CDN is waited for, in milliseconds, if nothing was kept: 8000 if not given. */
    timeout?: number | undefined;
}
/**
 * Loads and runs a file of the release that is current for the page's tenant. What was kept runs at once,
 * and is refreshed behind the page; without it the CDN is waited for; the last resort is what the
 * package brought. Nothing of the CDN's runs whose hash no authentic document names, a page runs one
 * release of a product, and no file runs twice on it.
 *
 * Never rejects for anything that the network does; with a `TypeError` if the options are wrong, and
 * with what `bundled` rejects with.
 */
export declare function loadPlugin(wanted: PluginRelease): Promise<Loaded>;
