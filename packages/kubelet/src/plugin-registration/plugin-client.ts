// Calls to a plugin over its unix socket: each has a deadline, or goes on until it is given up.
import type { Clock } from "@skiff/component-base/clock.ts";
import {
  ABORTED,
  CANCELLED,
  DEADLINE_EXCEEDED,
  GrpcError,
  RESOURCE_EXHAUSTED,
  UNAVAILABLE,
} from "@skiff/grpc/grpc-error.ts";
import { type CallOptions, GrpcClient, rpcErrorText } from "../grpc/grpc-client.ts";
import type { GrpcMethod } from "../grpc/service-methods.ts";

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

  /** What the plugin sends until the signal aborts; the iteration throws GrpcError. */
  messages<T>(name: string, request: object, signal: AbortSignal): AsyncIterable<T> {
    return this.client.messages<T>(name, request, signal);
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

/** Codes that leave open what the plugin did. A volume whose call ended so must be treated as perhaps mounted. */
const UNDECIDED: readonly number[] = [CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE, RESOURCE_EXHAUSTED, ABORTED];
