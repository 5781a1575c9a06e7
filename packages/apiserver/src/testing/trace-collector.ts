// A collector of traces for tests: a real gRPC server with the messages of OTLP, by libraries that know nothing of ours.
import { Server, ServerCredentials } from "@grpc/grpc-js";
import protobuf from "protobufjs";

/** The part of opentelemetry-proto that is sent here. */
const PROTO = `syntax = "proto3";
message Request { repeated ResourceSpans resource_spans = 1; }
message Response { }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message Resource { repeated KeyValue attributes = 1; }
message ScopeSpans { repeated Span spans = 2; }
message KeyValue { string key = 1; AnyValue value = 2; }
message AnyValue { oneof value { string string_value = 1; int64 int_value = 3; } }
message Link { bytes trace_id = 1; bytes span_id = 2; }
message Status { string message = 2; int32 code = 3; }
message Span {
  bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
  fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9;
  repeated Link links = 13; Status status = 15;
}`;

export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, string | number>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly statusCode: number;
}

export interface Collector extends AsyncDisposable {
  /** `host:port` */
  readonly address: string;
  readonly spans: CollectedSpan[];
  readonly resource: Record<string, string | number>;
}

export async function startCollector(): Promise<Collector> {
  const { root } = protobuf.parse(PROTO);
  const [request, response] = [root.lookupType("Request"), root.lookupType("Response")];
  const spans: CollectedSpan[] = [];
  const resource: Record<string, string | number> = {};
  const server = new Server();
  server.addService(
    {
      Export: {
        path: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        requestStream: false,
        responseStream: false,
        requestDeserialize: (bytes: Buffer) =>
          request.toObject(request.decode(bytes), { longs: String, defaults: true }),
        requestSerialize: () => Buffer.alloc(0),
        responseSerialize: () => Buffer.from(response.encode({}).finish()),
        responseDeserialize: () => ({}),
      },
    },
    {
      Export(call: { request: Message }, answer: (error: null, value: object) => void) {
        for (const { resource: from, scopeSpans } of call.request.resourceSpans) {
          Object.assign(resource, attributesOf(from.attributes));
          spans.push(...scopeSpans.flatMap((scope) => scope.spans.map(readSpan)));
        }
        answer(null, {});
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return {
    address: `127.0.0.1:${port}`,
    spans,
    resource,
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
    },
  };
}

interface Pair {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: string };
}

interface RawSpan {
  readonly traceId: Buffer;
  readonly spanId: Buffer;
  readonly parentSpanId: Buffer;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Pair[];
  readonly links: readonly { readonly traceId: Buffer; readonly spanId: Buffer }[];
  readonly status: { readonly code: number } | null;
}

interface Message {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Pair[] };
    readonly scopeSpans: readonly { readonly spans: readonly RawSpan[] }[];
  }[];
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const ms = (nanos: string) => Number(BigInt(nanos) / 1000n) / 1000;

function readSpan(span: RawSpan): CollectedSpan {
  return {
    traceId: hex(span.traceId),
    spanId: hex(span.spanId),
    parentSpanId: hex(span.parentSpanId),
    name: span.name,
    kind: span.kind,
    startMs: ms(span.startTimeUnixNano),
    endMs: ms(span.endTimeUnixNano),
    attributes: attributesOf(span.attributes),
    links: span.links.map(({ traceId, spanId }) => ({ traceId: hex(traceId), spanId: hex(spanId) })),
    statusCode: span.status?.code ?? 0,
  };
}

function attributesOf(pairs: readonly Pair[]): Record<string, string | number> {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]));
}
