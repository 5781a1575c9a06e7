// Max in flight: at most so many requests at once, reading and writing counted apart; long-running ones not at all.
import { tooManyRequests } from "@skiff/api/errors.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Exchange } from "../http/exchange.ts";
import type { RequestInfo } from "../http/request-info.ts";
import { HighWater } from "./high-water.ts";

/** A place among the running requests, given back once. */
export interface Place {
  leave(): void;
}

/** Who may run now: priority and fairness, or max in flight where that is off. */
export interface RequestLimit {
  /** Whether watches take a place until they are set up. */
  readonly takesWatches: boolean;
  /** Takes a place, at once if it can. Throws or rejects with 429. */
  enter(exchange: Exchange): Place | Promise<Place>;
  /** A watch has been let in; returns what to call when it has ended. */
  watchBegan(exchange: Exchange): () => void;
  /** The most of the last second that ran, and that waited. */
  current(): PerKind;
  inQueue(): PerKind;
}

type Pool = "readOnly" | "mutating";
export type PerKind = Readonly<Record<Pool, number>>;

/**
 * --max-requests-inflight and --max-mutating-requests-inflight. Apart, so that a flood of reads cannot keep writes out.
 */
export class InFlightLimit implements RequestLimit {
  readonly takesWatches = false;
  private readonly limits: Readonly<Record<Pool, number>>;
  private readonly running = { readOnly: 0, mutating: 0 };
  private readonly highest: Readonly<Record<Pool, HighWater>>;
  private readonly places: Readonly<Record<Pool, Place>>;

  constructor(limits: Readonly<Record<Pool, number>>, clock: Clock) {
    this.limits = limits;
    this.highest = { readOnly: new HighWater(clock), mutating: new HighWater(clock) };
    this.places = { readOnly: this.placeIn("readOnly"), mutating: this.placeIn("mutating") };
  }

  /** 0 means no limit. */
  enter({ info, user }: Exchange): Place {
    const pool = READ_VERBS.has(info.verb) ? "readOnly" : "mutating";
    const limit = this.limits[pool];
    // An administrator must get through to end the overload.
    const exempt = user.groups.includes("system:masters");
    if (limit > 0 && !exempt && this.running[pool] >= limit) {
      throw tooManyRequests("Too many requests, please try again later.", 1);
    }
    this.running[pool] = this.highest[pool].add(1);
    return this.places[pool];
  }

  watchBegan(): () => void {
    return () => {};
  }

  current(): PerKind {
    return { readOnly: this.highest.readOnly.read(), mutating: this.highest.mutating.read() };
  }

  /** Nobody waits here. */
  inQueue(): PerKind {
    return { readOnly: 0, mutating: 0 };
  }

  private placeIn(pool: Pool): Place {
    return {
      leave: () => {
        this.running[pool] = this.highest[pool].add(-1);
      },
    };
  }
}

/** `watch` is missing: it takes no place here. */
const READ_VERBS: ReadonlySet<string> = new Set(["get", "list", "head", "options"]);

/** Requests that last as long as their client likes: they have no deadline and count nowhere. */
export function isLongRunning(info: RequestInfo): boolean {
  return info.verb === "watch" || (info.isResourceRequest && STREAMING_SUBRESOURCES.has(info.subresource));
}

const STREAMING_SUBRESOURCES: ReadonlySet<string> = new Set(["attach", "exec", "proxy", "log", "portforward"]);
