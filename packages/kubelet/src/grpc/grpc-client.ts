// Calls by their names to one server on this machine: the runtime, a device plug-in, a CSI driver.
import type { Clock } from "@skiff/component-base/clock.ts";
import { GrpcChannel } from "@skiff/grpc/grpc-channel.ts";
import { codeName } from "@skiff/grpc/grpc-error.ts";
import { readMessages } from "@skiff/grpc/read-messages.ts";
import type { GrpcMethod } from "./service-methods.ts";

/** A call ends at the first of the two. */
export interface CallOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Connects with the first call, and again by itself once the server is back. */
export class GrpcClient implements Disposable {
  private readonly channel: GrpcChannel;
  private readonly methods: Readonly<Record<string, GrpcMethod>>;
  private readonly name: string;

  /** `endpoint` is a path, or `unix://` and a path; `name` is what errors call the server. */
  constructor(
    endpoint: string,
    methods: Readonly<Record<string, GrpcMethod>>,
    { name, clock }: { readonly name: string; readonly clock: Clock },
  ) {
    this.name = name;
    this.methods = methods;
    const servers = [`unix://${encodeURI(socketPath(endpoint))}`];
    this.channel = new GrpcChannel({ servers, name }, { clock });
  }

  /** Rejects with GrpcError, also once the signal aborts. */
  async call<T>(name: string, request: object, { timeoutMs, signal }: CallOptions): Promise<T> {
    const { path, requestSerialize, responseDeserialize } = this.method(name);
    const answer = await this.channel.unary(path, requestSerialize(request), timeoutMs, signal);
    return responseDeserialize(answer) as T;
  }

  /** What the server sends until the signal aborts; the iteration throws GrpcError. */
  async *messages<T>(name: string, request: object, signal: AbortSignal): AsyncIterable<T> {
    const { path, requestSerialize, responseDeserialize } = this.method(name);
    for await (const message of readMessages(this.channel, path, requestSerialize(request), signal)) {
      yield responseDeserialize(message) as T;
    }
  }

  [Symbol.dispose](): void {
    this.channel[Symbol.dispose]();
  }

  private method(name: string): GrpcMethod {
    const method = this.methods[name];
    if (!method) throw new Error(`${this.name} has no method ${name}`);
    return method;
  }
}

/** The file behind an endpoint, which is written with or without a scheme. */
export function socketPath(endpoint: string): string {
  return endpoint.replace(/^unix:(\/\/)?/, "");
}

/** The form in which users know a refusal from upstream: `rpc error: code = NotFound desc = …`. */
export function rpcErrorText(code: number, details: string): string {
  return `rpc error: code = ${codeName(code)} desc = ${details}`;
}
