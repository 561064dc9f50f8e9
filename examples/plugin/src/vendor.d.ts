import type { Key } from "tegata-client";

declare global {
  /** vendor.json: the vendor's addresses and pinned keys. The build puts it in. */
  const VENDOR: {
    product: string;
    /** The origin of the licence API. */
    api: string;
    /** The origin of the CDN. */
    cdn: string;
    issuer: string;
    licenseKeys: Key[];
    releaseKeys: Key[];
  };
  /** The version of this package, from manifest.json. */
  const VERSION: string;
  interface Window {
    /** What main.ts defines once the CDN's file has run. */
    TegataSheet?: import("./main").Main;
  }

  namespace kintone.app {
    /** Documented, and not in @kintone/dts-gen 9. */
    function getPermissions(): Promise<{ editApp: boolean }>;
  }
}
