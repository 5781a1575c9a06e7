// Takes the next step for a pod that shall run: volumes, sandbox, containers, as sync-pod decides.
import { mkdirSync } from "node:fs";
import type { Container, Pod } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { PodResizer } from "./allocation/pod-resizer.ts";
import { ResizeError } from "./allocation/pod-resizer.ts";
import { BackOff } from "./back-off.ts";
import type { CpuQuotas } from "./cgroups/cpu-quotas.ts";
import type { PodCgroups } from "./cgroups/pod-cgroups.ts";
import type { CriClient } from "./cri/cri-client.ts";
import type { PodSandboxConfig, UserNamespace } from "./cri/types.ts";
import type { PodFacts } from "./env/field-ref.ts";
import type { PodEvents } from "./events/pod-events.ts";
import type { PodPaths } from "./pod-paths.ts";
import type { ContainerStarter, StartContext } from "./runtime/container-starter.ts";
import type { DnsSettings } from "./runtime/dns.ts";
import { dnsOmissions } from "./runtime/dns.ts";
import type { PodKiller } from "./runtime/pod-killer.ts";
import type { RuntimeClasses } from "./runtime/runtime-classes.ts";
import type { RuntimePod } from "./runtime/runtime-pod.ts";
import { readySandbox, runningContainers } from "./runtime/runtime-pod.ts";
import type { RuntimeReader } from "./runtime/runtime-reader.ts";
import { sandboxConfig } from "./runtime/sandbox-config.ts";
import type { Place, StartGate } from "./runtime/start-gate.ts";
import { WaitingError } from "./runtime/waiting-error.ts";
import type { WaitingReason } from "./status/container-statuses.ts";
import { podIpsOf } from "./status/pod-status.ts";
import type { PodActions, ProbeVerdicts } from "./sync-pod.ts";
import { computePodActions, isSidecar } from "./sync-pod.ts";
import { HOST_USERS } from "./user-namespaces/in-user-namespace.ts";
import type { PodUserNamespaces } from "./user-namespaces/pod-user-namespaces.ts";
import { VolumeError } from "./volumes/volume-error.ts";
import type { VolumeManager } from "./volumes/volume-manager.ts";

export interface PodSyncerDeps {
  readonly cri: Pick<CriClient, "runPodSandbox">;
  readonly reader: Pick<RuntimeReader, "readSandbox">;
  readonly starter: ContainerStarter;
  readonly killer: PodKiller;
  readonly volumes: VolumeManager;
  readonly cgroups: PodCgroups;
  readonly probes: ProbeVerdicts;
  readonly events: PodEvents;
  readonly gate: StartGate;
  readonly resizer: Pick<PodResizer, "mustRestart" | "actuate" | "actuatedPod" | "isUnderWay">;
  readonly paths: PodPaths;
  readonly clock: Clock;
  readonly log: Logger;
  readonly nodeName: string;
  readonly hostIps: readonly string[];
  readonly clusterDomain: string;
  /** The longest delay between restarts of a container that keeps ending. */
  readonly maxRestartDelayMs: number;
  readonly quotas: CpuQuotas | undefined;
  readonly runtimeClasses: Pick<RuntimeClasses, "handlerOf">;
  /** Asked for with the first pod that has users of its own. */
  userNamespaces(): Promise<Pick<PodUserNamespaces, "create" | "get">>;
  dns(): Promise<DnsSettings>;
  allocatable(): Readonly<Record<string, string>>;
  /** The pod as last seen in the runtime. */
  runtime(uid: string): RuntimePod;
}

/** What one pass came to. */
export interface SyncOutcome {
  /** When another pass makes sense; undefined when only a change can bring news. */
  readonly retryMs: number | undefined;
  /** Whether anything was started or stopped, or tried to be. */
  readonly acted: boolean;
}

/**
 * Kubernetes restarts a failing container after 10 s, 20 s, 40 s and so on; kubectl shows CrashLoopBackOff meanwhile.
 */
const CRASH_BACK_OFF_INITIAL_MS = 10_000;
/** The usual cause, a network plug-in that is not ready yet on a node that has just joined, is over soon. */
const SANDBOX_RETRY_MS = 2000;
/** Of a pass that has nothing to start, and so did not wait for its turn. */
const NO_PLACE: Place = { work: (call) => call() };
/** A memory limit that is below what is in use can be set once the container has freed some. */
const RESIZE_RETRY_MS = 10_000;

/** What one worker remembers between passes. */
export interface SyncMemory {
  /** Container name → why it waits. */
  readonly reasons: Map<string, WaitingReason>;
  volumeRetryMs: number;
}

/**
 * Carries out what `computePodActions` decides. Each pass starts from what the runtime holds now, so one that failed
 * halfway needs no undoing.
 */
export class PodSyncer {
  private readonly deps: PodSyncerDeps;
  private readonly crashes: BackOff;

  constructor(deps: PodSyncerDeps) {
    this.deps = deps;
    this.crashes = new BackOff(
      Math.min(CRASH_BACK_OFF_INITIAL_MS, deps.maxRestartDelayMs),
      deps.maxRestartDelayMs,
      deps.clock,
    );
  }

  /** One pass. What has to be started waits for its turn on the node; what runs is looked after at once. */
  async sync(pod: Pod, memory: SyncMemory, signal: AbortSignal): Promise<SyncOutcome> {
    const runtime = this.deps.runtime(pod.metadata.uid ?? "");
    const { createSandbox, ephemeral, init, containers } = this.actionsFor(pod, runtime);
    const starts = createSandbox || ephemeral.length + init.length + containers.length > 0;
    if (!starts) return this.step(pod, memory, NO_PLACE, signal);
    return this.deps.gate.run("start", (place) => this.step(pod, memory, place, signal), signal);
  }

  private async step(pod: Pod, memory: SyncMemory, place: Place, signal: AbortSignal): Promise<SyncOutcome> {
    // Read here: it may have changed while the pod waited for its turn.
    const runtime = this.deps.runtime(pod.metadata.uid ?? "");
    const cgroupParent = await this.prepareNode(pod);
    let mounted: StartContext["mounted"];
    try {
      mounted = await this.deps.volumes.setUp(pod, this.facts(pod, runtime), signal);
      memory.volumeRetryMs = 0;
    } catch (error) {
      // The pod waits in ContainerCreating, with this event in `kubectl describe`, until its volumes can be had.
      if (!(error instanceof VolumeError)) throw error;
      this.deps.events.pod(pod, "Warning", error.reason, error.message);
      return { retryMs: nextVolumeRetry(memory), acted: false };
    }
    const actions = this.actionsFor(pod, runtime);
    await this.kill(pod, runtime, actions);
    signal.throwIfAborted();
    const resize = await this.resize(pod, runtime, actions);
    // The pod is over: its restart policy grants no other sandbox.
    if (actions.killPod && !actions.createSandbox) return { retryMs: undefined, acted: true };
    const wanted = [...actions.ephemeral, ...actions.init, ...actions.containers];
    if (!actions.createSandbox && wanted.length === 0) {
      return { retryMs: resize.retryMs, acted: actions.kill.length > 0 || resize.acted };
    }
    const sandbox = await this.sandboxOf(pod, runtime, actions, { cgroupParent, place, signal });
    if (!sandbox) return { retryMs: SANDBOX_RETRY_MS, acted: true };
    const context: StartContext = {
      ...sandbox,
      mounted,
      place,
      signal,
      facts: this.facts(pod, sandbox.runtime),
    };
    const retryMs = await this.startAll(pod, wanted, context, memory);
    // The runtime tells of exits only: what may start beside a sidecar, and that a resize has nothing to wait for any more,
    // is for another pass to find.
    const isNews = (container: Container) => isSidecar(container) || this.deps.resizer.isUnderWay(pod);
    const begun = wanted.some((container) => isNews(container) && !memory.reasons.has(container.name));
    return { retryMs: begun ? 0 : (resize.retryMs ?? retryMs), acted: true };
  }

  private actionsFor(pod: Pod, runtime: RuntimePod): PodActions {
    const { probes, resizer } = this.deps;
    return computePodActions(pod, runtime, probes, (of, container) => resizer.mustRestart(of, container));
  }

  /** Gives the pod what it was granted. */
  private async resize(pod: Pod, runtime: RuntimePod, actions: PodActions): Promise<SyncOutcome> {
    if (actions.killPod || actions.createSandbox) return { retryMs: undefined, acted: false };
    try {
      const result = await this.deps.resizer.actuate(pod, runtime);
      // A container that is started anew is looked at once more: then the resize is over.
      return { retryMs: result === "restarting" ? 0 : undefined, acted: result !== "idle" };
    } catch (error) {
      if (!(error instanceof ResizeError)) throw error;
      return { retryMs: RESIZE_RETRY_MS, acted: true };
    }
  }

  /** Forgets delays that are long over. */
  collect(): void {
    this.crashes.collect();
  }

  private facts(pod: Pod, runtime: RuntimePod): PodFacts {
    const { hostIps, nodeName, allocatable } = this.deps;
    return { podIps: podIpsOf(pod, runtime, hostIps), hostIps, nodeName, allocatable: allocatable() };
  }

  /** What goes wrong here shows in an event alone: no container waits for it. */
  private async prepareNode(pod: Pod): Promise<string> {
    const { paths, cgroups, resizer, events } = this.deps;
    let step: readonly [string, string] = ["FailedToMakePodDataDirectories", "error making pod data directories"];
    try {
      makeFolder(paths.pod(pod.metadata.uid ?? ""), 0o750);
      step = ["FailedCreatePodSandBox", "Failed to create pod sandbox"];
      makeFolder(paths.podLogs(pod), 0o755);
      step = ["FailedToCreatePodContainer", "unable to ensure pod container exists"];
      // With what its containers have: until they are resized, less than that would be refused.
      return await cgroups.create(resizer.actuatedPod(pod));
    } catch (error) {
      const [reason, what] = step;
      events.pod(pod, "Warning", reason, `${what}: ${error instanceof Error ? error.message : error}`);
      throw error;
    }
  }

  private async kill(pod: Pod, runtime: RuntimePod, actions: PodActions): Promise<void> {
    const { killer, events } = this.deps;
    if (actions.killPod) {
      if (actions.createSandbox && actions.sandboxId) {
        const message = "Pod sandbox changed, it will be killed and re-created.";
        events.pod(pod, "Normal", "SandboxChanged", message);
      }
      // A sandbox that is dead with all in it needs no stopping, and so makes no events of it.
      const alive = readySandbox(runtime) !== undefined || runningContainers(runtime).length > 0;
      if (alive) await killer.killPod(pod, runtime, { reason: "Unknown" });
      return;
    }
    await Promise.all(
      actions.kill.map(({ container, reason, message }) => {
        return killer.killContainer(pod, runtime, container, { reason, message });
      }),
    );
  }

  /**
   * The sandbox to start containers in, made where there is none; undefined, and told as an event, where it cannot be
   * made.
   */
  private async sandboxOf(
    pod: Pod,
    runtime: RuntimePod,
    actions: PodActions,
    { cgroupParent, place, signal }: { cgroupParent: string; place: Place; signal: AbortSignal },
  ): Promise<{ sandboxId: string; sandboxConfig: PodSandboxConfig; runtime: RuntimePod } | undefined> {
    const { cri, events, paths, clusterDomain, quotas } = this.deps;
    const dns = await this.deps.dns();
    const common = { logDirectory: paths.podLogs(pod), cgroupParent, dns, clusterDomain, quotas };
    const { sandboxId } = actions;
    if (!actions.createSandbox) {
      const settings = { ...common, users: await this.usersOf(pod) };
      return { sandboxId, sandboxConfig: sandboxConfig(pod, actions.attempt, settings), runtime };
    }
    try {
      const handler = await this.deps.runtimeClasses.handlerOf(pod, signal);
      const config = sandboxConfig(pod, actions.attempt, { ...common, users: await this.usersOf(pod, handler) });
      for (const omission of dnsOmissions(pod, dns)) events.pod(pod, "Warning", "DNSConfigForming", omission);
      const id = await place.work(() => cri.runPodSandbox(config, handler));
      return { sandboxId: id, sandboxConfig: config, runtime: await this.withSandbox(runtime, id) };
    } catch (error) {
      const message = `Failed to create pod sandbox: ${error instanceof Error ? error.message : error}`;
      events.pod(pod, "Warning", "FailedCreatePodSandBox", message);
      this.deps.log.warn({ err: error, pod: `${pod.metadata.namespace}/${pod.metadata.name}` }, "sandbox not created");
      return undefined;
    }
  }

  /** With the handler for a sandbox that is to be made, without for one that is there. */
  private async usersOf(pod: Pod, handler?: string): Promise<UserNamespace> {
    if (pod.spec?.hostUsers !== false) return HOST_USERS;
    const users = await this.deps.userNamespaces();
    return handler === undefined ? users.get(pod) : users.create(pod, handler);
  }

  /** The pod with the sandbox that was just made, for the addresses it got. */
  private async withSandbox(runtime: RuntimePod, id: string): Promise<RuntimePod> {
    const made = await this.deps.reader.readSandbox(id);
    return { ...runtime, sandboxes: [made, ...runtime.sandboxes] };
  }

  /** Starts what can be started; returns when to try the rest. */
  private async startAll(
    pod: Pod,
    containers: readonly Container[],
    context: StartContext,
    memory: SyncMemory,
  ): Promise<number | undefined> {
    let retryMs: number | undefined;
    for (const container of containers) {
      context.signal.throwIfAborted();
      try {
        this.refuseInBackOff(pod, container, context.runtime);
        await this.deps.starter.start(pod, container, context);
        memory.reasons.delete(container.name);
      } catch (error) {
        context.signal.throwIfAborted();
        if (!(error instanceof WaitingError)) throw error;
        memory.reasons.set(container.name, { reason: error.reason, message: error.message });
        retryMs = Math.min(retryMs ?? error.retryMs, error.retryMs);
      }
    }
    return retryMs;
  }

  private refuseInBackOff(pod: Pod, container: Container, runtime: RuntimePod): void {
    // One that was only just killed still looks alive here: then its predecessor counts, as upstream.
    const last = runtime.containers.find(({ name, state }) => name === container.name && state === "exited");
    if (!last) return;
    const { name, namespace, uid } = pod.metadata;
    // With the image in the key, a new image starts with a clean slate.
    const key = `${uid}/${container.name}/${container.image}`;
    const retryMs = this.crashes.remainingSince(key, last.finishedAt);
    // Let through now, and counted: should it exit again, the next delay is twice as long.
    if (retryMs === 0) {
      this.crashes.next(key, last.finishedAt);
      return;
    }
    const podName = `${name}_${namespace}(${uid})`;
    const text = `Back-off restarting failed container ${container.name} in pod ${podName}`;
    this.deps.events.container(pod, container, "Warning", "BackOff", text);
    const delay = formatDelay(this.crashes.get(key));
    const message = `back-off ${delay} restarting failed container=${container.name} pod=${podName}`;
    throw new WaitingError("CrashLoopBackOff", message, { retryMs });
  }
}

function makeFolder(path: string, mode: number): void {
  try {
    mkdirSync(path, { recursive: true, mode });
  } catch (error) {
    // Of a read-only disk Node says that something was not found; asked for the folder alone it has the kernel's reason.
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    mkdirSync(path, { mode });
  }
}

/** As Go prints it: `10s`, `1m20s`, `5m0s`. */
export function formatDelay(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

function nextVolumeRetry(memory: SyncMemory): number {
  // Upstream's delays between tries of a mount: half a second, doubling up to two minutes.
  memory.volumeRetryMs = Math.min(122_000, Math.max(500, memory.volumeRetryMs * 2));
  return memory.volumeRetryMs;
}
