// The settings screen. It can be read and saved whatever the licence says: whoever renews finds
// everything as it was.

import { normalizeSerial } from "tegata-client";
import { copyButton, license, needsAttention } from "./license";
import { type Words, words } from "./words";

const pluginId = kintone.$PLUGIN_ID;

function find<T extends HTMLElement>(selector: string): T {
  const found = document.querySelector<T>(`.tegata-sheet ${selector}`);
  if (!found) {
    throw new Error(`config.html has no ${selector}`);
  }
  return found;
}

const form = find<HTMLFormElement>("form");
const banner = find(".tegata-sheet-banner");
const copy = find(".tegata-sheet-support");
const error = find(".tegata-sheet-error");
const field = find<HTMLInputElement>("[name=field]");
const serial = find<HTMLInputElement>("[name=serial]");

/** The saved headers are added to requests whose address begins with this. */
const API = `${VENDOR.api}/v1/`;

for (const element of document.querySelectorAll<HTMLElement>(
  ".tegata-sheet [data-word]",
)) {
  element.textContent = words()[element.dataset.word as keyof Words];
}
field.value = kintone.plugin.app.getConfig(pluginId)?.field ?? "";
// Only administrators can open this screen. On all others the serial stays on kintone's servers.
serial.value =
  kintone.plugin.app.getProxyConfig(API, "GET")?.headers["X-License-Serial"] ??
  "";

function fail(input: HTMLInputElement, text: string): void {
  input.setAttribute("aria-invalid", "true");
  input.focus();
  error.textContent = text;
  error.hidden = false;
}

/** The serial as it is sent, or `null` after telling what is wrong with it. */
function readSerial(): string | null {
  const read = normalizeSerial(serial.value);
  if (read === null) {
    fail(serial, words().serialMalformed);
  } else {
    serial.value = read;
  }
  return read;
}

function clear(): void {
  error.hidden = true;
  [field, serial].forEach((input) => input.removeAttribute("aria-invalid"));
}

async function check(force: boolean): Promise<void> {
  const text = normalizeSerial(serial.value);
  // This screen has no kintone.plugin.app.proxy, so the serial comes from the form.
  const checked = await license({
    transport: "proxy",
    serial: text ?? serial.value,
    force,
  });
  banner.textContent = checked.message.admin;
  banner.classList.toggle("tegata-sheet-fine", !needsAttention(checked));
  banner.hidden = !force && !needsAttention(checked);
  copy.replaceChildren(...(banner.hidden ? [] : [copyButton(checked)]));
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  clear();
  const code = field.value.trim();
  const read = readSerial();
  if (read === null) {
    return;
  }
  if (!code) {
    fail(field, words().fieldMissing);
    return;
  }
  const headers = read ? { "X-License-Serial": read } : {};
  kintone.plugin.app.setProxyConfig(API, "GET", headers, {}, () => {
    // Without a callback kintone shows its list of plug-ins, and that the settings were saved.
    kintone.plugin.app.setConfig({ field: code });
  });
});
find("[name=check]").addEventListener("click", () => {
  clear();
  if (readSerial() !== null) {
    check(true);
  }
});
find("[name=cancel]").addEventListener("click", () => {
  history.back();
});
check(false);
