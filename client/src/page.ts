// What is done once per page, whichever plug-in asks for it.

/** The loads of this page by name. Each plug-in bundles its own copy of the loader; all copies share this map. */
const LOADS = Symbol.for("tegata.loads");
type Page = { [LOADS]?: Map<string, Promise<{ ok: boolean }>> };

/** Does something once, by name. After a failure it can be tried again. */
export function once<T extends { ok: boolean }>(name: string, work: () => Promise<T>): Promise<T> {
  const loads = ((globalThis as Page)[LOADS] ??= new Map());
  let load = loads.get(name) as Promise<T> | undefined;
  if (!load) {
    load = work();
    loads.set(name, load);
    const forget = () => loads.delete(name);
    load.then(({ ok }) => ok || forget(), forget);
  }
  return load;
}

/** A product's address on the CDN, normalised as the keys of Cache Storage are. */
export function rootOf(base: string, product: string): string {
  return new URL(base.replace(/\/*$/, `/${product}/`)).href;
}
