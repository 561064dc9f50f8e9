// The check: from what is cached, what arrives and kintone's clock to one result.

import type { components } from "./api.js";
import { kintoneNow, reading } from "./clock.js";
import { type Claims, stateAt, verify } from "./lease.js";
import { isDenial, isMissing, languageOf, messages } from "./messages.js";
import { normalizeSerial } from "./serial.js";
import { load, type Memo, save } from "./store.js";
import { supportCode } from "./support.js";
import { tenant } from "./tenant.js";
import { LATE, prepare, retryAfter } from "./transport.js";
import type { Code, License, Options, Reason } from "./types.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** How long a customer of whom nothing is known works while no answer arrives. */
const OFFLINE_GRACE = 72 * HOUR;

/**
 * The longest time from one refresh to the next, whatever the answer or a note says: neither is
 * signed. What a lease that is `VALID` does not vouch for is asked about within the hour.
 */
const LONGEST = 48 * HOUR;

type Answer = components["schemas"]["License"];
type Problem = components["schemas"]["Problem"];

/** What is known: the memo, and its lease if that is authentic. */
interface Known {
  memo: Memo;
  lease: Claims | undefined;
  /** Whether the network has just said something about the licence. */
  fresh?: boolean;
}

/** The requests of this page that are under way, by memo and serial. */
const flights = new Map<string, Promise<Known>>();

/**
 * Checks the licence of the page's tenant.
 *
 * Never rejects for anything that the world does; with a `TypeError` if the options are wrong.
 * With a lease in the cache it does not wait for the network.
 */
export async function checkLicense(options: Options): Promise<License> {
  const { product, keys, version = "0" } = options;
  if (!/^[\w-]+$/.test(product) || !keys?.length || !/^[\w.+-]{1,32}$/.test(version)) {
    throw new TypeError("bad product, keys or version");
  }
  const kintone = options.kintone ?? (globalThis as Pick<Options, "kintone">).kintone;
  const serial = options.serial ? normalizeSerial(options.serial) : "";
  const send = prepare(options, serial, kintone);
  let domain = "";

  function result(
    code: Code,
    usable: boolean,
    reason: Reason,
    source: License["source"],
    now: number,
    until?: string | number,
    claims?: Claims,
  ): License {
    let language: string | undefined = options.language;
    try {
      language ??= kintone!.getLoginUser!().language;
    } catch {
      // Not on this screen.
    }
    const change = until ? new Date(until) : null;
    const days = Math.ceil((Number(change) - now) / (24 * HOUR));
    // Swedes write 2026-11-30 09:00:00, which the messages shorten as they do the claims'.
    const named = claims ? until : change?.toLocaleString("sv");
    const instant = (ms: number) => `${new Date(ms).toJSON()}`.replace(/\.\d+/, "");
    const support = supportCode(
      1,
      instant(now),
      code,
      reason,
      product,
      domain,
      version,
      `${keys.map((key) => `${key?.kid}`.slice(0, 8))}`,
      claims ? instant(claims.iat * 1000) : "",
    );
    return {
      usable,
      code,
      reason,
      until: change,
      source,
      message: messages(
        code,
        usable,
        reason,
        { ...claims, domain, until: named, days, supportCode: support },
        languageOf(language ?? navigator.language),
      ),
      supportCode: support,
      ...(claims && { license: claims }),
    };
  }

  try {
    domain = await tenant(kintone);
    const key = `tegata/1/${product}/${domain}`;
    /** Whether the serial is malformed, and nothing is asked with it. */
    const isUnsent = serial === null;

    /** Reads the memo, and verifies its lease. */
    const recall = async (): Promise<Known> => {
      for (;;) {
        const memo = load(key);
        const { lease } = await verify(memo.lease, options, domain);
        // Another tab may have written meanwhile.
        if (load(key).lease === memo.lease) {
          if (!lease && !memo.why) {
            // It was good once: other keys are pinned now, or the note was changed.
            memo.refresh = 0;
          }
          return { memo, lease };
        }
      }
    };

    /** The PC's clock, set right by the last reading of kintone's if there is one. */
    const estimate = ({ kintone, pc }: Memo) => Date.now() + (kintone && kintone - pc);

    /** kintone's time; if it cannot be read, the latest that anything known suggests. */
    const time = async (lease?: Claims): Promise<number> => {
      const now = await kintoneNow();
      const memo = load(key);
      if (!now && estimate(memo) < memo.kintone) {
        // The PC's clock was set back, and kintone's cannot be read: time goes on from the last
        // reading, and the service may know more.
        memo.pc = Date.now();
        memo.refresh = 0;
      }
      if (now && !memo.kintone && memo.offline) {
        // The hours began by the PC's clock.
        memo.offline = now;
      }
      save(key, Object.assign(memo, reading));
      return now ?? Math.max((lease?.iat ?? 0) * 1000, memo.kintone, estimate(memo));
    };

    /** The longest time until the next request. */
    const longest = (lease: Claims | undefined, now: number) =>
      lease && stateAt(lease, now)?.code === "VALID" ? LONGEST : HOUR;

    /**
     * Whether to ask again. A memo that says "in a year", or that something was missing in a year
     * from now, is not the work of this library. Readings of kintone's clock differ by a second.
     */
    const isDue = ({ refresh, offline, failed }: Memo, now: number, lease: Claims | undefined) =>
      now >= refresh ||
      refresh > now + longest(lease, now) ||
      Math.max(offline, failed) > now + MINUTE;

    const conclude = ({ memo, lease, fresh }: Known, now: number): License => {
      const why = isUnsent ? "malformed_serial" : memo.why;
      const source = fresh ? "network" : "cache";
      const state = lease && stateAt(lease, now);
      if (state) {
        return result(state.code, state.usable, why || "lease", source, now, state.until, lease);
      }
      if (isDenial(why)) {
        return result("NOT_FOUND", false, why, source, now);
      }
      const end = Math.min(memo.offline, now) + OFFLINE_GRACE;
      // A lease that has ended was already the customer's time without the network.
      const isOpen = !lease && isMissing(why) && now < end;
      const reason = why && !(lease && isMissing(why)) ? why : "lease_ended";
      return result("UNREACHABLE", isOpen, reason, "none", now, isOpen ? end : undefined);
    };

    /** Asks the service, and remembers what came of it. Never rejects. */
    const request = async (): Promise<Known> => {
      let why: Reason | "" = "";
      let wait = 0;
      let answer: Partial<Pick<Answer, "lease" | "refresh_after"> & Problem> = {};
      let lease: Claims | undefined;
      let sent: ReturnType<typeof send> | undefined;
      try {
        sent = send(domain);
        const [body, status, headers] = await sent;
        wait = retryAfter(headers);
        try {
          answer = JSON.parse(body) ?? answer;
        } catch {
          // Somebody else's page, not the service's answer.
        }
        if (status === 200) {
          ({ lease, why = "" } = await verify(answer.lease, options, domain));
        } else {
          // No licence has a malformed serial or tenant.
          why = /^(NOT_FOUND|MALFORMED)$/.test(answer.code!)
            ? /^X-License-Serial/.test(answer.detail!)
              ? "malformed_serial"
              : "no_license"
            : status === 429
              ? "throttled"
              : status < 500
                ? "refused"
                : "unavailable";
        }
      } catch (error) {
        // What was never sent says nothing about the network.
        why = !sent ? "error" : error === LATE ? "timeout" : "offline";
      }

      const now = await time(lease);
      const known = await recall();
      const { memo } = known;
      if (lease) {
        if (known.lease && known.lease.iat > lease.iat) {
          why = "replayed";
        } else {
          known.lease = lease;
          memo.lease = answer.lease!;
          why = stateAt(lease, now) ? "" : "lease_ended";
        }
      }
      const held = known.lease && stateAt(known.lease, now);
      known.fresh = !why || (isDenial(why) && !held);
      if (why) {
        // With a lease to go by, each pause is twice as long as the one before.
        const pause = held && memo.failed ? 2 * (now - memo.failed) : 0;
        memo.refresh = now + Math.min(Math.max(pause, wait, MINUTE), HOUR);
        memo.failed = now;
        // What an answer closed, only a lease opens.
        if (isDenial(why) || (!isDenial(memo.why) && (!isMissing(why) || isMissing(memo.why)))) {
          memo.why = why;
        }
        memo.offline = Math.min(memo.offline || (isMissing(why) ? now : 0), now);
      } else {
        const wish = Date.parse(answer.refresh_after!) || 0;
        const latest = Math.min(
          now + longest(known.lease, now),
          Date.parse(held!.until!) || Infinity,
        );
        memo.refresh = Math.max(Math.min(wish, latest), now + 5 * MINUTE);
        memo.why = "";
        memo.failed = memo.offline = 0;
      }
      if (held?.usable) {
        memo.refresh = Math.min(memo.refresh, known.lease!.exp * 1000);
      }
      save(key, memo);
      return known;
    };

    /** Asks, or waits for the answer that the page is already waiting for. */
    const refresh = (): Promise<Known> => {
      if (isUnsent) {
        return recall();
      }
      const name = key + serial;
      const flight = flights.get(name) ?? request().finally(() => flights.delete(name));
      flights.set(name, flight);
      return flight;
    };

    /** What happens after the result was given: the clock is read, the lease refreshed. */
    const follow = async (shown: License): Promise<void> => {
      try {
        const now = await time();
        const claim = async () => {
          const { memo, lease } = await recall();
          if (isDue(memo, now, lease)) {
            // Other tabs find this where there are no locks.
            memo.refresh = now + MINUTE;
            save(key, memo);
            return refresh();
          }
          return undefined;
        };
        const { locks } = navigator;
        await (locks
          ? locks.request(key, { ifAvailable: true }, (lock) => lock && claim())
          : claim());
        const known = await recall();
        const next = conclude(known, await time(known.lease));
        if (next.code !== shown.code) {
          options.onChange?.(next);
        }
      } catch {
        // Not the page's concern: the next check decides anew.
      }
    };

    let known = await recall();
    const { memo, lease } = known;
    let now = estimate(memo);
    // The PC's clock is good enough where it makes no difference: between the last reading and
    // the next refresh, if the plug-in works by one code from the one to the other.
    const then = lease && stateAt(lease, memo.kintone);
    if (
      !then?.usable ||
      now < memo.kintone ||
      isDue(memo, now, lease) ||
      then.code !== stateAt(lease!, memo.refresh)?.code
    ) {
      now = await time(lease);
    }
    // What does not work anyway waits for the answer, so that whoever has renewed sees it now.
    if (options.force || (isDue(memo, now, lease) && !(lease && stateAt(lease, now)?.usable))) {
      known = await refresh();
      now = await time(known.lease);
    }
    const license = conclude(known, now);
    // In a task of its own: the page gets its answer first.
    setTimeout(follow, 0, license);
    return license;
  } catch {
    return result("UNREACHABLE", false, "error", "none", Date.now());
  }
}
