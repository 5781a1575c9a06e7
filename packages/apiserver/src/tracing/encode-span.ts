// Spans as OTLP's protocol buffers (opentelemetry.proto.trace.v1). Pure.
import { WireWriter } from "../storage/etcd/wire-writer.ts";
import type { TraceContext } from "./trace-context.ts";

export type Attributes = Readonly<Record<string, string | number | undefined>>;

export interface FinishedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | undefined;
  /** The span of a caller whose word does not count: related, but not the parent. */
  readonly link: TraceContext | undefined;
  readonly name: string;
  readonly kind: "server" | "client";
  /** Milliseconds since the Unix epoch, with fractions. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
  /** What went wrong, if anything did. */
  readonly error: string | undefined;
}

const KINDS = { server: 2, client: 3 } as const;
const STATUS_ERROR = 2;

/** A Span message. */
export function encodeSpan(span: FinishedSpan): Buffer {
  const out = new WireWriter()
    .bytes(1, hex(span.traceId))
    .bytes(2, hex(span.spanId))
    .bytes(4, span.parentId ? hex(span.parentId) : undefined)
    .bytes(5, text(span.name))
    .number(6, KINDS[span.kind])
    .fixed64(7, nanos(span.startMs))
    .fixed64(8, nanos(span.endMs));
  for (const pair of encodeAttributes(span.attributes)) out.message(9, pair);
  if (span.link) {
    const { traceId, spanId } = span.link;
    out.message(13, new WireWriter().bytes(1, hex(traceId)).bytes(2, hex(spanId)).finish());
  }
  if (span.error !== undefined) {
    out.message(15, new WireWriter().bytes(2, text(span.error)).number(3, STATUS_ERROR).finish());
  }
  return out.finish();
}

/** An ExportTraceServiceRequest of spans that are encoded already. */
export function encodeExport(spans: readonly Buffer[], resource: Attributes): Buffer {
  const scope = new WireWriter().bytes(1, text("skiff/kube-apiserver")).finish();
  const scopeSpans = new WireWriter().message(1, scope);
  for (const span of spans) scopeSpans.message(2, span);
  const described = new WireWriter();
  for (const pair of encodeAttributes(resource)) described.message(1, pair);
  const resourceSpans = new WireWriter().message(1, described.finish()).message(2, scopeSpans.finish());
  return new WireWriter().message(1, resourceSpans.finish()).finish();
}

function encodeAttributes(attributes: Attributes): Buffer[] {
  return Object.entries(attributes).flatMap(([key, value]) => {
    if (value === undefined) return [];
    const any = new WireWriter();
    if (typeof value === "number") any.choice(3, value);
    else any.message(1, text(value));
    return [new WireWriter().bytes(1, text(key)).message(2, any.finish()).finish()];
  });
}

const hex = (value: string) => Buffer.from(value, "hex");
const text = (value: string) => Buffer.from(value, "utf8");
const nanos = (ms: number) => BigInt(Math.round(ms * 1000)) * 1000n;
