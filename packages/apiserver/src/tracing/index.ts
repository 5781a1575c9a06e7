// Tracing as --tracing-config-file asks for it: spans leave by OTLP over gRPC, and never hold up a request.
import { hostname } from "node:os";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { GrpcChannel } from "@skiff/grpc/grpc-channel.ts";
import { BatchQueue } from "../audit/batch-queue.ts";
import { encodeExport, encodeSpan } from "./encode-span.ts";
import { Tracer } from "./tracer.ts";
import { parseTracingConfig } from "./tracing-config.ts";

export interface Tracing extends AsyncDisposable {
  readonly tracer: Tracer;
}

// The defaults of OpenTelemetry's own exporters.
const QUEUE = { capacity: 2048, maxBatch: 512, maxWaitMs: 5_000, maxChars: 8 * 1024 * 1024 };
const EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const EXPORT_TIMEOUT_MS = 10_000;
const ATTEMPTS = 3;
const RETRY_MS = 1_000;

/** `text` is the file's. Throws with what is wrong with it. */
export function createTracing(
  text: string,
  { clock, log, metrics }: { readonly clock: Clock; readonly log: Logger; readonly metrics: MetricsRegistry },
): Tracing {
  const { endpoint, samplesPerMillion } = parseTracingConfig(text);
  const exported = metrics.counter("apiserver_tracing_exported_spans_total", "Spans that the collector has taken.");
  const lost = metrics.counter(
    "apiserver_tracing_lost_spans_total",
    "Spans that found no room in the queue (reason full) or that the collector did not take (reason export).",
  );
  const channel = new GrpcChannel({ servers: [`http://${endpoint}`], name: "the collector of traces" }, { clock });
  const resource = { "service.name": "apiserver", "service.instance.id": hostname() };
  const stop = new AbortController();
  const send = async (spans: readonly Buffer[]) => {
    const message = encodeExport(spans, resource);
    try {
      await retry(() => channel.unary(EXPORT, message, EXPORT_TIMEOUT_MS), clock, stop.signal);
      exported.inc({}, spans.length);
    } catch (error) {
      lost.inc({ reason: "export" }, spans.length);
      log.warn({ err: error, endpoint, lost: spans.length }, "the trace collector did not take a batch");
    }
  };
  const queue = new BatchQueue<Buffer>(QUEUE, send, clock);
  const finish = (span: Parameters<typeof encodeSpan>[0]) => {
    if (!queue.push(encodeSpan(span))) lost.inc({ reason: "full" });
  };
  return {
    tracer: new Tracer({ samplesPerMillion }, finish, clock),
    async [Symbol.asyncDispose]() {
      // What waits still gets one attempt.
      stop.abort();
      await queue.close();
      channel[Symbol.dispose]();
    },
  };
}

async function retry(work: () => Promise<unknown>, clock: Clock, signal: AbortSignal): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await work();
      return;
    } catch (error) {
      if (attempt >= ATTEMPTS || signal.aborted) throw error;
      await clock.sleep(RETRY_MS * attempt, signal).catch(() => {});
    }
  }
}
