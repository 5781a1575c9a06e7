// Unary calls to a plugin over its unix socket, each with a deadline.
import type { ServiceError } from "@grpc/grpc-js";
import { type Client, credentials, status as grpcStatus, makeGenericClientConstructor } from "@grpc/grpc-js";
import type { Clock } from "@skiff/component-base/clock.ts";
import { codeName } from "../cri/cri-client.ts";
import type { GrpcMethod } from "../cri/service-methods.ts";

/** A call ends at the first of the two. */
export interface CallOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Connects with the first call, and again by itself after the plugin was restarted. */
export class PluginClient implements Disposable {
  private readonly client: Client;
  private readonly methods: Readonly<Record<string, GrpcMethod>>;
  private readonly clock: Pick<Clock, "now">;

  /** `endpoint` is a path, or `unix://` and a path. */
  constructor(endpoint: string, methods: Readonly<Record<string, GrpcMethod>>, deps: { clock: Pick<Clock, "now"> }) {
    this.methods = methods;
    this.clock = deps.clock;
    const Generic = makeGenericClientConstructor({}, "plugin");
    this.client = new Generic(`unix:${socketPath(endpoint)}`, credentials.createInsecure(), {
      // A plugin that was restarted answers again at once, not after gRPC's two minutes of back-off.
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 1000,
      "grpc.use_local_subchannel_pool": 1,
    });
  }

  /** Rejects with RpcError, also once the signal aborts. */
  call<T>(name: string, request: object, { timeoutMs, signal }: CallOptions): Promise<T> {
    const method = this.methods[name];
    if (!method) throw new Error(`the plugin's contract has no method ${name}`);
    return new Promise((resolve, reject) => {
      const cancel = () => call.cancel();
      const call = this.client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        { deadline: new Date(this.clock.now() + timeoutMs) },
        (error, response) => {
          signal?.removeEventListener("abort", cancel);
          if (error) reject(new RpcError(error));
          else resolve(response as T);
        },
      );
      signal?.addEventListener("abort", cancel, { once: true });
      if (signal?.aborted) cancel();
    });
  }

  [Symbol.dispose](): void {
    this.client.close();
  }
}

/** The file behind an endpoint, which plugins write with or without a scheme. */
export function socketPath(endpoint: string): string {
  return endpoint.replace(/^unix:(\/\/)?/, "");
}

/** A plugin's refusal, in the form that users know from upstream: `rpc error: code = NotFound desc = …`. */
export class RpcError extends Error {
  readonly code: grpcStatus;

  constructor(cause: ServiceError) {
    super(`rpc error: code = ${codeName(cause.code)} desc = ${cause.details}`, { cause });
    this.name = "RpcError";
    this.code = cause.code;
  }

  /** Whether the call is over for good: else the plugin may still be working on it. */
  get isFinal(): boolean {
    return !UNDECIDED.includes(this.code);
  }
}

/** Codes that leave open what the plugin did. A volume whose call ended so must be treated as perhaps mounted. */
const UNDECIDED: readonly grpcStatus[] = [
  grpcStatus.CANCELLED,
  grpcStatus.DEADLINE_EXCEEDED,
  grpcStatus.UNAVAILABLE,
  grpcStatus.RESOURCE_EXHAUSTED,
  grpcStatus.ABORTED,
];
