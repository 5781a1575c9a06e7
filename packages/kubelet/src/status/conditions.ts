// The conditions that a kubelet keeps on its pods, with upstream's reasons and messages. Pure.
import type { ContainerStatus, Pod, PodCondition } from "@skiff/api/types.ts";
import { isSidecar } from "../sync-pod.ts";
import type { PodPhase } from "./pod-phase.ts";

/** A condition without its times. */
type Verdict = Pick<PodCondition, "status" | "reason" | "message">;

/** What the conditions are worked out from. */
export interface ConditionInput {
  readonly phase: PodPhase;
  readonly init: readonly ContainerStatus[];
  readonly containers: readonly ContainerStatus[];
  /** The sandbox is up and has its network. */
  readonly sandboxReady: boolean;
  /** Those on the API object, of which others than the kubelet write some. */
  readonly previous: readonly PodCondition[];
  /** What a resize under way puts on the pod. */
  readonly resize?: readonly PodCondition[];
  /** RFC 3339. */
  readonly now: string;
}

/** Conditions that the kubelet writes on every pod. */
const OWNED = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"] as const;
/** Those that the kubelet takes away again. */
export const PASSING_CONDITIONS: ReadonlySet<string> = new Set(["PodResizePending", "PodResizeInProgress"]);

/** Whether somebody else than the kubelet keeps conditions of this type. */
export function isForeignCondition(type: string): boolean {
  return !OWNED.some((own) => own === type) && !PASSING_CONDITIONS.has(type);
}

/** The reason by which the kubelet's own word on a disruption is known; others write such conditions too. */
export const BY_KUBELET = "TerminationByKubelet";

/** Whether this kubelet's node ended the pod, as by an eviction. */
export function isOwnDisruption({ type, reason }: Pick<PodCondition, "type" | "reason">): boolean {
  return type === "DisruptionTarget" && reason === BY_KUBELET;
}

/** All conditions: the kubelet's own anew, everybody else's as they are. */
export function podConditions(pod: Pod, input: ConditionInput): PodCondition[] {
  const containersReady = containersReadyVerdict(pod, input);
  const verdicts: Record<(typeof OWNED)[number], Verdict> = {
    PodReadyToStartContainers: { status: input.sandboxReady ? "True" : "False" },
    Initialized: initializedVerdict(pod, input),
    Ready: readyVerdict(pod, containersReady, input.previous),
    ContainersReady: containersReady,
    PodScheduled: { status: "True" },
  };
  const own = OWNED.map((type) => dated({ type, ...verdicts[type] }, pod, input));
  const resize = (input.resize ?? []).map((condition) => dated(condition, pod, input));
  return [...own, ...resize, ...input.previous.filter(({ type }) => isForeignCondition(type))];
}

/**
 * lastTransitionTime moves with the status alone, not with reason or message: `kubectl wait` and controllers go by
 * it.
 */
function dated(condition: PodCondition, pod: Pod, { previous, now }: ConditionInput): PodCondition {
  const before = previous.find(({ type }) => type === condition.type);
  const unchanged = before?.status === condition.status;
  const generation = pod.metadata.generation;
  return {
    ...(generation ? { observedGeneration: generation } : {}),
    ...condition,
    lastTransitionTime: (unchanged ? before.lastTransitionTime : undefined) ?? now,
  };
}

function initializedVerdict(pod: Pod, { init, containers, phase }: ConditionInput): Verdict {
  const wanted = pod.spec?.initContainers ?? [];
  const unknown: string[] = [];
  const incomplete: string[] = [];
  for (const container of wanted) {
    const status = init.find(({ name }) => name === container.name);
    const done = isSidecar(container) ? status?.started : status?.ready;
    if (!status) unknown.push(container.name);
    else if (!done) incomplete.push(container.name);
  }
  if (phase === "Succeeded" && unknown.length === 0) return { status: "True", reason: "PodCompleted" };
  // Once a regular container has started, initialization is over for good.
  const started = containers.some(
    ({ state, lastState }) => state?.running || state?.terminated || lastState?.terminated,
  );
  if (started || (unknown.length === 0 && incomplete.length === 0)) return { status: "True" };
  return { status: "False", reason: "ContainersNotInitialized", message: listed(unknown, "incomplete", incomplete) };
}

function containersReadyVerdict(pod: Pod, { init, containers, phase }: ConditionInput): Verdict {
  const unknown: string[] = [];
  const unready: string[] = [];
  const check = (name: string, statuses: readonly ContainerStatus[]) => {
    const status = statuses.find((candidate) => candidate.name === name);
    if (!status) unknown.push(name);
    else if (!status.ready) unready.push(name);
  };
  for (const container of pod.spec?.initContainers ?? []) if (isSidecar(container)) check(container.name, init);
  for (const container of pod.spec?.containers ?? []) check(container.name, containers);
  if (phase === "Succeeded" && unknown.length === 0) return { status: "False", reason: "PodCompleted" };
  if (phase === "Failed" && unknown.length === 0) return { status: "False", reason: "PodFailed" };
  if (unknown.length === 0 && unready.length === 0) return { status: "True" };
  return { status: "False", reason: "ContainersNotReady", message: listed(unknown, "unready", unready) };
}

function listed(unknown: readonly string[], what: string, names: readonly string[]): string {
  const parts: string[] = [];
  if (unknown.length > 0) parts.push(`containers with unknown status: [${unknown.join(" ")}]`);
  if (names.length > 0) parts.push(`containers with ${what} status: [${names.join(" ")}]`);
  return parts.join(", ");
}

/** Ready is ContainersReady and every readiness gate: a load balancer, say, may hold a pod back until it knows it. */
function readyVerdict(pod: Pod, containersReady: Verdict, conditions: readonly PodCondition[]): Verdict {
  if (containersReady.status !== "True") return containersReady;
  const problems: string[] = [];
  for (const { conditionType } of pod.spec?.readinessGates ?? []) {
    const gate = conditions.find(({ type }) => type === conditionType);
    if (!gate) problems.push(`corresponding condition of pod readiness gate "${conditionType}" does not exist.`);
    else if (gate.status !== "True") {
      problems.push(`the status of pod readiness gate "${conditionType}" is not "True", but ${gate.status}`);
    }
  }
  if (problems.length === 0) return containersReady;
  return { status: "False", reason: "ReadinessGatesNotReady", message: problems.join(", ") };
}
