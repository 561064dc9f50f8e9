import type { Flaw, Key } from "./types.js";
/** A version and its files. */
export interface Release {
    /** Such as `1.9.0`. */
    version: string;
    /** The path below the version's, such as `chunk/a.js`, to its hash: `sha384-` and base64. */
    files: Record<string, string>;
}
/** The payload. Instants in seconds since 1970. */
export interface ReleaseClaims extends Release {
    iss: string;
    /** The product. */
    aud: string;
    /** When it was signed. Among authentic documents the newest counts. */
    iat: number;
    /** The notice that announced the version; absent after an emergency. */
    notice?: string;
    /** When the version begins to count, by kintone's clock. */
    from?: number;
    /** The tenants that run the version; absent: all. A tenant is in it if either member has it. */
    stage?: {
        /** A share of all tenants: an integer from 1 to 99. */
        percent?: number;
        /** Tenants by number, in lower-case hexadecimal digits. */
        tenants?: string[];
    };
    /** What the other tenants run, and all of them before `from`. */
    before?: Release;
}
/** Authentic claims, and the text that was signed. */
export interface Document extends ReleaseClaims {
    text: string;
}
/** What is wrong with a document, as with a lease. */
export type ReleaseFlaw = Exclude<Flaw, "wrong_tenant" | "lease_ended">;
/** Whose documents are accepted. */
export interface Signer {
    /** The product's slug, such as `sheet`. */
    product: string;
    /** The pinned release keys: the `keys` of `/.well-known/release-keys.json`. */
    keys: readonly Key[];
    /** The vendor's issuer; a document's `iss` is checked against it if given. */
    issuer?: string | undefined;
}
/** An authentic document. Rejects with a [`ReleaseFlaw`]. */
export declare function verifyRelease(text: string, signer: Signer): Promise<Document>;
/**
 * Whether a document's stage has a tenant, by the SHA-256 of `VERSION/DOMAIN`: the first 16 bytes are
 * its number; it is in a share if the first 4 are below it, as a share of 2^32.
 */
export declare function isInStage({ version, stage }: ReleaseClaims, domain: string): Promise<boolean>;
