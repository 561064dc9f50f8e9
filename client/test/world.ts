// One customer's browser: its clocks, its storage, its kintone, and the licence service behind the
// network. Small stand-ins that behave as the real things do; the signatures are real.

import { webcrypto } from "node:crypto";
import { afterEach, expect, vi } from "vitest";
import type { Key, License, Options } from "../src/index.js";

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

/** kintone's time at which every story starts. */
export const START = Date.parse("2026-11-22T10:00:00+09:00");

export const b64 = (data: string | ArrayBuffer | Uint8Array): string =>
  Buffer.from(data as string).toString("base64url");

/** RFC 3339 in Japan's time. */
export const japan = (ms: number): string =>
  new Date(ms + 9 * HOUR).toISOString().replace(/\.\d+Z/, "+09:00");

export interface Signer {
  jwk: Key;
  sign(input: string): Promise<Uint8Array>;
}

export async function signer(kid: string, namedCurve = "P-256"): Promise<Signer> {
  const pair = await webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve }, true, [
    "sign",
    "verify",
  ]);
  const { kty, crv, x, y } = await webcrypto.subtle.exportKey("jwk", pair.publicKey);
  const hash = namedCurve === "P-256" ? "SHA-256" : "SHA-384";
  return {
    jwk: { kty, crv, x, y, kid, use: "sig", alg: "ES256" } as unknown as Key,
    sign: async (input) =>
      new Uint8Array(
        await webcrypto.subtle.sign({ name: "ECDSA", hash }, pair.privateKey, Buffer.from(input)),
      ),
  };
}

export const signers = { old: await signer("2026-a"), next: await signer("2026-b") };

/** Claims as the service writes them: a paid licence in its term. */
export function claims(changes: Record<string, unknown> = {}): Record<string, unknown> {
  const issued = START - DAY;
  return {
    iss: "https://license.example.com",
    aud: "sheet",
    sub: "example.cybozu.com",
    iat: issued / 1000,
    nbf: issued / 1000,
    exp: issued / 1000 + (14 * DAY) / 1000,
    jti: "id",
    kind: "paid",
    edition: "standard",
    users: 50,
    quotas: { sheets: 10 },
    term: { starts_on: "2026-11-01", ends_on: "2027-10-31" },
    usable_from: "2026-10-03T10:00:00+09:00",
    valid_until: "2027-11-01T09:00:00+09:00",
    grace_until: "2027-11-08T09:00:00+09:00",
    ...changes,
  };
}

export async function lease(
  changes: Record<string, unknown> = {},
  by: Signer = signers.old,
  header: Record<string, unknown> = {},
): Promise<string> {
  const head = { alg: "ES256", kid: by.jwk.kid, typ: "license+jwt", ...header };
  const input = `${b64(JSON.stringify(head))}.${b64(JSON.stringify(claims(changes)))}`;
  return `${input}.${b64(await by.sign(input))}`;
}

/** A point in the story from which claims are written: hours from the start, in RFC 3339. */
export const hours = (n: number): string => japan(START + n * HOUR);
/** The same in seconds since 1970. */
export const seconds = (n: number): number => (START + n * HOUR) / 1000;

export type Answer = [body: string, status: number, headers?: Record<string, string>];

/** `localStorage`, which tabs share. */
export class Storage {
  items = new Map<string, string>();
  mode: "works" | "full" | "blocked" = "works";
  getItem(key: string): string | null {
    if (this.mode === "blocked") throw new DOMException("denied", "SecurityError");
    return this.items.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    if (this.mode === "blocked") throw new DOMException("denied", "SecurityError");
    if (this.mode === "full") throw new DOMException("full", "QuotaExceededError");
    this.items.set(key, value);
  }
}

/** `navigator.locks`, as far as `ifAvailable` goes. */
class Locks {
  held = new Set<string>();
  async request(
    name: string,
    options: { ifAvailable: boolean },
    work: (lock: object | null) => unknown,
  ): Promise<unknown> {
    if (this.held.has(name)) return options.ifAvailable ? work(null) : undefined;
    this.held.add(name);
    try {
      return await work({ name });
    } finally {
      this.held.delete(name);
    }
  }
}

export class World {
  /** kintone's time, and how far the PC's clock is from it. */
  now = START;
  pcOff = 0;
  mono = 1_000;
  /** Whether `HEAD /k/` works, and what its `Date` says if it is not the time. */
  clock: "works" | "down" | "hangs" | string = "works";
  clockReadings = 0;
  storage = new Storage();
  locks: Locks | undefined = new Locks();
  location = { hostname: "example.cybozu.com" };
  language = "ja";
  /** What the service answers, and what it was asked. */
  service: (url: string, headers: Record<string, string>) => Answer | Promise<Answer> = () => {
    throw new TypeError("Failed to fetch");
  };
  requests: { by: string; url: string; headers: Record<string, string> }[] = [];
  kintone: NonNullable<Options["kintone"]> = {
    getLoginUser: () => ({ language: this.language }),
    proxy: async (url, _method, headers) => this.ask("proxy", url, headers as never),
  };

  constructor() {
    // Timers go off when a test says so, and those of other tests' worlds never.
    vi.useRealTimers();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    vi.stubGlobal("localStorage", this.storage);
    vi.stubGlobal("location", this.location);
    const world = this;
    vi.stubGlobal("navigator", {
      language: "en-US",
      get locks() {
        return world.locks;
      },
    });
    vi.stubGlobal("kintone", undefined);
    vi.stubGlobal("crypto", crypto);
    vi.stubGlobal("fetch", (url: string, init: RequestInit) => this.fetch(url, init));
    vi.spyOn(Date, "now").mockImplementation(() => this.now + this.pcOff);
    vi.spyOn(performance, "now").mockImplementation(() => this.mono);
  }

  pass(ms: number): void {
    this.now += ms;
    this.mono += ms;
  }

  async ask(
    by: string,
    url: string,
    headers: Record<string, string>,
  ): Promise<[string, number, Record<string, string>]> {
    this.requests.push({ by, url, headers });
    const [body, status, answered = {}] = await this.service(url, headers);
    return [body, status, answered];
  }

  async fetch(url: string, init: RequestInit): Promise<Response> {
    if (url === "/k/") {
      this.clockReadings++;
      if (init.method !== "HEAD" || init.cache !== "no-store") throw new TypeError("not a look");
      if (this.clock === "down") throw new TypeError("Failed to fetch");
      if (this.clock === "hangs") return new Promise(() => {});
      const date = this.clock === "works" ? new Date(this.now).toUTCString() : this.clock;
      return new Response(null, { headers: date ? { Date: date } : {} });
    }
    if (init.credentials !== "omit") throw new TypeError("cookies must stay at home");
    const [body, status, headers] = await this.ask("fetch", url, init.headers as never);
    return new Response(body, { status, headers });
  }

  /** The service answers with a lease, as the real one does. */
  async grants(
    changes: Record<string, unknown> = {},
    answer: Record<string, unknown> = {},
    by: Signer = signers.old,
  ): Promise<string> {
    const jws = await lease(changes, by);
    this.service = () => [
      JSON.stringify({ code: "VALID", lease: jws, refresh_after: japan(this.now + DAY), ...answer }),
      200,
    ];
    return jws;
  }

  /** The service refuses, with a problem document. */
  fails(status: number, code = "UNAVAILABLE", headers: Record<string, string> = {}): void {
    this.service = () => [JSON.stringify({ status, code }), status, headers];
  }

  vanishes(): void {
    this.service = () => {
      throw new TypeError("Failed to fetch");
    };
  }

  /** Opens a page: a new instance of the library, its own state, the same storage. */
  async open(): Promise<Page> {
    vi.resetModules();
    const { checkLicense } = await import("../src/index.js");
    return new Page(this, checkLicense);
  }

  /** Opens a page, checks, and waits for what goes on behind. */
  async visit(options: Partial<Options> = {}): Promise<License> {
    const page = await this.open();
    const license = await page.check(options);
    await settle();
    return license;
  }

  get key(): string {
    return `tegata/1/sheet/example.cybozu.com`;
  }

  get memo(): Record<string, unknown> {
    return JSON.parse(this.storage.items.get(this.key) ?? "{}");
  }
}

export class Page {
  constructor(
    private world: World,
    private run: (options: Options) => Promise<License>,
  ) {}

  check(options: Partial<Options> = {}): Promise<License> {
    return this.run({
      product: "sheet",
      endpoint: "https://api.example.com",
      keys: [signers.old.jwk, signers.next.jwk],
      issuer: "https://license.example.com",
      kintone: this.world.kintone,
      ...options,
    });
  }
}

/** The message without the support code, with which the administrator's ends if something is wrong. */
export function withoutCode({ code, reason, message, supportCode }: License): License["message"] {
  const [end = ""] = /\n(サポートコード：|Support code: |支持代码：)\S+$/.exec(message.admin) ?? [];
  const isFine = code === "VALID" && reason === "lease";
  expect(end.split(/：| code: /)[1]).toBe(isFine ? undefined : supportCode);
  return { ...message, admin: message.admin.slice(0, message.admin.length - end.length) };
}

let underWay = 0;

/** WebCrypto itself, with a count of what is under way. */
const counted = (name: "importKey" | "verify") => async (...args: unknown[]) => {
  underWay++;
  try {
    return await (webcrypto.subtle[name] as (...args: unknown[]) => Promise<unknown>).apply(
      webcrypto.subtle,
      args,
    );
  } finally {
    underWay--;
  }
};
const crypto = { subtle: { importKey: counted("importKey"), verify: counted("verify") } };

/** Waits until nothing goes on behind any more: signatures are checked off the main thread. */
export async function settle(): Promise<void> {
  for (let idle = 0; idle < 5; idle = underWay ? 0 : idle + 1) {
    // What was put off until the page has its answer.
    if (vi.isFakeTimers()) {
      await vi.advanceTimersByTimeAsync(0);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

// What a test leaves going must not go on in the next one's world.
afterEach(settle);
