// The connections to etcd: mutual TLS, no retries (a repeated transaction is another transaction), deadlines, metrics.

import { InterceptingCall, type Interceptor } from "@grpc/grpc-js";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Histogram, MetricsRegistry } from "@skiff/component-base/metrics.ts";
import {
  Etcd3,
  type IOptions,
  type IRangeRequest,
  type IRangeResponse,
  type ITxnRequest,
  type ITxnResponse,
} from "etcd3";

export interface EtcdOptions {
  /** `https://127.0.0.1:2379`, one per member. */
  readonly servers: readonly string[];
  /** PEM texts; plain text connections when absent. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
  /** Without a slash at its end: `/registry`. */
  readonly prefix: string;
}

/** An open transport, with the raw calls that the storage is made of. Errors are gRPC's, as etcd3 casts them. */
export class EtcdConnection implements Disposable {
  readonly prefix: string;
  readonly clock: Clock;
  private readonly client: Etcd3;
  /** A TCP connection of its own: beside large reads on a shared one the watch starves. */
  private readonly watchers: Etcd3;
  private readonly latency: Histogram | undefined;

  constructor(options: EtcdOptions, deps: { clock: Clock; metrics?: MetricsRegistry }) {
    this.prefix = options.prefix;
    this.clock = deps.clock;
    this.client = new Etcd3(etcd3Options(options));
    this.watchers = new Etcd3(etcd3Options(options));
    this.latency = deps.metrics?.histogram(
      "etcd_request_duration_seconds",
      "Etcd request latency in seconds for each operation and object type.",
    );
  }

  range(request: IRangeRequest, timeoutMs = CALL_TIMEOUT_MS): Promise<IRangeResponse> {
    return this.timed("range", this.client.kv.range(request, this.deadline(timeoutMs)));
  }

  txn(request: ITxnRequest, operation = "txn"): Promise<ITxnResponse> {
    return this.timed(operation, this.client.kv.txn(request, this.deadline(CALL_TIMEOUT_MS)));
  }

  async put(key: string, value: string, lease?: string): Promise<number> {
    const request = { key: Buffer.from(key), value: Buffer.from(value), ...(lease ? { lease } : {}) };
    const answer = await this.timed("put", this.client.kv.put(request, this.deadline(CALL_TIMEOUT_MS)));
    return Number(answer.header.revision);
  }

  async compact(revision: number): Promise<void> {
    await this.timed(
      "compact",
      this.client.kv.compact({ revision: String(revision) }, this.deadline(COMPACT_TIMEOUT_MS)),
    );
  }

  /** A lease id as decimal text: ids exceed 2^53. */
  async grantLease(ttlSeconds: number): Promise<string> {
    const request = { TTL: String(ttlSeconds) };
    const answer = await this.timed(
      "leaseGrant",
      this.client.leaseClient.leaseGrant(request, this.deadline(CALL_TIMEOUT_MS)),
    );
    return answer.ID;
  }

  async revokeLease(id: string): Promise<void> {
    await this.client.leaseClient.leaseRevoke({ ID: id }, this.deadline(CALL_TIMEOUT_MS));
  }

  /** One renewal; false when the lease is gone. */
  async renewLease(id: string): Promise<boolean> {
    const stream = await this.client.leaseClient.leaseKeepAlive(this.deadline(CALL_TIMEOUT_MS));
    return await new Promise<boolean>((resolve, reject) => {
      stream.on("data", (answer) => resolve(Number(answer.TTL) > 0));
      stream.on("error", reject);
      stream.on("end", () => resolve(false));
      stream.write({ ID: id });
    }).finally(() => stream.end());
  }

  openWatch() {
    return this.watchers.watchClient.watch({ interceptors: [requireLeader] });
  }

  [Symbol.dispose](): void {
    this.client.close();
    this.watchers.close();
  }

  private deadline(ms: number): { deadline: number } {
    return { deadline: this.clock.now() + ms };
  }

  private async timed<T>(operation: string, call: Promise<T>): Promise<T> {
    const start = this.clock.monotonic();
    try {
      return await call;
    } finally {
      this.latency?.observe((this.clock.monotonic() - start) / 1000, { operation });
    }
  }
}

const CALL_TIMEOUT_MS = 10_000;
const COMPACT_TIMEOUT_MS = 60_000;

type FaultPolicy = NonNullable<NonNullable<IOptions["faultHandling"]>["global"]>;

function etcd3Options(options: EtcdOptions): IOptions {
  const { tls } = options;
  const credentials = tls && {
    rootCertificate: Buffer.from(tls.ca),
    certChain: Buffer.from(tls.cert),
    privateKey: Buffer.from(tls.key),
  };
  return {
    hosts: [...options.servers],
    ...(credentials ? { credentials } : {}),
    faultHandling: { global: runOnce, host: () => runOnce },
    grpcOptions: {
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      "grpc.use_local_subchannel_pool": 1,
      "grpc.ssl_target_name_override": "localhost",
      "grpc.keepalive_time_ms": 10_000,
      "grpc.keepalive_timeout_ms": 5_000,
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 1_000,
    },
  };
}

// A member cut off from its cluster then ends the watch instead of keeping it open in silence.
const requireLeader: Interceptor = (options, nextCall) =>
  new InterceptingCall(nextCall(options), {
    start(metadata, listener, next) {
      metadata.set("hasleader", "true");
      next(metadata, listener);
    },
  });

/** Runs a call exactly once: no retry, no circuit breaker. */
const runOnce: FaultPolicy = {
  _altReturn: undefined as never,
  onSuccess: () => ({ dispose: () => {} }),
  onFailure: () => ({ dispose: () => {} }),
  execute: async (call, signal = NEVER) => call({ signal }),
};

const NEVER = new AbortController().signal;
