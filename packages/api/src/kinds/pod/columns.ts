// What `kubectl get pods` shows: the state of a pod in one word, from its containers.
import type {
  Container,
  ContainerState,
  ContainerStateTerminated,
  ContainerStatus,
  Pod,
} from "../../../generated/types.ts";
import type { Column } from "../../kind.ts";
import { age, ageColumn, column, nameColumn } from "../columns.ts";

const wide = { wide: true };

/** The heading line of `kubectl get pods -o wide`; without `-o wide` the columns of priority 0 only. */
export const podColumns: readonly Column<Pod>[] = [
  nameColumn,
  column("Ready", "The aggregate readiness state of this pod for accepting traffic.", (pod) => {
    const { ready, total } = summarize(pod);
    return `${ready}/${total}`;
  }),
  column("Status", "The aggregate status of the containers in this pod.", (pod) => summarize(pod).reason),
  column(
    "Restarts",
    "The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.",
    (pod, nowMs) => {
      const { restarts, lastRestart } = summarize(pod);
      return restarts && lastRestart ? `${restarts} (${age(lastRestart, nowMs)} ago)` : String(restarts);
    },
  ),
  ageColumn,
  column("IP", ["PodStatus", "podIP"], (pod) => pod.status?.podIPs?.[0]?.ip || pod.status?.podIP || "<none>", wide),
  column("Node", ["PodSpec", "nodeName"], (pod) => pod.spec.nodeName || "<none>", wide),
  column(
    "Nominated Node",
    ["PodStatus", "nominatedNodeName"],
    (pod) => pod.status?.nominatedNodeName || "<none>",
    wide,
  ),
  column("Readiness Gates", ["PodSpec", "readinessGates"], readinessGates, wide),
];

/** Finished pods carry a row condition that lets viewers dim them. */
export function podRowConditions(pod: Readonly<Pod>) {
  const finished = (reason: string, message: string) => [{ type: "Completed", status: "True", reason, message }];
  if (pod.status?.phase === "Succeeded") return finished("Succeeded", "The pod has completed successfully.");
  return pod.status?.phase === "Failed" ? finished("Failed", "The pod failed.") : [];
}

interface PodSummary {
  ready: number;
  total: number;
  restarts: number;
  /** When a container last ended, RFC 3339. */
  lastRestart: string | undefined;
  /** The Status column: `Running`, `Init:0/1`, `CrashLoopBackOff` … */
  reason: string;
}

function summarize(pod: Readonly<Pod>): PodSummary {
  const status = pod.status ?? {};
  const summary: PodSummary = { ready: 0, total: 0, restarts: 0, lastRestart: undefined, reason: initialReason(pod) };
  const sidecars = new Set((pod.spec.initContainers ?? []).filter(isSidecar).map((c) => c.name));
  summary.total = (pod.spec.containers ?? []).length + sidecars.size;
  const initializing = summarizeInit(pod, sidecars, summary);
  const initialized = status.conditions?.some((c) => c.type === "Initialized" && c.status === "True") ?? false;
  if (!initializing || initialized) summarizeContainers(pod, sidecars, summary);
  if (pod.metadata.deletionTimestamp) {
    // What the node controller wrote on pods of a node that went silent: whether they run is not known.
    if (status.reason === "NodeLost") summary.reason = "Unknown";
    else if (status.phase !== "Succeeded" && status.phase !== "Failed") summary.reason = "Terminating";
  }
  return summary;
}

const isSidecar = (container: Container) => container.restartPolicy === "Always";

/** The phase, unless something (an eviction, a gate) has given a reason that says more. */
function initialReason({ status }: Readonly<Pod>): string {
  if (status?.conditions?.some((c) => c.type === "PodScheduled" && c.reason === "SchedulingGated")) {
    return "SchedulingGated";
  }
  return status?.reason || (status?.phase ?? "");
}

/** Counts init containers up to the first that is not done, whose state is then the pod's; true if there is one. */
function summarizeInit(pod: Readonly<Pod>, sidecars: ReadonlySet<string>, summary: PodSummary): boolean {
  for (const [i, status] of (pod.status?.initContainerStatuses ?? []).entries()) {
    countRestarts(status, summary);
    if (status.state?.terminated?.exitCode === 0) continue;
    if (sidecars.has(status.name) && status.started) {
      if (status.ready) summary.ready++;
      continue;
    }
    summary.reason = initReason(status.state ?? {}, i, pod.spec.initContainers?.length ?? 0);
    return true;
  }
  return false;
}

function initReason({ terminated, waiting }: ContainerState, done: number, total: number): string {
  // An exit code of zero never comes here: it means done, and the loop goes on.
  if (terminated) return `Init:${terminatedReason(terminated)}`;
  if (waiting?.reason && waiting.reason !== "PodInitializing") return `Init:${waiting.reason}`;
  return `Init:${done}/${total}`;
}

/** The runtime's word, else what ended the process. */
function terminatedReason({ reason, signal, exitCode }: ContainerStateTerminated): string {
  if (reason) return reason;
  return signal ? `Signal:${signal}` : `ExitCode:${exitCode ?? 0}`;
}

/** After initialisation only sidecars and main containers count; the first main container that stands out has the say. */
function summarizeContainers(pod: Readonly<Pod>, sidecars: ReadonlySet<string>, summary: PodSummary): void {
  // Restarts of init containers that are done are history, and no longer shown.
  summary.restarts = 0;
  summary.lastRestart = undefined;
  for (const status of pod.status?.initContainerStatuses ?? []) {
    if (sidecars.has(status.name)) countRestarts(status, summary);
  }
  let running = false;
  for (const status of (pod.status?.containerStatuses ?? []).toReversed()) {
    countRestarts(status, summary);
    const state = status.state ?? {};
    if (state.waiting?.reason) summary.reason = state.waiting.reason;
    else if (state.terminated) summary.reason = terminatedReason(state.terminated);
    else if (status.ready && state.running) {
      running = true;
      summary.ready++;
    }
  }
  // One container has ended well and another runs: the pod is not completed.
  if (summary.reason === "Completed" && running) {
    const ready = pod.status?.conditions?.some((c) => c.type === "Ready" && c.status === "True");
    summary.reason = ready ? "Running" : "NotReady";
  }
}

function countRestarts(status: ContainerStatus, summary: PodSummary): void {
  summary.restarts += status.restartCount ?? 0;
  const ended = status.lastState?.terminated?.finishedAt;
  // The latest end of any container, so that "3 (5m ago)" speaks of the last restart.
  if (ended && (!summary.lastRestart || Date.parse(ended) > Date.parse(summary.lastRestart)))
    summary.lastRestart = ended;
}

/** How many of the gates' conditions are true. */
function readinessGates(pod: Readonly<Pod>): string {
  const gates = pod.spec.readinessGates ?? [];
  if (gates.length === 0) return "<none>";
  const met = gates.filter(({ conditionType }) =>
    pod.status?.conditions?.some((c) => c.type === conditionType && c.status === "True"),
  );
  return `${met.length}/${gates.length}`;
}
