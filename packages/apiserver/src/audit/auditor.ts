// Records requests as the policy says and hands the events to every sink; a request waits where a sink's mode wants it.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Counter, MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { UserInfo } from "../authn/authenticator.ts";
import type { Exchange } from "../http/exchange.ts";
import { AuditedRequest } from "./audited-request.ts";
import type { AuditPolicy } from "./policy.ts";

/** Takes events as JSON texts. */
export interface AuditSink {
  readonly name: string;
  readonly isBlocking: boolean;
  /** Whether a request may not be served when its first event cannot be stored. */
  readonly isStrict: boolean;
  /** False when the event is lost; a promise where the request is to wait until it is stored. */
  push(event: string): boolean | Promise<boolean>;
  close(): Promise<void>;
}

/** One for the program. Counts what it records under upstream's names of metrics. */
export class Auditor {
  /** Whether any sink keeps requests waiting. */
  readonly isBlocking: boolean;
  private readonly policy: AuditPolicy;
  private readonly sinks: readonly AuditSink[];
  private readonly clock: Clock;
  private readonly events: Counter;
  private readonly errors: Counter;
  private readonly levels: Counter;
  private readonly rejected: Counter;

  constructor(policy: AuditPolicy, sinks: readonly AuditSink[], deps: { clock: Clock; metrics: MetricsRegistry }) {
    this.policy = policy;
    this.sinks = sinks;
    this.isBlocking = sinks.some((sink) => sink.isBlocking);
    this.clock = deps.clock;
    const { metrics } = deps;
    this.events = metrics.counter(
      "apiserver_audit_event_total",
      "Counter of audit events generated and sent to the audit backend.",
    );
    this.errors = metrics.counter(
      "apiserver_audit_error_total",
      "Counter of audit events that failed to be audited properly. Plugin identifies the plugin affected by the error.",
    );
    this.levels = metrics.counter(
      "apiserver_audit_level_total",
      "Counter of policy levels for audit events (1 per request).",
    );
    this.rejected = metrics.counter(
      "apiserver_audit_requests_rejected_total",
      "Requests that were refused because they could not be written to the audit log.",
    );
  }

  /** A request is refused because its first event could not be stored. */
  refused(): void {
    this.rejected.inc();
  }

  /** Undefined when the policy wants nothing of this request. `user` is who sent it, before any impersonation. */
  begin(exchange: Exchange, user: UserInfo | undefined): AuditedRequest | undefined {
    const call = { ...exchange.info, user: user?.name ?? "", groups: user?.groups ?? [] };
    const decision = this.policy.decide(call);
    this.levels.inc({ level: decision.level });
    if (decision.level === "None") return undefined;
    return new AuditedRequest(exchange, user, decision, { clock: this.clock, emit: (event) => this.emit(event) });
  }

  async close(): Promise<void> {
    await Promise.all(this.sinks.map((sink) => sink.close()));
  }

  /** False when a sink that insists on events has lost it. A promise only where somebody waits. */
  private emit(event: string): boolean | Promise<boolean> {
    this.events.inc();
    let isFine = true;
    const pending: Promise<boolean>[] = [];
    for (const sink of this.sinks) {
      const stored = sink.push(event);
      if (typeof stored === "boolean") isFine = this.account(sink, stored) && isFine;
      else pending.push(stored.then((value) => this.account(sink, value)));
    }
    if (pending.length === 0) return isFine;
    return Promise.all(pending).then((all) => isFine && all.every(Boolean));
  }

  private account(sink: AuditSink, stored: boolean): boolean {
    if (!stored) this.errors.inc({ plugin: sink.name });
    return stored || !sink.isStrict;
  }
}
