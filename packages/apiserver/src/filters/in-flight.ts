// Max in flight: at most so many requests at once, reading and writing counted apart; long-running ones not at all.
import { tooManyRequests } from "@skiff/api/errors.ts";
import type { Gauge } from "@skiff/component-base/metrics.ts";
import type { UserInfo } from "../authn/authenticator.ts";
import type { RequestInfo } from "../http/request-info.ts";

export class InFlightLimit {
  private readonly limits: { readonly readOnly: number; readonly mutating: number };
  private readonly running = { readOnly: 0, mutating: 0 };

  constructor(limits: { readonly readOnly: number; readonly mutating: number }) {
    this.limits = limits;
  }

  /** Takes a place and returns how to give it back; throws 429 when all are taken. 0 means no limit. */
  enter(info: RequestInfo, user: UserInfo): () => void {
    const pool = READ_VERBS.has(info.verb) ? "readOnly" : "mutating";
    const limit = this.limits[pool];
    const exempt = user.groups.includes("system:masters");
    if (limit > 0 && !exempt && this.running[pool] >= limit) {
      throw tooManyRequests("Too many requests, please try again later.", 1);
    }
    this.running[pool] += 1;
    return () => {
      this.running[pool] -= 1;
    };
  }

  /** For the gauge `apiserver_current_inflight_requests`. */
  *current(): Iterable<{ labels: Record<string, string>; value: number }> {
    yield { labels: { request_kind: "readOnly" }, value: this.running.readOnly };
    yield { labels: { request_kind: "mutating" }, value: this.running.mutating };
  }
}

const READ_VERBS: ReadonlySet<string> = new Set(["get", "list", "head", "options"]);

/** Requests that last as long as their client likes: they have no deadline and count nowhere. */
export function isLongRunning(info: RequestInfo): boolean {
  return info.verb === "watch" || (info.isResourceRequest && STREAMING_SUBRESOURCES.has(info.subresource));
}

const STREAMING_SUBRESOURCES: ReadonlySet<string> = new Set(["attach", "exec", "proxy", "log", "portforward"]);

/** Counts long-running requests while they last. */
export function countLongRunning(gauge: Gauge, info: RequestInfo): () => void {
  const labels = { verb: info.verb.toUpperCase(), resource: info.resource, subresource: info.subresource };
  gauge.inc(labels, 1);
  return () => gauge.inc(labels, -1);
}
