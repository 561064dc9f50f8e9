// What happens once on a page, whichever plug-in asks for it.

/** Each plug-in has a copy of the loader in it: what was loaded is noted where all of them see it. */
const LOADS = Symbol.for("tegata.loads");
type Page = { [LOADS]?: Map<string, Promise<{ ok: boolean }>> };

/** Does something once, by name. What did not come off may be tried again. */
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

/** A product's address on the CDN, as the browser writes it: kept files are found by it. */
export function rootOf(base: string, product: string): string {
  return new URL(base.replace(/\/*$/, `/${product}/`)).href;
}
