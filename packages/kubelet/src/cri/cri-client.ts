// The container runtime over its gRPC socket: one promise per call, each with a deadline.
import type { Clock } from "@skiff/component-base/clock.ts";
import { DEADLINE_EXCEEDED, GrpcError, NOT_FOUND, UNAVAILABLE, UNIMPLEMENTED } from "@skiff/grpc/grpc-error.ts";
import { GrpcClient, rpcErrorText } from "../grpc/grpc-client.ts";
import { serviceMethods } from "../grpc/service-methods.ts";
import type { ObserveCall } from "./call-metrics.ts";
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

/** Upstream's default. Calls that wait for a container take longer by that wait. */
const CALL_TIMEOUT_MS = 120_000;
/** Upstream's limit for a pull without progress is unknown to the CRI, so the whole pull is bounded. */
const PULL_TIMEOUT_MS = 30 * 60_000;

/** `exitCode` is the command's own; a command that could not be run rejects instead. */
export interface ExecResult {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly exitCode: number;
}

export interface CriClientDeps {
  readonly clock: Clock;
  /** Told of every call that has ended. */
  readonly observe?: ObserveCall;
}

/** A typed view of the runtime service and the image service of one endpoint (`unix:///path`). */
export class CriClient implements Disposable {
  private readonly client: GrpcClient;
  private readonly clock: Clock;
  private readonly observe: ObserveCall | undefined;
  private readonly timeoutMs: number;

  constructor(endpoint: string, deps: CriClientDeps, options: { readonly timeoutMs?: number } = {}) {
    this.clock = deps.clock;
    this.observe = deps.observe;
    this.timeoutMs = options.timeoutMs ?? CALL_TIMEOUT_MS;
    const methods = serviceMethods(descriptor, ["runtime.v1.RuntimeService", "runtime.v1.ImageService"]);
    this.client = new GrpcClient(endpoint, methods, { name: "the container runtime", clock: deps.clock });
  }

  version(): Promise<{ runtimeName: string; runtimeVersion: string; runtimeApiVersion: string }> {
    return this.call("Version", { version: "v1" });
  }

  /** The conditions RuntimeReady and NetworkReady, on which the node's Ready condition rests. */
  status(): Promise<RuntimeStatus> {
    return this.call("Status", { verbose: false }, 10_000);
  }

  /** What the runtime tells of itself beyond its conditions; containerd gives its configuration as JSON under `config`. */
  async runtimeInfo(): Promise<Labels> {
    return (await this.call<{ info?: Labels }>("Status", { verbose: true }, 10_000)).info ?? {};
  }

  /** Who makes the runtime's cgroups. One before this call was added rejects with Unimplemented. */
  async cgroupDriver(): Promise<"systemd" | "cgroupfs"> {
    const { linux } = await this.call<{ linux?: { cgroupDriver: string } | null }>("RuntimeConfig", {}, 10_000);
    return linux?.cgroupDriver === "CGROUPFS" ? "cgroupfs" : "systemd";
  }

  /** Tells the runtime the node's range of pod addresses, for runtimes that configure the network plug-in from it. */
  async updatePodCidr(podCidr: string): Promise<void> {
    await this.call("UpdateRuntimeConfig", { runtimeConfig: { networkConfig: { podCidr } } });
  }

  /** Returns the sandbox's id, with the network set up. A network plug-in may be slow, hence twice the usual time. */
  async runPodSandbox(config: PodSandboxConfig, runtimeHandler: string): Promise<string> {
    const request = { config, runtimeHandler };
    return (await this.call<{ podSandboxId: string }>("RunPodSandbox", request, 2 * this.timeoutMs)).podSandboxId;
  }

  /** Ends its containers and takes its network down. May be repeated; one that is gone is fine. */
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

  /** Returns the id; the image must be there, and nothing runs until `startContainer`. */
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
    const deadlineMs = this.timeoutMs + timeoutSeconds * 1000;
    await this.call("StopContainer", { containerId, timeout: timeoutSeconds }, deadlineMs);
  }

  /** A running one is killed first. */
  async removeContainer(containerId: string): Promise<void> {
    await this.call("RemoveContainer", { containerId });
  }

  async listContainers(labelSelector: Labels = {}): Promise<Container[]> {
    return (await this.call<{ containers: Container[] }>("ListContainers", { filter: { labelSelector } })).containers;
  }

  async containerStatus(containerId: string): Promise<ContainerStatus> {
    return (await this.call<{ status: ContainerStatus }>("ContainerStatus", { containerId })).status;
  }

  /** Changes limits of a running container in place. */
  async updateContainerResources(containerId: string, linux: LinuxContainerResources): Promise<void> {
    await this.call("UpdateContainerResources", { containerId, linux });
  }

  /** Makes the runtime write on into a new file of the same path, after a rotation. */
  async reopenContainerLog(containerId: string): Promise<void> {
    await this.call("ReopenContainerLog", { containerId });
  }

  /** Writes the container's state to an archive; `timeoutSeconds` 0 is the runtime's own limit. */
  async checkpointContainer(containerId: string, location: string, timeoutSeconds: number): Promise<void> {
    const deadlineMs = this.timeoutMs + timeoutSeconds * 1000;
    await this.call("CheckpointContainer", { containerId, location, timeout: timeoutSeconds }, deadlineMs);
  }

  /** Runs a command to its end; `timeoutSeconds` 0 waits for ever. A timeout rejects with DEADLINE_EXCEEDED. */
  execSync(containerId: string, cmd: readonly string[], timeoutSeconds: number): Promise<ExecResult> {
    // The runtime kills the command at its own timeout; the call's deadline only covers a runtime that hangs.
    const deadlineMs = timeoutSeconds > 0 ? timeoutSeconds * 1000 + 5000 : 24 * 3_600_000;
    return this.call("ExecSync", { containerId, cmd, timeout: timeoutSeconds }, deadlineMs);
  }

  /** Returns the URL of the runtime's streaming server, good for one connection soon. */
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

  /** Rejects with CANCELLED once the signal aborts, and the runtime gives the pull up. */
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

  async imageFsInfo(): Promise<FilesystemUsage[]> {
    return (await this.call<{ imageFilesystems: FilesystemUsage[] }>("ImageFsInfo", {})).imageFilesystems;
  }

  /** Events until `signal` aborts; the iteration throws UNIMPLEMENTED where the runtime has none. */
  containerEvents(signal: AbortSignal): AsyncIterable<ContainerEvent> {
    return this.client.messages<ContainerEvent>("GetContainerEvents", {}, signal);
  }

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
  }

  private async call<T>(name: string, request: object, timeoutMs = this.timeoutMs, signal?: AbortSignal): Promise<T> {
    const startedAt = this.clock.monotonic();
    const seconds = () => (this.clock.monotonic() - startedAt) / 1000;
    try {
      const answer = await this.client.call<T>(name, request, { timeoutMs, signal });
      this.observe?.(name, seconds(), false);
      return answer;
    } catch (error) {
      this.observe?.(name, seconds(), true);
      throw error instanceof GrpcError ? new CriError(name, error) : error;
    }
  }
}

/** Which streams a user's connection carries. With a terminal there is no stderr of its own. */
export interface ExecOptions {
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** A refusal by the runtime. `message` is `rpc error: code = NotFound desc = …`, the form users know from upstream. */
export class CriError extends Error {
  readonly method: string;
  readonly code: number;
  readonly details: string;

  constructor(method: string, cause: GrpcError) {
    super(rpcErrorText(cause.code, cause.message), { cause });
    this.name = "CriError";
    this.method = method;
    this.code = cause.code;
    this.details = cause.message;
  }
}

/** The runtime does not know the id or the image, as after somebody removed it by hand. */
export function isCriNotFound(error: unknown): boolean {
  return error instanceof CriError && error.code === NOT_FOUND;
}

/** True while the runtime cannot be reached, as during its restart, or containerd listens but has not yet found its containers. */
export function isCriUnavailable(error: unknown): boolean {
  if (!(error instanceof CriError)) return false;
  return error.code === UNAVAILABLE || error.details.includes("server is not initialized yet");
}

/** An older runtime that lacks the method. */
export function isCriUnimplemented(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === UNIMPLEMENTED;
}

/** The deadline has passed. What was asked for may have been done all the same. */
export function isCriTimeout(error: unknown): boolean {
  return error instanceof CriError && error.code === DEADLINE_EXCEEDED;
}
