// What the `traceparent` header says of the caller's span (W3C trace context). Pure.
export interface TraceContext {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  /** Whether the caller records its part. */
  readonly sampled: boolean;
}

/** Undefined when the header is absent, malformed, or of ids that are all zero. Later versions are read like the first. */
export function parseTraceContext(header: unknown): TraceContext | undefined {
  if (typeof header !== "string") return undefined;
  const match = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-|$)/.exec(header);
  const [, traceId = "", spanId = "", flags = ""] = match ?? [];
  if (!match || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  if (header.startsWith("00-") && match[4] === "-") return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** The same for everybody who asks about one trace, whichever program it is: a trace is recorded as a whole or not at all. */
export function isSampled(traceId: string, perMillion: number): boolean {
  // Upstream compares the last eight bytes; their first four decide.
  return Number.parseInt(traceId.slice(16, 24), 16) / 2 ** 32 < perMillion / 1_000_000;
}
