// The connections to etcd and the calls that the storage is made of: deadlines and metrics, no retries, for a repeated
// transaction is another transaction. Errors are GrpcErrors.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { StreamHandlers } from "@skiff/grpc/grpc-call.ts";
import { type ChannelOptions, GrpcChannel, type GrpcStream } from "@skiff/grpc/grpc-channel.ts";
import {
  decodeDatabaseBytes,
  decodeHeader,
  decodeLease,
  decodeRange,
  decodeSwap,
  encodeCompaction,
  encodeLeaseGrant,
  encodeLeaseId,
  encodePut,
  encodeRange,
  encodeSwap,
  type RangeRequest,
  type RangeResponse,
  type SwapRequest,
  type SwapResponse,
} from "./etcd/messages.ts";
import { EtcdMetrics } from "./etcd-metrics.ts";

/** The --etcd-* flags. */
export interface EtcdOptions extends Omit<ChannelOptions, "name"> {
  /** Without a slash at its end: `/registry`. */
  readonly prefix: string;
}

/** Shared by everything in the process that touches etcd. */
export class EtcdConnection implements Disposable {
  readonly prefix: string;
  private readonly clock: Clock;
  private readonly calls: GrpcChannel;
  /** A TCP connection of its own: beside large reads on a shared one the watch starves. */
  private readonly watches: GrpcChannel;
  private readonly metrics: EtcdMetrics | undefined;
  private readonly tracer: CallTracer | undefined;

  constructor(
    options: EtcdOptions,
    deps: {
      clock: Clock;
      metrics?: MetricsRegistry;
      tracer?: CallTracer | undefined;
      /** For metrics: whose key it is that is read or written; without the prefix. */
      resourceOf?: (key: string) => { readonly group: string; readonly resource: string };
    },
  ) {
    this.tracer = deps.tracer;
    this.prefix = options.prefix;
    this.clock = deps.clock;
    this.calls = new GrpcChannel({ ...options, name: "etcd" }, deps);
    this.watches = new GrpcChannel({ ...options, name: "etcd" }, deps);
    this.metrics = deps.metrics && new EtcdMetrics(deps.metrics, options.prefix, deps.resourceOf);
  }

  async range(request: RangeRequest, timeoutMs = CALL_TIMEOUT_MS): Promise<RangeResponse> {
    const operation = request.rangeEnd ? "list" : "get";
    return decodeRange(await this.call(operation, "KV/Range", encodeRange(request), timeoutMs, request.key));
  }

  async swap(request: SwapRequest, operation: string): Promise<SwapResponse> {
    return decodeSwap(await this.call(operation, "KV/Txn", encodeSwap(request), CALL_TIMEOUT_MS, request.key));
  }

  /** The revision of the write. */
  async put(key: string, value: string, lease?: string): Promise<number> {
    const request = encodePut(Buffer.from(key), Buffer.from(value), lease);
    return decodeHeader(await this.call("put", "KV/Put", request, CALL_TIMEOUT_MS, Buffer.from(key))).revision;
  }

  async compact(revision: number): Promise<void> {
    await this.call("compact", "KV/Compact", encodeCompaction(revision), COMPACT_TIMEOUT_MS);
  }

  /** A lease id as decimal text: ids exceed 2^53. */
  async grantLease(ttlSeconds: number): Promise<string> {
    return decodeLease(await this.call("leaseGrant", "Lease/LeaseGrant", encodeLeaseGrant(ttlSeconds))).id;
  }

  async revokeLease(id: string): Promise<void> {
    await this.call("leaseRevoke", "Lease/LeaseRevoke", encodeLeaseId(id));
  }

  /** One renewal; false when the lease is gone. */
  async renewLease(id: string): Promise<boolean> {
    const answer = await this.call("leaseKeepAlive", "Lease/LeaseKeepAlive", encodeLeaseId(id));
    return decodeLease(answer).ttlSeconds > 0;
  }

  /** Of the member's database file. */
  async databaseBytes(): Promise<number> {
    return decodeDatabaseBytes(await this.call("status", "Maintenance/Status", Buffer.alloc(0)));
  }

  /** A member cut off from its cluster ends the stream (hasleader) instead of keeping it open in silence. */
  openWatch(handlers: StreamHandlers): GrpcStream {
    return this.watches.stream(`${SERVICE}.Watch/Watch`, handlers, { hasleader: "true" });
  }

  [Symbol.dispose](): void {
    this.calls[Symbol.dispose]();
    this.watches[Symbol.dispose]();
  }

  private async call(
    operation: string,
    method: string,
    body: Buffer,
    timeoutMs = CALL_TIMEOUT_MS,
    key?: Uint8Array,
  ): Promise<Buffer> {
    const start = this.clock.monotonic();
    let failed = true;
    const span = this.tracer?.call(`etcdserverpb.${method}`, RPC_ATTRIBUTES);
    try {
      const answer = await this.calls.unary(`${SERVICE}.${method}`, body, timeoutMs);
      span?.end();
      failed = false;
      return answer;
    } catch (error) {
      span?.end(error);
      throw error;
    } finally {
      this.metrics?.called(operation, key, (this.clock.monotonic() - start) / 1000, failed);
    }
  }
}

/** Who wants to know of calls, such as the tracing of the request that they serve. */
export interface CallTracer {
  call(name: string, attributes: Readonly<Record<string, string>>): { end(error?: unknown): void } | undefined;
}

const SERVICE = "/etcdserverpb";
const RPC_ATTRIBUTES = { "rpc.system": "grpc", "db.system": "etcd" } as const;
/** Longer than etcd waits for its quorum (7 s unless configured), so that mostly etcd itself says what failed. */
const CALL_TIMEOUT_MS = 10_000;
const COMPACT_TIMEOUT_MS = 60_000;
