// A plug-in of a vendor who has installed the package: types are checked, then bundled, then run.

import { checkLicense, type License, normalizeSerial, type Options } from "tegata-client";
import { loadPlugin } from "tegata-client/loader";
import { loadPinned } from "tegata-client/pinned";

declare global {
  // eslint-disable-next-line no-var
  var outcome: Promise<License>;
}

const options: Options = {
  product: "sheet",
  endpoint: "https://license.example.com",
  keys: [{ kty: "EC", crv: "P-256", x: "x", y: "y", kid: "1" }],
  serial: normalizeSerial("ＡＢＣＤ－ＥＦＧＨ－ＩＪＫＬ－２３４５") ?? "",
};
// @ts-expect-error A product is required.
const wrong: Options = { ...options, product: undefined };
if (![loadPlugin, loadPinned].every((load) => typeof load === "function")) {
  throw wrong;
}
globalThis.outcome = checkLicense(options);
