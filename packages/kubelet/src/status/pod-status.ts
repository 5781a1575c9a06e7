// The whole status of a pod as it goes to the API. Pure.

import { podRequestQuantities } from "@skiff/api/scheduling/aggregate-quantity.ts";
import { podQos } from "@skiff/api/scheduling/qos.ts";
import { hasPodLevelResources } from "@skiff/api/scheduling/resources.ts";
import type { Container, ContainerStatus, Pod, PodCondition, PodStatus, ResourceStatus } from "@skiff/api/types.ts";
import { ephemeralContainers } from "../env/field-ref.ts";
import type { RuntimePod } from "../runtime/runtime-pod.ts";
import { readySandbox, runningContainers } from "../runtime/runtime-pod.ts";
import { isSidecar } from "../sync-pod.ts";
import { BY_KUBELET, isOwnDisruption, podConditions } from "./conditions.ts";
import type { ProbeStates, WaitingReason } from "./container-statuses.ts";
import { containerStatuses } from "./container-statuses.ts";
import type { PodPhase } from "./pod-phase.ts";
import { podPhase } from "./pod-phase.ts";

/** `reasons` are by container name, as the last pass left them. */
export interface PodStatusInput {
  readonly runtime: RuntimePod;
  readonly reasons: ReadonlyMap<string, WaitingReason>;
  readonly probes: ProbeStates;
  /** The last status that the kubelet made or the API has. */
  readonly previous: PodStatus;
  readonly hostIps: readonly string[];
  /** The pod has been stopped for good. */
  readonly isTerminal: boolean;
  /** The pod as it and its containers have it of its resources, and the conditions of a resize. */
  readonly actuated?: Readonly<Pod> | undefined;
  readonly resize?: readonly PodCondition[];
  /** How the devices of each container are. */
  health?(container: string): readonly ResourceStatus[];
  /** Fixes phase, reason and message, as for a pod that the node refuses. */
  readonly verdict?: PodVerdict | undefined;
  /** RFC 3339. */
  readonly now: string;
}

/** How a pod ends that is ended by the node. */
export interface PodVerdict {
  readonly phase: "Failed";
  readonly reason: string;
  readonly message: string;
  /** The node disrupts a healthy pod: its condition DisruptionTarget tells controllers so. */
  readonly isDisruption?: boolean;
  /** The node never took the pod in, so there is nothing to tell of its containers. */
  readonly isRefusal?: boolean;
  /** Told by the pod's status alone, without an event of its own. */
  readonly isQuiet?: boolean;
  /** Of that event. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** All of status anew, from what runs and what was said last; what others write into it is kept. */
export function makePodStatus(pod: Pod, input: PodStatusInput): PodStatus {
  const { runtime, reasons, probes, previous, isTerminal, now } = input;
  // As upstream: what is final is told only when nothing of the pod runs any more.
  const verdict = isTerminal || runningContainers(runtime).length === 0 ? input.verdict : undefined;
  const health = (container: string) => input.health?.(container) ?? [];
  const shared = { runtime, reasons, probes, isTerminal, actuated: input.actuated, health };
  const statusesOf = (
    containers: readonly Container[],
    kind: "init" | "regular" | "ephemeral",
    before: PodStatus["containerStatuses"],
    wasReached: (container: Container) => boolean,
  ) => containerStatuses(pod, containers, { ...shared, kind, previous: before ?? [], wasReached });
  const inits = pod.spec?.initContainers ?? [];
  const init = statusesOf(inits, "init", previous.initContainerStatuses, (container) => container === inits[0]);
  const initialized = hasInitialized(pod, init, previous.containerStatuses ?? []);
  const containers = statusesOf(pod.spec?.containers ?? [], "regular", previous.containerStatuses, () => initialized);
  const ephemeral = statusesOf(ephemeralContainers(pod), "ephemeral", previous.ephemeralContainerStatuses, () => false);
  // A pod that has ended never comes back to life.
  const ended =
    previous.phase === "Succeeded" || previous.phase === "Failed" ? (previous.phase as PodPhase) : undefined;
  const phase = verdict?.phase ?? ended ?? podPhase(pod, { init, containers, isTerminal });
  const sandbox = readySandbox(runtime);
  const sandboxReady = sandbox !== undefined && !isTerminal;
  const reason = verdict?.reason ?? (ended ? previous.reason : undefined);
  const message = verdict?.message ?? (ended ? previous.message : undefined);
  const generation = pod.metadata.generation;
  // What kubectl shows of such a pod is its reason then, as upstream.
  const wasRefused = previous.containerStatuses === undefined && runtime.containers.length === 0;
  const hasContainers = !(wasRefused && (input.verdict?.isRefusal || ended));
  return {
    ...(generation ? { observedGeneration: generation } : {}),
    phase,
    conditions: withDisruption(
      podConditions(pod, {
        phase,
        init,
        containers,
        sandboxReady,
        previous: previous.conditions ?? [],
        ...(isTerminal || !input.resize ? {} : { resize: input.resize }),
        now,
      }),
      { ...input, generation },
    ),
    ...(reason ? { reason } : {}),
    ...(message ? { message } : {}),
    ...addresses(pod, input),
    startTime: previous.startTime ?? now,
    ...(init.length > 0 && hasContainers ? { initContainerStatuses: init } : {}),
    ...(hasContainers ? { containerStatuses: containers } : {}),
    ...(ephemeral.length > 0 ? { ephemeralContainerStatuses: ephemeral } : {}),
    // Fixed at creation: a resize in place may not change it.
    qosClass: previous.qosClass ?? podQos(pod),
    ...podResources(pod, input.actuated ?? pod),
  };
}

/** What was granted to all containers together, and what the pod as a whole has where its spec sizes it. */
function podResources(
  pod: Readonly<Pod>,
  actuated: Readonly<Pod>,
): Pick<PodStatus, "resources" | "allocatedResources"> {
  const granted = podRequestQuantities(pod);
  const { resources } = actuated.spec;
  return {
    ...(Object.keys(granted).length > 0 ? { allocatedResources: granted } : {}),
    ...(hasPodLevelResources(actuated) && resources ? { resources } : {}),
  };
}

function withDisruption(
  conditions: PodCondition[],
  { verdict, now, generation }: PodStatusInput & { readonly generation: number | undefined },
): PodCondition[] {
  if (!verdict?.isDisruption || conditions.some(isOwnDisruption)) return conditions;
  const { message } = verdict;
  const others = conditions.filter(({ type }) => type !== "DisruptionTarget");
  const own = { type: "DisruptionTarget", status: "True", reason: BY_KUBELET, message, lastTransitionTime: now };
  return [...others, { ...(generation ? { observedGeneration: generation } : {}), ...own }];
}

/** Whether the regular containers were let start, as far as the statuses tell. */
function hasInitialized(pod: Pod, init: readonly ContainerStatus[], containers: readonly ContainerStatus[]): boolean {
  const last = pod.spec?.initContainers?.at(-1);
  if (!last) return true;
  if (containers.some(({ state, lastState }) => state?.running || state?.terminated || lastState?.terminated))
    return true;
  const status = init.find(({ name }) => name === last.name);
  if (isSidecar(last)) return status?.state?.running !== undefined && status.started === true;
  return [status?.state?.terminated, status?.lastState?.terminated].some((ended) => ended?.exitCode === 0);
}

function addresses(pod: Pod, { runtime, previous, hostIps }: PodStatusInput): Partial<PodStatus> {
  const podIps = podIpsOf(pod, runtime, hostIps);
  // The address of a pod that has ended stays on record.
  const kept = podIps.length > 0 ? podIps : (previous.podIPs ?? []).map(({ ip }) => ip);
  const [hostIp] = hostIps;
  const [podIp] = kept;
  return {
    ...(hostIp ? { hostIP: hostIp, hostIPs: hostIps.map((ip) => ({ ip })) } : {}),
    ...(podIp ? { podIP: podIp, podIPs: kept.map((ip) => ({ ip })) } : {}),
  };
}

/** The sandbox's, or the node's for a pod on its network; none while there is no sandbox. */
export function podIpsOf(pod: Pod, runtime: RuntimePod, hostIps: readonly string[]): readonly string[] {
  const sandbox = readySandbox(runtime);
  if (!sandbox) return [];
  return pod.spec?.hostNetwork ? hostIps : sandbox.ips;
}
