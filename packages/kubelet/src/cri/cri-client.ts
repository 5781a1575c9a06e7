// The container runtime over its gRPC socket: one promise per call, each with a deadline.

import type { Clock } from "@skiff/component-base/clock.ts";
import { GrpcChannel } from "../grpc/grpc-channel.ts";
import { GRPC, GrpcError } from "../grpc/grpc-error.ts";
import type { GrpcMethod } from "../grpc/grpc-methods.ts";
import { grpcMethods } from "../grpc/grpc-methods.ts";
import descriptor from "./runtime-v1.json" with { type: "json" };
import type {
  AuthConfig,
  Container,
  ContainerConfig,
  ContainerEvent,
  ContainerStats,
  ContainerStatus,
  FilesystemUsage,
  Image,
  Labels,
  LinuxContainerResources,
  PodSandbox,
  PodSandboxConfig,
  PodSandboxStatus,
  RuntimeStatus,
} from "./types.ts";

/** Upstream's --runtime-request-timeout. Calls that wait for a container take longer by that wait. */
const CALL_TIMEOUT_MS = 120_000;
/** Upstream's limit for a pull without progress is unknown to the CRI, so the whole pull is bounded. */
const PULL_TIMEOUT_MS = 30 * 60_000;

export interface ExecResult {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly exitCode: number;
}

/** A typed view of the runtime service and the image service of one endpoint (`unix:///path`). */
export class CriClient implements Disposable {
  private readonly channel: GrpcChannel;
  private readonly methods: ReadonlyMap<string, GrpcMethod>;

  constructor(endpoint: string, deps: { clock: Pick<Clock, "after"> }) {
    this.methods = grpcMethods(descriptor, ["runtime.v1.RuntimeService", "runtime.v1.ImageService"]);
    this.channel = new GrpcChannel(
      { path: endpoint.replace(/^unix:\/\//, "") },
      { authority: "localhost", userAgent: "kubelet" },
      deps,
    );
  }

  version(): Promise<{ runtimeName: string; runtimeVersion: string; runtimeApiVersion: string }> {
    return this.call("Version", { version: "v1" });
  }

  status(): Promise<RuntimeStatus> {
    return this.call("Status", { verbose: false }, 10_000);
  }

  async updatePodCidr(podCidr: string): Promise<void> {
    await this.call("UpdateRuntimeConfig", { runtimeConfig: { networkConfig: { podCidr } } });
  }

  async runPodSandbox(config: PodSandboxConfig, runtimeHandler: string): Promise<string> {
    const request = { config, runtimeHandler };
    return (await this.call<{ podSandboxId: string }>("RunPodSandbox", request, 2 * CALL_TIMEOUT_MS)).podSandboxId;
  }

  async stopPodSandbox(podSandboxId: string): Promise<void> {
    await this.call("StopPodSandbox", { podSandboxId });
  }

  async removePodSandbox(podSandboxId: string): Promise<void> {
    await this.call("RemovePodSandbox", { podSandboxId });
  }

  async podSandboxStatus(podSandboxId: string): Promise<PodSandboxStatus> {
    const answer = await this.call<{ status: PodSandboxStatus }>("PodSandboxStatus", { podSandboxId });
    return answer.status;
  }

  async listPodSandboxes(labelSelector: Labels = {}): Promise<PodSandbox[]> {
    return (await this.call<{ items: PodSandbox[] }>("ListPodSandbox", { filter: { labelSelector } })).items;
  }

  async createContainer(
    podSandboxId: string,
    config: ContainerConfig,
    sandboxConfig: PodSandboxConfig,
  ): Promise<string> {
    const request = { podSandboxId, config, sandboxConfig };
    return (await this.call<{ containerId: string }>("CreateContainer", request)).containerId;
  }

  async startContainer(containerId: string): Promise<void> {
    await this.call("StartContainer", { containerId });
  }

  /** Resolves once the container has stopped: after its stop signal, or after `timeoutSeconds` and a kill. */
  async stopContainer(containerId: string, timeoutSeconds: number): Promise<void> {
    const deadlineMs = CALL_TIMEOUT_MS + timeoutSeconds * 1000;
    await this.call("StopContainer", { containerId, timeout: timeoutSeconds }, deadlineMs);
  }

  async removeContainer(containerId: string): Promise<void> {
    await this.call("RemoveContainer", { containerId });
  }

  async listContainers(labelSelector: Labels = {}): Promise<Container[]> {
    return (await this.call<{ containers: Container[] }>("ListContainers", { filter: { labelSelector } })).containers;
  }

  async containerStatus(containerId: string): Promise<ContainerStatus> {
    return (await this.call<{ status: ContainerStatus }>("ContainerStatus", { containerId })).status;
  }

  async updateContainerResources(containerId: string, linux: LinuxContainerResources): Promise<void> {
    await this.call("UpdateContainerResources", { containerId, linux });
  }

  async reopenContainerLog(containerId: string): Promise<void> {
    await this.call("ReopenContainerLog", { containerId });
  }

  /** Runs a command to its end; `timeoutSeconds` 0 waits for ever. A timeout rejects with DEADLINE_EXCEEDED. */
  execSync(containerId: string, cmd: readonly string[], timeoutSeconds: number): Promise<ExecResult> {
    // The runtime kills the command at its own timeout; the call's deadline only covers a runtime that hangs.
    const deadlineMs = timeoutSeconds > 0 ? timeoutSeconds * 1000 + 5000 : 24 * 3_600_000;
    return this.call("ExecSync", { containerId, cmd, timeout: timeoutSeconds }, deadlineMs);
  }

  async exec(request: ExecOptions & { containerId: string; cmd: readonly string[] }): Promise<string> {
    return (await this.call<{ url: string }>("Exec", request)).url;
  }

  async attach(request: ExecOptions & { containerId: string }): Promise<string> {
    return (await this.call<{ url: string }>("Attach", request)).url;
  }

  async portForward(podSandboxId: string, port: readonly number[]): Promise<string> {
    return (await this.call<{ url: string }>("PortForward", { podSandboxId, port })).url;
  }

  async listContainerStats(labelSelector: Labels = {}): Promise<ContainerStats[]> {
    return (await this.call<{ stats: ContainerStats[] }>("ListContainerStats", { filter: { labelSelector } })).stats;
  }

  async listImages(): Promise<Image[]> {
    return (await this.call<{ images: Image[] }>("ListImages", {})).images;
  }

  /** The image by name, digest or id; undefined when the runtime has none. */
  async imageStatus(image: string): Promise<Image | undefined> {
    return (await this.call<{ image: Image | null }>("ImageStatus", { image: { image } })).image ?? undefined;
  }

  async pullImage(
    image: string,
    auth: AuthConfig | undefined,
    sandboxConfig?: PodSandboxConfig,
    signal?: AbortSignal,
  ): Promise<string> {
    const request = { image: { image }, ...(auth ? { auth } : {}), ...(sandboxConfig ? { sandboxConfig } : {}) };
    return (await this.call<{ imageRef: string }>("PullImage", request, PULL_TIMEOUT_MS, signal)).imageRef;
  }

  /** Of all its names. An image that is not there is fine. */
  async removeImage(image: string): Promise<void> {
    await this.call("RemoveImage", { image: { image } });
  }

  /** The runtime's own configuration, as far as it tells; its form is the runtime's. */
  async runtimeInfo(): Promise<Labels> {
    return (await this.call<{ info: Labels }>("Status", { verbose: true }, 10_000)).info;
  }

  async imageFsInfo(): Promise<FilesystemUsage[]> {
    return (await this.call<{ imageFilesystems: FilesystemUsage[] }>("ImageFsInfo", {})).imageFilesystems;
  }

  /** Events until `signal` aborts; the iteration throws UNIMPLEMENTED where the runtime has none. */
  async *containerEvents(signal: AbortSignal): AsyncIterable<ContainerEvent> {
    const { path, encode, decode } = this.method("GetContainerEvents");
    for await (const message of this.channel.stream(path, encode({}), signal)) yield decode(message) as ContainerEvent;
  }

  [Symbol.dispose](): void {
    this.channel[Symbol.dispose]();
  }

  private method(name: string): GrpcMethod {
    const method = this.methods.get(name);
    if (!method) throw new Error(`the CRI has no method ${name}`);
    return method;
  }

  private async call<T>(name: string, request: object, timeoutMs = CALL_TIMEOUT_MS, signal?: AbortSignal): Promise<T> {
    const { path, encode, decode } = this.method(name);
    return decode(await this.channel.unary(path, encode(request), { timeoutMs, signal })) as T;
  }
}

export interface ExecOptions {
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

export function isCriNotFound(error: unknown): boolean {
  return hasCode(error, GRPC.notFound);
}

/** True while the runtime cannot be reached, as during its restart. */
export function isCriUnavailable(error: unknown): boolean {
  return hasCode(error, GRPC.unavailable);
}

export function isCriUnimplemented(error: unknown): boolean {
  return hasCode(error, GRPC.unimplemented);
}

export function isCriTimeout(error: unknown): boolean {
  return hasCode(error, GRPC.deadlineExceeded);
}

function hasCode(error: unknown, code: number): boolean {
  return error instanceof GrpcError && error.code === code;
}
