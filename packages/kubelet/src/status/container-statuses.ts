// The status of each container, from the runtime's view, the kubelet's own reasons and the last status. Pure.
import { containerLimit } from "@skiff/api/scheduling/resources.ts";
import type {
  Container,
  ContainerState,
  ContainerStateTerminated,
  ContainerStatus,
  Pod,
  ResourceRequirements,
  ResourceStatus,
} from "@skiff/api/types.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import type { RuntimeContainer, RuntimePod } from "../runtime/runtime-pod.ts";
import { isSidecar, shouldRestart } from "../sync-pod.ts";

/** Why a container waits, as the last pass found it. */
export interface WaitingReason {
  readonly reason: string;
  readonly message: string;
}

/** What the probes say of a running container; true where it has no such probe. */
export interface ProbeStates {
  isStarted(pod: Pod, container: Container, containerId: string): boolean;
  isReady(pod: Pod, container: Container, containerId: string): boolean;
}

/** `reasons` are by container name; `previous` is the last status of the same kind of containers. */
export interface ContainerStatusInput {
  readonly runtime: RuntimePod;
  readonly reasons: ReadonlyMap<string, WaitingReason>;
  readonly previous: readonly ContainerStatus[];
  readonly probes: ProbeStates;
  readonly kind: "init" | "regular" | "ephemeral";
  /** The pod as its running containers have it, where that is another thing than its spec says. */
  readonly actuated?: Readonly<Pod> | undefined;
  /** The pod has been stopped for good. */
  readonly isTerminal: boolean;
  /** How the devices of the container are. */
  health?(container: string): readonly ResourceStatus[];
  /** The pod got as far as this container, so that one which cannot be found is lost. */
  wasReached(container: Container): boolean;
}

/** One for each container, in the order of the spec. */
export function containerStatuses(
  pod: Pod,
  containers: readonly Container[],
  input: ContainerStatusInput,
): ContainerStatus[] {
  return containers.map((container) => containerStatus(pod, container, input));
}

/** All last words of a pod together, shared out evenly: its object must stay of a size that can be stored. */
const MAX_MESSAGES_BYTES = 12 * 1024;

function containerStatus(pod: Pod, container: Container, input: ContainerStatusInput): ContainerStatus {
  const [latest, before] = input.runtime.containers.filter(({ name }) => name === container.name);
  const previous = input.previous.find(({ name }) => name === container.name);
  const status = latest ? statusOf(pod, latest, before, previous) : absentStatus(pod, container, previous, input);
  const waiting = input.reasons.get(container.name);
  // One that failed to start and gets no second try is over, and its reason is how it ended.
  const isOver = input.isTerminal || (latest?.state === "exited" && !shouldRestart(pod, container, latest));
  if (waiting && !isOver && !status.state?.running) {
    // What stopped last time moves aside, for the state now is that it waits.
    const ended = status.state?.terminated;
    if (ended) status.lastState = { terminated: ended };
    status.state = { waiting: { reason: waiting.reason, message: waiting.message } };
  }
  applyProbes(pod, container, status, latest, input);
  const health = input.health?.(container.name) ?? [];
  if (health.length > 0) status.allocatedResourcesStatus = [...health];
  return withSpecFields(container, status, actuatedResources(input.actuated ?? pod, container, status), latest);
}

function statusOf(
  pod: Pod,
  latest: RuntimeContainer,
  before: RuntimeContainer | undefined,
  previous: ContainerStatus | undefined,
): ContainerStatus {
  const ended = before?.state === "exited" ? terminatedState(pod, before, previous) : lostState(latest, previous);
  return {
    name: latest.name,
    image: latest.image,
    imageID: latest.imageRef,
    containerID: `containerd://${latest.id}`,
    restartCount: latest.restartCount,
    ready: false,
    started: false,
    state: stateOf(pod, latest, previous),
    lastState: ended ? { terminated: ended } : {},
    ...(latest.user ? { user: { linux: latest.user } } : {}),
    ...(latest.stopSignal ? { stopSignal: latest.stopSignal } : {}),
  };
}

/** The last termination that the API knows of, when the runtime has forgotten that container. */
function lostState(
  latest: RuntimeContainer,
  previous: ContainerStatus | undefined,
): ContainerStateTerminated | undefined {
  const candidates = [previous?.state?.terminated, previous?.lastState?.terminated];
  const id = `containerd://${latest.id}`;
  return candidates.find((candidate) => candidate && candidate.containerID !== id);
}

function stateOf(pod: Pod, container: RuntimeContainer, previous: ContainerStatus | undefined): ContainerState {
  if (container.state === "running") return { running: { startedAt: formatTime(container.startedAt) } };
  if (container.state === "exited") return { terminated: terminatedState(pod, container, previous) };
  return { waiting: { reason: "ContainerCreating" } };
}

function terminatedState(
  pod: Pod,
  container: RuntimeContainer,
  previous: ContainerStatus | undefined,
): ContainerStateTerminated {
  const containerID = `containerd://${container.id}`;
  const known = [previous?.state?.terminated, previous?.lastState?.terminated];
  // The file with its last words may be gone by now; the API may still have them.
  const message = container.message || known.find((state) => state?.containerID === containerID)?.message;
  return {
    exitCode: container.exitCode,
    reason: container.reason || (container.exitCode === 0 ? "Completed" : "Error"),
    ...(message ? { message: cutMessage(pod, message) } : {}),
    startedAt: formatTime(container.startedAt),
    finishedAt: formatTime(container.finishedAt),
    containerID,
  };
}

function cutMessage({ spec }: Pod, message: string): string {
  const lists = [spec?.initContainers, spec?.containers, spec?.ephemeralContainers];
  const count = lists.reduce((sum, list) => sum + (list?.length ?? 0), 0);
  return Buffer.from(message)
    .subarray(0, Math.floor(MAX_MESSAGES_BYTES / count))
    .toString("utf8");
}

/** Upstream's: 128 and the number of SIGKILL, which is what most likely ended it. */
const LOST_EXIT_CODE = 137;

/** The runtime has no such container: it was not made yet, or it is lost. */
function absentStatus(
  pod: Pod,
  container: Container,
  previous: ContainerStatus | undefined,
  input: ContainerStatusInput,
): ContainerStatus {
  // Init containers too wait for the initialization that they are part of.
  const isInitialized = (pod.spec?.initContainers ?? []).length === 0;
  const blank: ContainerStatus = {
    name: container.name,
    image: container.image ?? "",
    imageID: "",
    restartCount: previous?.restartCount ?? 0,
    ready: false,
    started: false,
    state: { waiting: { reason: isInitialized ? "ContainerCreating" : "PodInitializing" } },
    lastState: previous?.lastState ?? {},
  };
  if (previous?.state?.terminated) return { ...previous, ready: previous.ready };
  const wasRunning = previous?.state?.running;
  if (!wasRunning && !(input.isTerminal && input.wasReached(container))) return blank;
  const terminated: ContainerStateTerminated = {
    exitCode: LOST_EXIT_CODE,
    reason: "ContainerStatusUnknown",
    message: `The container could not be located when the pod was ${pod.metadata.deletionTimestamp ? "deleted" : "terminated"}.  The container used to be ${wasRunning ? "Running" : "Waiting"}`,
  };
  // It is started anew, and counts as restarted: it did run.
  if (input.isTerminal) return { ...blank, state: { terminated } };
  return { ...blank, restartCount: blank.restartCount + 1, lastState: { terminated } };
}

function applyProbes(
  pod: Pod,
  container: Container,
  status: ContainerStatus,
  latest: RuntimeContainer | undefined,
  { kind, probes, isTerminal }: ContainerStatusInput,
): void {
  const running = latest?.state === "running" && status.state?.running !== undefined;
  const initDone = kind === "init" && !isSidecar(container);
  status.started =
    running && (initDone || kind === "ephemeral" ? !initDone : probes.isStarted(pod, container, latest.id));
  if (initDone) status.ready = status.state?.terminated?.exitCode === 0;
  else if (kind === "ephemeral") status.ready = false;
  else status.ready = running && status.started && !isTerminal && probes.isReady(pod, container, latest.id);
}

/** A running container without limits of its own has those of its pod as a whole, and is shown with them. */
function actuatedResources(pod: Readonly<Pod>, { name }: Container, { state }: ContainerStatus): ResourceRequirements {
  const found = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].find((one) => one.name === name);
  const resources = found?.resources ?? {};
  if (!found || !state?.running || !pod.spec.resources) return resources;
  const inherited = ["cpu", "memory"].flatMap((resource) => {
    const limit = containerLimit(pod, found, resource);
    return limit === undefined ? [] : [[resource, limit]];
  });
  if (inherited.length === 0) return resources;
  return { ...resources, limits: { ...resources.limits, ...Object.fromEntries(inherited) } };
}

function withSpecFields(
  container: Container,
  status: ContainerStatus,
  { requests, limits }: ResourceRequirements,
  latest: RuntimeContainer | undefined,
): ContainerStatus {
  const allocated = container.resources?.requests;
  const mounts = container.volumeMounts ?? [];
  const recursively = (path: string) => (latest?.recursiveReadOnlyPaths.includes(path) ? "Enabled" : "Disabled");
  return {
    ...status,
    ...(allocated ? { allocatedResources: allocated } : {}),
    // Empty as well, once there is a container.
    ...(requests || limits || status.containerID
      ? { resources: { ...(limits && { limits }), ...(requests && { requests }) } }
      : {}),
    ...(mounts.length > 0
      ? {
          volumeMounts: mounts.map(({ name, mountPath, readOnly }) => ({
            name,
            mountPath,
            ...(readOnly ? { readOnly, recursiveReadOnly: recursively(mountPath) } : {}),
          })),
        }
      : {}),
  };
}
