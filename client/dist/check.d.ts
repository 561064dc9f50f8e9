import type { License, Options } from "./types.js";
/**
 * Checks the licence of the page's tenant.
 *
 * Never rejects for anything that the world does; with a `TypeError` if the options are wrong.
 * With a lease in the cache it does not wait for the network.
 */
export declare function checkLicense(options: Options): Promise<License>;
