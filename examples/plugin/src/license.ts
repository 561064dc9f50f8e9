// The licence check, with what this vendor pins.

import { checkLicense, type License, type Options } from "tegata-client";
import { words } from "./words";

/** Checks the licence of the page's tenant; see client/README.md. */
export function license(options: Partial<Options>): Promise<License> {
  return checkLicense({
    product: VENDOR.product,
    endpoint: VENDOR.api,
    issuer: VENDOR.issuer,
    keys: VENDOR.licenseKeys,
    version: VERSION,
    ...options,
  });
}

/** Whether an administrator has something to read: a trial, an end, or a licence that is not confirmed. */
export function needsAttention({
  code,
  reason,
  license: facts,
}: License): boolean {
  return code !== "VALID" || reason !== "lease" || facts?.kind === "trial";
}

/** A button that copies a check's support code, which `tegata license explain --code` reads. */
export function copyButton({ supportCode }: License): HTMLButtonElement {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "tegata-sheet-copy";
  button.textContent = words().copy;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(supportCode);
      button.textContent = words().copied;
    } catch {
      // The browser does not allow it. The code is in the message.
    }
  });
  return button;
}
