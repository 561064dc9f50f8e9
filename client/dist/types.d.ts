/**
 * The state of a licence, in the order of the licence API's table: the first that applies counts.
 * `UNREACHABLE` is the client's own: there is nothing authentic to go by.
 */
export type Code = "VALID" | "GRACE" | "EXPIRED" | "SUSPENDED" | "NOT_STARTED" | "NOT_FOUND" | "UNREACHABLE";
/** No answer arrived, or none that says anything about the licence. */
export type Missing = 
/** The transport failed. */
"offline"
/** No answer within eight seconds. */
 | "timeout"
/** 429 */
 | "throttled"
/** 5xx */
 | "unavailable"
/** Any other status, such as 400 or 403. */
 | "refused";
/** An answer arrived, and its lease is not one to go by. */
export type Flaw = 
/** No lease, or one that is not an ES256 signature by the pinned key over what it says. */
"forged"
/** Signed with a key that is not pinned, or that is pinned twice, or is not on P-256. */
 | "unknown_key" | "wrong_product" | "wrong_tenant" | "wrong_issuer"
/** Authentic, but a claim is missing or of another type. */
 | "malformed"
/** Authentic, but older than the one already known. */
 | "replayed"
/** Authentic, but its hard stop (`exp`) has passed. */
 | "lease_ended";
/** Why a result is what it is. */
export type Reason = 
/** A lease says so, and the last refresh went well. */
"lease"
/** The service answered that there is no licence. */
 | "no_license"
/** The serial is not one: 16 to 64 letters and digits, with optional hyphens. */
 | "malformed_serial"
/** The environment broke an assumption of this library, or the request could not be made. */
 | "error" | Missing | Flaw;
/** The languages of the messages: Japanese, English, simplified Chinese. */
export type Language = "ja" | "en" | "zh";
/** What a licence grants, and whom to ask about it. */
export interface Grant {
    kind: "trial" | "paid";
    edition: string;
    users: number;
    quotas: Record<string, number>;
    term: {
        starts_on: string;
        ends_on: string;
    };
    /** Where administrators get help: a mail address or an `https` URL, if the vendor says. */
    support: string;
    /** Where administrators buy or renew: an `https` URL, if the vendor says. */
    purchase_url: string;
}
/** The result of a check. */
export interface License {
    /** Whether the plug-in may do its work. */
    usable: boolean;
    code: Code;
    /**
     * A stable word for logs and support. Beside `VALID` and `GRACE` it tells how the last refresh
     * went: `lease` if well.
     */
    reason: Reason;
    /**
     * When the code, or for `UNREACHABLE` `usable`, changes by itself. `null` if it waits for
     * somebody, or if the service does not tell it without the serial. A lease may end earlier than
     * this if it cannot be refreshed.
     */
    until: Date | null;
    /** Where what counted came from. */
    source: "network" | "cache" | "none";
    /**
     * For the administrator: reason and remedy, then links and the support code, each on a line of its own
     * (CSS: `white-space: pre-line`). For the user: empty while the plug-in works.
     */
    message: {
        admin: string;
        user: string;
    };
    /**
     * What this check saw, for the vendor's `tegata license explain --code`: instant, code, reason,
     * product, tenant, version, key ids. No secret. `message.admin` ends with it if something is wrong.
     */
    supportCode: string;
    /** Present if a lease says it. Without the serial, a product may tell nothing of the grant. */
    license?: Partial<Grant>;
}
/** A public key of the vendor, as in `/.well-known/jwks.json`. */
export interface Key {
    kty: string;
    crv: string;
    x: string;
    y: string;
    kid: string;
}
/** What `kintone.proxy` and `kintone.plugin.app.proxy` resolve: body, status, headers. */
export type ProxyAnswer = PromiseLike<[string, number, Record<string, string>]>;
/** The part of the `kintone` global that is used. Screens differ in what they have of it. */
export interface Kintone {
    getDomain?(): PromiseLike<{
        subdomain: string;
        baseDomain: string;
    }>;
    getLoginUser?(): {
        language?: string;
    };
    proxy?(url: string, method: string, headers: object, data: object): ProxyAnswer;
    plugin?: {
        app?: {
            proxy?(pluginId: string, url: string, method: string, headers: object, data: object): ProxyAnswer;
        };
    };
}
/** How the licence API is reached. */
export type Transport = "auto" | "plugin-proxy" | "proxy" | "fetch";
export interface Options {
    /** The product's slug, such as `sheet`: letters, digits, `-`, `_`. */
    product: string;
    /** The origin of the licence API, `https` (or `http`, for tests), such as `https://license.example.com`. */
    endpoint: string;
    /** The pinned keys: the `keys` of the JWKS. */
    keys: readonly Key[];
    /** The vendor's issuer; a lease's `iss` is checked against it if given. */
    issuer?: string | undefined;
    /**
     * As the customer typed it; sent normalised ([`normalizeSerial`]) as `X-License-Serial`, except
     * through `kintone.plugin.app.proxy`. Never stored. With a malformed one nothing is asked.
     */
    serial?: string | undefined;
    /** The plug-in's version: 1 to 32 of letters, digits, `.`, `-`, `_`, `+`. */
    version?: string | undefined;
    /** `kintone.$PLUGIN_ID`; selects `kintone.plugin.app.proxy`. */
    pluginId?: string | undefined;
    /** The kintone global; `globalThis.kintone` if not given. */
    kintone?: Kintone | undefined;
    /** `auto` if not given: the first of plugin-proxy, proxy, fetch that the page has. */
    transport?: Transport | undefined;
    /** Asks now, whatever is known and however short ago: for a button on the settings screen. */
    force?: boolean | undefined;
    /** The messages' language; the login user's if not given, and English for all others. */
    language?: Language | undefined;
    /** Called if what happens after the result was given changes its `code`. */
    onChange?: ((license: License) => void) | undefined;
}
