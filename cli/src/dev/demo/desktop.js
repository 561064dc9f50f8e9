// The sample plug-in's package: what customers upload once. It loads the version that is current for the
// tenant, and knows nothing of it but its name and the keys of releases.

import { loadPlugin } from "/demo/loader.js";

export async function start({ releaseKeys, released, updateWaits, ...given }) {
  const { product, issuer } = given;
  const loaded = await loadPlugin({
    product,
    base: location.origin,
    keys: releaseKeys,
    entry: "plugin.js",
    issuer,
    onUpdate: ({ version }) => updateWaits(version),
  });
  released(loaded);
  if (loaded.ok) await window.SheetPlugin.start(given);
}
