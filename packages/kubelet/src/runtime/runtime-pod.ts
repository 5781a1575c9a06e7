// What the container runtime holds of one pod, in the kubelet's own words.
import type { LifecycleHandler } from "@skiff/api/types.ts";
import type { ContainerStatus, LinuxContainerResources, NamespaceMode, PodSandboxStatus } from "../cri/types.ts";
import { millisOf } from "../cri/types.ts";
import { ANNOTATION, LABEL } from "./labels.ts";

/** As the CRI has it; "unknown" may mean running, so such a container is stopped before another takes its place. */
export type ContainerState = "created" | "running" | "exited" | "unknown";

/** One container of the runtime. Times are milliseconds since the epoch, 0 when they have not come. */
export interface RuntimeContainer {
  readonly id: string;
  readonly sandboxId: string;
  readonly name: string;
  readonly state: ContainerState;
  readonly createdAt: number;
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly exitCode: number;
  readonly reason: string;
  readonly message: string;
  readonly image: string;
  readonly imageRef: string;
  readonly logPath: string;
  readonly restartCount: number;
  /** Of the fields whose change restarts a container. */
  readonly hash: string;
  readonly terminationMessagePath: string;
  readonly terminationMessagePolicy: string;
  /** The host file behind `terminationMessagePath`. */
  readonly terminationMessageFile: string;
  /** Paths of mounts below which nothing can be written either. */
  readonly recursiveReadOnlyPaths: readonly string[];
  readonly gracePeriodSeconds: number | undefined;
  readonly preStop: LifecycleHandler | undefined;
  readonly resources: LinuxContainerResources | undefined;
  readonly user: { uid: number; gid: number; supplementalGroups: number[] } | undefined;
  /** As the runtime tells it. */
  readonly stopSignal: string | undefined;
}

/** What a pod's containers run in. `ips` is empty for a pod on the node's network. */
export interface RuntimeSandbox {
  readonly id: string;
  readonly attempt: number;
  readonly ready: boolean;
  readonly createdAt: number;
  readonly ips: readonly string[];
  readonly networkMode: NamespaceMode;
}

/** Sandboxes and containers are newest first. */
export interface RuntimePod {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly sandboxes: readonly RuntimeSandbox[];
  readonly containers: readonly RuntimeContainer[];
}

/** A pod of which the runtime has nothing. */
export function emptyRuntimePod(pod: { uid: string; namespace: string; name: string }): RuntimePod {
  return { uid: pod.uid, namespace: pod.namespace, name: pod.name, sandboxes: [], containers: [] };
}

/** The newest container of that name, running or not. */
export function latestContainer(pod: RuntimePod, name: string): RuntimeContainer | undefined {
  return pod.containers.find((container) => container.name === name);
}

/** Those that must be stopped before the pod counts as ended: an unknown state may be a running one. */
export function runningContainers(pod: RuntimePod): RuntimeContainer[] {
  return pod.containers.filter((container) => container.state === "running" || container.state === "unknown");
}

/** The sandbox that the pod's containers run in, if one is up. */
export function readySandbox(pod: RuntimePod): RuntimeSandbox | undefined {
  return pod.sandboxes.find((sandbox) => sandbox.ready);
}

/** Whether a container or a sandbox ended between two looks. */
export function hasNewExit(before: RuntimePod, after: RuntimePod): boolean {
  const known = new Set(endedIds(before));
  return endedIds(after).some((id) => !known.has(id));
}

function endedIds({ containers, sandboxes }: RuntimePod): string[] {
  const exited = containers.filter(({ state }) => state === "exited").map(({ id }) => id);
  return [...exited, ...sandboxes.filter(({ ready }) => !ready).map(({ id }) => id)];
}

/** The first address is the pod's main one, status.podIP. */
export function sandboxFromCri(status: PodSandboxStatus): RuntimeSandbox {
  const { network } = status;
  const ips = network?.ip ? [network.ip, ...network.additionalIps.map((entry) => entry.ip)] : [];
  return {
    id: status.id,
    attempt: status.metadata?.attempt ?? 0,
    ready: status.state === "SANDBOX_READY",
    createdAt: millisOf(status.createdAt),
    ips,
    networkMode: status.linux?.namespaces?.options?.network ?? "POD",
  };
}

const STATES: Record<ContainerStatus["state"], ContainerState> = {
  CONTAINER_CREATED: "created",
  CONTAINER_RUNNING: "running",
  CONTAINER_EXITED: "exited",
  CONTAINER_UNKNOWN: "unknown",
};

/**
 * Everything that the kubelet itself needs comes from annotations, so that a container of an earlier kubelet is no
 * stranger.
 */
export function containerFromCri(status: ContainerStatus, sandboxId: string): RuntimeContainer {
  const { annotations } = status;
  const messagePath = annotations[ANNOTATION.terminationMessagePath] ?? "";
  const grace = annotations[ANNOTATION.gracePeriod];
  const user = status.user?.linux;
  return {
    id: status.id,
    sandboxId,
    name: status.labels[LABEL.containerName] ?? status.metadata?.name ?? "",
    state: STATES[status.state],
    createdAt: millisOf(status.createdAt),
    startedAt: millisOf(status.startedAt),
    finishedAt: millisOf(status.finishedAt),
    exitCode: status.exitCode,
    reason: status.reason,
    message: status.message,
    image: status.image?.image ?? "",
    imageRef: status.imageRef,
    logPath: status.logPath,
    restartCount: Number(annotations[ANNOTATION.restartCount] ?? status.metadata?.attempt ?? 0),
    hash: annotations[ANNOTATION.hash] ?? "",
    terminationMessagePath: messagePath,
    terminationMessagePolicy: annotations[ANNOTATION.terminationMessagePolicy] ?? "File",
    terminationMessageFile: status.mounts.find((mount) => mount.containerPath === messagePath)?.hostPath ?? "",
    recursiveReadOnlyPaths: status.mounts.flatMap((mount) => (mount.recursiveReadOnly ? [mount.containerPath] : [])),
    gracePeriodSeconds: grace === undefined ? undefined : Number(grace),
    preStop: parseHook(annotations[ANNOTATION.preStop]),
    resources: status.resources?.linux ?? undefined,
    user: user
      ? { uid: Number(user.uid), gid: Number(user.gid), supplementalGroups: user.supplementalGroups.map(Number) }
      : undefined,
    // A runtime of old leaves the field away, which reads as its zero.
    stopSignal: status.stopSignal === "RUNTIME_DEFAULT" ? undefined : status.stopSignal,
  };
}

function parseHook(text: string | undefined): LifecycleHandler | undefined {
  if (!text) return undefined;
  try {
    return JSON.parse(text) as LifecycleHandler;
  } catch {
    // Another kubelet may have written the annotation; a hook that cannot be read cannot be run.
    return undefined;
  }
}
