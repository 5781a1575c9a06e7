// Unary calls to a plugin over its unix socket, each with a deadline.
import type { Clock } from "@skiff/component-base/clock.ts";
import { CANCELLED, DEADLINE_EXCEEDED, GrpcError, UNAVAILABLE } from "@skiff/grpc/grpc-error.ts";
import type { GrpcMethod } from "../cri/service-methods.ts";
import { type CallOptions, GrpcClient, rpcErrorText } from "../grpc/grpc-client.ts";

/** Connects with the first call, and again by itself after the plugin was restarted. */
export class PluginClient implements Disposable {
  private readonly client: GrpcClient;

  /** `endpoint` is a path, or `unix://` and a path. */
  constructor(endpoint: string, methods: Readonly<Record<string, GrpcMethod>>, { clock }: { clock: Clock }) {
    this.client = new GrpcClient(endpoint, methods, { name: "the plugin", clock });
  }

  /** Rejects with RpcError, also once the signal aborts. */
  async call<T>(name: string, request: object, options: CallOptions): Promise<T> {
    try {
      return await this.client.call<T>(name, request, options);
    } catch (error) {
      throw error instanceof GrpcError ? new RpcError(error) : error;
    }
  }

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
  }
}

/** A plugin's refusal, in the form that users know from upstream: `rpc error: code = NotFound desc = …`. */
export class RpcError extends Error {
  readonly code: number;

  constructor(cause: GrpcError) {
    super(rpcErrorText(cause.code, cause.message), { cause });
    this.name = "RpcError";
    this.code = cause.code;
  }

  /** Whether the call is over for good: else the plugin may still be working on it. */
  get isFinal(): boolean {
    return !UNDECIDED.includes(this.code);
  }
}

const RESOURCE_EXHAUSTED = 8;
const ABORTED = 10;
/** Codes that leave open what the plugin did. A volume whose call ended so must be treated as perhaps mounted. */
const UNDECIDED: readonly number[] = [CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE, RESOURCE_EXHAUSTED, ABORTED];
