// Records requests as the policy says and hands the events to every sink; never keeps a request waiting.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Counter, MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { UserInfo } from "../authn/authenticator.ts";
import type { Exchange } from "../http/exchange.ts";
import { AuditedRequest } from "./audited-request.ts";
import type { AuditPolicy } from "./policy.ts";

/** Takes events as JSON texts. */
export interface AuditSink {
  readonly name: string;
  /** False when the event is lost for want of room. */
  push(event: string): boolean;
  close(): Promise<void>;
}

export class Auditor {
  private readonly policy: AuditPolicy;
  private readonly sinks: readonly AuditSink[];
  private readonly clock: Clock;
  private readonly events: Counter;
  private readonly errors: Counter;
  private readonly levels: Counter;

  constructor(policy: AuditPolicy, sinks: readonly AuditSink[], deps: { clock: Clock; metrics: MetricsRegistry }) {
    this.policy = policy;
    this.sinks = sinks;
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
  }

  /** Undefined when the policy wants nothing of this request. `user` is who sent it, before any impersonation. */
  begin(exchange: Exchange, user: UserInfo | undefined): AuditedRequest | undefined {
    const call = { ...exchange.info, user: user?.name ?? "", groups: user?.groups ?? [] };
    const decision = this.policy.decide(call);
    this.levels.inc({ level: decision.level });
    if (decision.level === "None") return undefined;
    const audited = new AuditedRequest(exchange, user, decision, {
      clock: this.clock,
      emit: (event) => this.emit(event),
    });
    audited.received();
    return audited;
  }

  async close(): Promise<void> {
    await Promise.all(this.sinks.map((sink) => sink.close()));
  }

  private emit(event: string): void {
    this.events.inc();
    for (const sink of this.sinks) if (!sink.push(event)) this.errors.inc({ plugin: sink.name });
  }
}
