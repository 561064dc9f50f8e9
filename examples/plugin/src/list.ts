// The list of records, on desktop and mobile: the main part comes from the CDN and works while the
// licence says so.

import type { License } from "tegata-client";
import { loadPlugin } from "tegata-client/loader";
import { copyButton, license, needsAttention } from "./license";
import type { Records } from "./main";
import { words } from "./words";

interface ListEvent {
  /** A calendar's are grouped by date. */
  records: Records | Record<string, Records>;
}

/** Registers the handler of a list's event. `space` is the screen's element for plug-ins. */
export function onList(name: string, space: () => HTMLElement | null): void {
  // Is there only while this script runs.
  const pluginId = kintone.$PLUGIN_ID;
  const loading = loadPlugin({
    base: VENDOR.cdn,
    product: VENDOR.product,
    issuer: VENDOR.issuer,
    keys: VENDOR.releaseKeys,
    entry: "main.js",
  });

  kintone.events.on(name, (event: ListEvent) => {
    const element = document.createElement("div");
    element.className = "tegata-sheet";
    space()?.replaceChildren(element);
    const show = async (checked?: License) => {
      const loaded = await loading;
      const current =
        checked ??
        (await license({
          pluginId,
          // The version that runs: so the vendor sees who runs what.
          version:
            loaded.ok && loaded.version !== "bundled"
              ? loaded.version
              : VERSION,
          onChange: show,
        }));
      const { field } = kintone.plugin.app.getConfig(pluginId);
      element.replaceChildren();
      if (!current.usable) {
        add(element, "closed", current.message.user);
      } else if (loaded.ok && window.TegataSheet) {
        window.TegataSheet.show(
          element,
          Object.values(event.records).flat(),
          field,
          words(),
        );
      } else {
        add(element, "closed", words().noMain);
      }
      if (needsAttention(current) && (await isAdministrator())) {
        add(element, "admin", current.message.admin);
        element.append(copyButton(current));
      }
    };
    show();
    // The records do not wait for the licence.
    return event;
  });
}

function add(element: HTMLElement, kind: string, text: string): void {
  const paragraph = document.createElement("p");
  paragraph.className = `tegata-sheet-${kind}`;
  paragraph.textContent = text;
  element.append(paragraph);
}

/** Whether the login user may edit the app. Where kintone does not say, nobody is told too much. */
async function isAdministrator(): Promise<boolean> {
  try {
    return (await kintone.app.getPermissions()).editApp;
  } catch {
    return false;
  }
}
