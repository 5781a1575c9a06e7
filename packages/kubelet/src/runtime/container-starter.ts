// Makes and starts one container: image, configuration, create, start, postStart hook.
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Container, Pod, Service } from "@skiff/api/types.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { linkLog } from "../container-logs/log-paths.ts";
import type { CriClient } from "../cri/cri-client.ts";
import { CriError } from "../cri/cri-client.ts";
import type { PodSandboxConfig } from "../cri/types.ts";
import type { PodFacts } from "../env/field-ref.ts";
import type { PodObjects } from "../env/make-env.ts";
import { ContainerConfigError } from "../env/make-env.ts";
import type { PodEvents } from "../events/pod-events.ts";

import type { ImageManager } from "../images/image-manager.ts";
import type { KubeletMetrics } from "../metrics/kubelet-metrics.ts";
import type { ContainerExtras } from "../resource-managers/container-extras.ts";
import { withExtras } from "../resource-managers/container-extras.ts";
import { HOST_USERS, inUserNamespace } from "../user-namespaces/in-user-namespace.ts";
import type { MountedVolumes } from "../volumes/volume-manager.ts";
import type { ContainerConfigDeps } from "./container-config.ts";
import { containerConfig } from "./container-config.ts";
import { pullImageVolumes } from "./image-volumes.ts";
import type { LifecycleHooks } from "./lifecycle-hooks.ts";
import type { PodKiller } from "./pod-killer.ts";
import type { RuntimePod } from "./runtime-pod.ts";
import { latestContainer } from "./runtime-pod.ts";
import type { Place } from "./start-gate.ts";
import { WaitingError } from "./waiting-error.ts";

export interface ContainerStarterDeps extends ContainerConfigDeps {
  readonly cri: Pick<CriClient, "createContainer" | "startContainer" | "version" | "status" | "podSandboxStatus">;
  readonly images: Pick<ImageManager, "ensure">;
  readonly objects: PodObjects;
  readonly events: PodEvents;
  readonly hooks: LifecycleHooks;
  readonly killer: Pick<PodKiller, "killContainer">;
  readonly log: Logger;
  readonly metrics?: Pick<KubeletMetrics, "containerStart">;
  services(): readonly Service[];
  /** Devices and processors that were set aside for the container. */
  extras(pod: Pod, container: Container): Promise<ContainerExtras>;
}

/** What all containers of one pod share during one pass. */
export interface StartContext {
  readonly sandboxId: string;
  readonly sandboxConfig: PodSandboxConfig;
  readonly runtime: RuntimePod;
  readonly facts: PodFacts;
  readonly mounted: MountedVolumes;
  readonly place: Place;
  readonly signal: AbortSignal;
}

/** The missing object may come any time, and its arrival alone wakes the pod; this is for everything else. */
const CONFIG_RETRY_MS = 10_000;

/**
 * Each step has its reason in the container's waiting state: ErrImagePull, CreateContainerConfigError,
 * CreateContainerError, RunContainerError, PostStartHookError.
 */
export class ContainerStarter {
  private readonly deps: ContainerStarterDeps;

  constructor(deps: ContainerStarterDeps) {
    this.deps = deps;
  }

  /** Throws WaitingError with upstream's reason where the container could not be started. */
  async start(pod: Pod, container: Container, context: StartContext): Promise<void> {
    let code: string | undefined;
    try {
      await this.startOnce(pod, container, context);
    } catch (error) {
      code = error instanceof WaitingError ? error.reason : "Unknown";
      throw error;
    } finally {
      this.deps.metrics?.containerStart(typeOf(pod, container), code);
    }
  }

  private async startOnce(pod: Pod, container: Container, context: StartContext): Promise<void> {
    const { signal, sandboxConfig } = context;
    const pulled = this.pull(pod, container, sandboxConfig, signal);
    const { image, imageVolumes } = await pulled.catch((error) => {
      // Beside the event that says why, upstream writes one with the reason alone.
      if (error instanceof WaitingError) {
        this.deps.events.container(pod, container, "Warning", "Failed", `Error: ${error.reason}`);
      }
      throw error;
    });
    signal.throwIfAborted();
    const restartCount = await this.nextRestartCount(pod, container, context.runtime);
    const config = await this.configure(pod, container, context, { image, imageVolumes, restartCount });
    signal.throwIfAborted();
    const id = await this.create(pod, container, context, config);
    await this.launch(pod, container, id, context.place);
    await this.linkLog(pod, container, id, config.logPath);
    await this.runPostStart(pod, container, id, context);
  }

  private async pull(pod: Pod, container: Container, sandbox: PodSandboxConfig, signal: AbortSignal) {
    const image = await this.deps.images.ensure(pod, container, sandbox, signal);
    return { image, imageVolumes: await pullImageVolumes(pod, container, sandbox, this.deps, signal) };
  }

  private async configure(
    pod: Pod,
    container: Container,
    context: StartContext,
    more: Pick<Parameters<typeof containerConfig>[0], "image" | "imageVolumes" | "restartCount">,
  ) {
    const { events, objects } = this.deps;
    const target = (container as { targetContainerName?: string }).targetContainerName;
    const targetId = target ? latestContainer(context.runtime, target)?.id : undefined;
    try {
      const config = await containerConfig(
        {
          ...more,
          pod,
          container,
          objects,
          targetId,
          facts: context.facts,
          mounted: context.mounted,
          canMountReadOnlyRecursively: () => this.canMountReadOnlyRecursively(context.sandboxId),
          signal: context.signal,
          services: this.deps.services(),
          onSkippedKeys: (message) => {
            events.container(pod, container, "Warning", "InvalidEnvironmentVariableNames", message);
          },
        },
        this.deps,
      );
      const { usernsOptions = HOST_USERS } = context.sandboxConfig.linux.securityContext.namespaceOptions;
      return inUserNamespace(withExtras(config, await this.deps.extras(pod, container)), usernsOptions);
    } catch (error) {
      context.signal.throwIfAborted();
      const message = error instanceof Error ? error.message : String(error);
      events.container(pod, container, "Warning", "Failed", `Error: ${message}`);
      const { cause } = error as Error;
      if (cause) this.deps.log.warn({ err: cause, container: container.name }, message);
      // A broken reference is the user's to repair; everything else is the node's trouble and may pass sooner.
      const reason = error instanceof ContainerConfigError ? "CreateContainerConfigError" : "CreateContainerError";
      throw new WaitingError(reason, message, { retryMs: CONFIG_RETRY_MS, cause: error });
    }
  }

  /** A property of the runtime's handler, which differs by RuntimeClass. */
  private async canMountReadOnlyRecursively(sandboxId: string): Promise<boolean> {
    const { cri } = this.deps;
    const [{ runtimeHandlers }, { runtimeHandler }] = await Promise.all([
      cri.status(),
      cri.podSandboxStatus(sandboxId),
    ]);
    const handler = runtimeHandlers.find(({ name }) => name === runtimeHandler);
    return handler?.features?.recursiveReadOnlyMounts ?? false;
  }

  /** Returns the runtime's id. Nothing runs yet. */
  private async create(
    pod: Pod,
    container: Container,
    { sandboxId, sandboxConfig, place }: StartContext,
    config: Awaited<ReturnType<typeof containerConfig>>,
  ): Promise<string> {
    const { cri, events } = this.deps;
    try {
      const id = await place.work(() => cri.createContainer(sandboxId, config, sandboxConfig));
      events.container(pod, container, "Normal", "Created", "Container created");
      return id;
    } catch (error) {
      const message = descriptionOf(error);
      events.container(pod, container, "Warning", "Failed", `Error: ${message}`);
      throw new WaitingError("CreateContainerError", message, { retryMs: CONFIG_RETRY_MS, cause: error });
    }
  }

  /** A container that cannot be started shows as RunContainerError, and the runtime's own words with it. */
  private async launch(pod: Pod, container: Container, id: string, place: Place): Promise<void> {
    const { cri, events } = this.deps;
    try {
      await place.work(() => cri.startContainer(id));
      events.container(pod, container, "Normal", "Started", "Container started");
    } catch (error) {
      const message = descriptionOf(error);
      events.container(pod, container, "Warning", "Failed", `Error: ${message}`);
      throw new WaitingError("RunContainerError", message, { retryMs: 0, cause: error });
    }
  }

  /** For log shippers, which take the pod's name from that of the file. */
  private async linkLog(pod: Pod, { name }: Container, id: string, file: string): Promise<void> {
    const { paths, log } = this.deps;
    const logPath = join(paths.podLogs(pod), file);
    const { name: podName, namespace = "" } = pod.metadata;
    await linkLog(paths.logLink({ name: podName, namespace }, { id, name, logPath }), logPath).catch((error) => {
      log.warn({ err: error, container: name }, "link to the log could not be made");
    });
  }

  private async runPostStart(pod: Pod, container: Container, id: string, context: StartContext): Promise<void> {
    const hook = container.lifecycle?.postStart;
    if (!hook) return;
    const { events, hooks, killer } = this.deps;
    const podIp = context.facts.podIps[0] ?? "";
    const warn = (reason: string, message: string) => events.container(pod, container, "Warning", reason, message);
    try {
      await hooks.run(hook, { container, containerId: id, podIp, warn }, context.signal);
    } catch (error) {
      context.signal.throwIfAborted();
      warn("FailedPostStartHook", "PostStartHook failed");
      const started = { id, name: container.name, gracePeriodSeconds: undefined, preStop: undefined };
      const why = { reason: "Unknown", message: "FailedPostStartHook" } as const;
      await killer.killContainer(pod, context.runtime, { ...started, state: "running" }, why);
      const message = hookFailure(pod, container, error);
      throw new WaitingError("PostStartHookError", message, { retryMs: 0, cause: error });
    }
  }

  /** One more than the runtime, or else the logs on disk, or else the API, remember. */
  private async nextRestartCount(pod: Pod, container: Container, runtime: RuntimePod): Promise<number> {
    const last = latestContainer(runtime, container.name);
    if (last) return last.restartCount + 1;
    const folder = join(this.deps.paths.podLogs(pod), container.name);
    const logs = existsSync(folder) ? await readdir(folder).catch(() => []) : [];
    const counts = logs.map((name) => Number(/^(\d+)\.log/.exec(name)?.[1] ?? -1));
    return Math.max(-1, ...counts) + 1;
  }
}

function typeOf(pod: Pod, { name }: Container): "container" | "init_container" | "ephemeral_container" {
  if (pod.spec?.initContainers?.some((container) => container.name === name)) return "init_container";
  return pod.spec?.containers.some((container) => container.name === name) ? "container" : "ephemeral_container";
}

/** Upstream's words; the output stays out of the events, for it may hold secrets. */
function hookFailure(pod: Pod, container: Container, error: unknown): string {
  const why = error instanceof Error ? error.message : String(error);
  const command = container.lifecycle?.postStart?.exec?.command;
  if (!command) return why;
  const { name, namespace, uid } = pod.metadata;
  const [, output = ""] = /exited with \d+: (.*)$/s.exec(why) ?? [];
  return `Exec lifecycle hook ([${command.join(" ")}]) for Container "${container.name}" in Pod "${name}_${namespace}(${uid})" failed - error: ${why}, message: ${JSON.stringify(output)}`;
}

/** The runtime's own words, without the wrapping of the call. */
function descriptionOf(error: unknown): string {
  if (error instanceof CriError) return error.details;
  return error instanceof Error ? error.message : String(error);
}
