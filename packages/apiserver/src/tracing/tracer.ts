// Spans of requests and of the calls to etcd that they cause: started, decided on, and handed to whoever exports them.
import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { UserInfo } from "../authn/authenticator.ts";
import type { Attributes, FinishedSpan } from "./encode-span.ts";
import { isSampled, parseTraceContext, type TraceContext } from "./trace-context.ts";

export interface TracerOptions {
  /** Of requests whose caller does not decide. */
  readonly samplesPerMillion: number;
}

export class Tracer {
  private readonly options: TracerOptions;
  private readonly finish: (span: FinishedSpan) => void;
  private readonly clock: Clock;
  private readonly epochMs: number;
  private readonly current = new AsyncLocalStorage<RequestSpan>();

  /** `finish` must not block. */
  constructor(options: TracerOptions, finish: (span: FinishedSpan) => void, clock: Clock) {
    this.options = options;
    this.finish = finish;
    this.clock = clock;
    // Durations come from the monotonic clock, so a jump of the wall clock bends no span.
    this.epochMs = clock.now() - clock.monotonic();
  }

  /** Runs a request's work; everything it awaits belongs to its span. */
  request<T>(traceparent: unknown, work: (span: RequestSpan) => T): T {
    const span = new RequestSpan(parseTraceContext(traceparent), this.options, this.finish, () => this.nowMs());
    return this.current.run(span, () => work(span));
  }

  /** A call to another program on behalf of the present request, if that is recorded. */
  call(name: string, attributes: Attributes): CallSpan | undefined {
    return this.current.getStore()?.child(name, attributes);
  }

  /** The same over HTTP, with the header that makes the other program's span a child, or tells it to record none. */
  outgoing(name: string, attributes: Attributes): OutgoingCall | undefined {
    return this.current.getStore()?.outgoing(name, attributes);
  }

  private nowMs(): number {
    return this.epochMs + this.clock.monotonic();
  }
}

export interface CallSpan {
  /** `error` is what went wrong, if anything did; `more` is what was learned of the call. Counts once. */
  end(error?: unknown, more?: Attributes): void;
}

export interface OutgoingCall extends CallSpan {
  readonly traceparent: string;
}

export class RequestSpan {
  private readonly caller: TraceContext | undefined;
  private readonly options: TracerOptions;
  private readonly finish: (span: FinishedSpan) => void;
  private readonly nowMs: () => number;
  private readonly startMs: number;
  private identity: Pick<FinishedSpan, "traceId" | "spanId" | "parentId" | "link"> | undefined;
  private isDecided = false;

  constructor(
    caller: TraceContext | undefined,
    options: TracerOptions,
    finish: (span: FinishedSpan) => void,
    nowMs: () => number,
  ) {
    this.caller = caller;
    this.options = options;
    this.finish = finish;
    this.nowMs = nowMs;
    this.startMs = nowMs();
  }

  /**
   * Once it is known who asks. Only the cluster's own administrators and monitoring make their span the parent and decide
   * on recording: else anybody could have everything recorded, or write into traces of others. The rest are linked.
   */
  decide(user: UserInfo | undefined): void {
    if (this.isDecided) return;
    this.isDecided = true;
    const { caller } = this;
    const isTrusted = user?.groups.some((group) => TRUSTED.has(group)) ?? false;
    const traceId = isTrusted && caller ? caller.traceId : newId(16);
    const sampled = isTrusted && caller ? caller.sampled : isSampled(traceId, this.options.samplesPerMillion);
    if (!sampled) return;
    const parentId = isTrusted ? caller?.spanId : undefined;
    this.identity = { traceId, spanId: newId(8), parentId, link: isTrusted ? undefined : caller };
  }

  child(name: string, attributes: Attributes, spanId = newId(8)): CallSpan | undefined {
    const { identity } = this;
    if (!identity) return undefined;
    const { traceId, spanId: parentId } = identity;
    const startMs = this.nowMs();
    let isOpen = true;
    return {
      end: (error, more = {}) => {
        if (!isOpen) return;
        isOpen = false;
        const failed = error === undefined ? undefined : error instanceof Error ? error.message : String(error);
        const ids = { traceId, parentId, spanId, link: undefined };
        const all = { ...attributes, ...more };
        this.finish({ ...ids, name, kind: "client", startMs, endMs: this.nowMs(), attributes: all, error: failed });
      },
    };
  }

  outgoing(name: string, attributes: Attributes): OutgoingCall {
    const spanId = newId(8);
    const span = this.child(name, attributes, spanId);
    // Unrecorded work keeps the caller's id: the logs of both programs still name one trace.
    const traceId = this.identity?.traceId ?? this.caller?.traceId ?? newId(16);
    const traceparent = `00-${traceId}-${spanId}-${span ? "01" : "00"}`;
    return { traceparent, end: (error, more) => span?.end(error, more) };
  }

  /** The answer has left. `describe` is asked only if somebody will read it. */
  end(code: number, describe: () => { readonly name: string; readonly attributes: Attributes }): void {
    this.decide(undefined);
    if (!this.identity) return;
    const { name, attributes } = describe();
    const answered = { ...attributes, "http.response.status_code": code };
    const error = code >= 500 ? `answered with ${code}` : undefined;
    const times = { startMs: this.startMs, endMs: this.nowMs() };
    this.finish({ ...this.identity, ...times, name, kind: "server", attributes: answered, error });
  }
}

const TRUSTED: ReadonlySet<string> = new Set(["system:masters", "system:monitoring"]);

function newId(bytes: number): string {
  return randomBytes(bytes).toString("hex");
}
