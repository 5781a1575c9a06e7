// Grants and carries out resizes of running pods: decides, remembers what was granted and done, tells the pod's conditions.
import { podQos } from "@skiff/api/scheduling/qos.ts";
import { podRequests } from "@skiff/api/scheduling/resources.ts";
import type { Container, Pod, PodCondition, ResourceRequirements } from "@skiff/api/types.ts";
import type { CpuQuotas } from "../cgroups/cpu-quotas.ts";
import type { CgroupLimits } from "../cgroups/resources.ts";
import type { LinuxContainerResources } from "../cri/types.ts";
import type { EventType } from "../events/pod-events.ts";
import type { RuntimePod } from "../runtime/runtime-pod.ts";
import { latestContainer } from "../runtime/runtime-pod.ts";
import { isSidecar, shouldRestart } from "../sync-pod.ts";
import { allocationOf, resizableContainers, wantsResize, withAllocation } from "./allocated-pod.ts";
import type { ResizeFacts } from "./decide-resize.ts";
import { decideResize } from "./decide-resize.ts";
import { needsRestart, planResize } from "./plan-resize.ts";
import type { PodAllocation, ResourceState } from "./resource-state.ts";

export interface PodResizerDeps {
  /** What was granted, and what containers have got of it. */
  readonly allocated: ResourceState;
  readonly actuated: ResourceState;
  readonly events: { pod(pod: Pod, type: EventType, reason: string, message: string): void };
  /** The pod's newest object, while it runs here. */
  find(uid: string): Readonly<Pod> | undefined;
  facts(): ResizeFacts;
  wake(uid: string): void;
  setPodLimits(pod: Readonly<Pod>, limits: CgroupLimits): Promise<void>;
  updateContainer(id: string, resources: LinuxContainerResources): Promise<void>;
  /** Bytes that a container, or the pod as a whole, holds now; 0 where that cannot be told. */
  memoryUsage(pod: Readonly<Pod>, containerId?: string): Promise<number>;
  /** Absent: whoever has a limit on CPU has a quota. */
  readonly quotas?: CpuQuotas | undefined;
}

/**
 * Of one pod. `pending` becomes the condition PodResizePending, `running` PodResizeInProgress; a pod has both while
 * one resize is under way and the next must wait.
 */
interface Progress {
  pending?: { readonly reason: "Deferred" | "Infeasible"; readonly message: string; readonly generation: number };
  running?: { readonly error: string; readonly generation: number };
}

/**
 * A resize goes through three places: the spec is what is wanted, `allocated` what the node has granted, `actuated`
 * what containers have. The node counts the granted amount from the moment it is granted.
 */
export class PodResizer {
  private readonly deps: PodResizerDeps;
  private readonly progress = new Map<string, Progress>();

  constructor(deps: PodResizerDeps) {
    this.deps = deps;
  }

  /** Throws where a state file was damaged. Must come before the first admission. */
  async restore(): Promise<void> {
    await this.deps.allocated.restore();
    await this.deps.actuated.restore();
  }

  /** The pod as the node has granted it: what everything but the API's own view goes by. */
  allocatedPod(pod: Readonly<Pod>): Readonly<Pod> {
    return withAllocation(pod, this.deps.allocated.get(uidOf(pod)));
  }

  /** The pod as its running containers have it. */
  actuatedPod(pod: Readonly<Pod>): Readonly<Pod> {
    return withAllocation(pod, this.deps.actuated.get(uidOf(pod)));
  }

  /** The node took the pod in, as it was then or as an earlier kubelet had granted it. */
  admitted(pod: Readonly<Pod>): void {
    const uid = uidOf(pod);
    const known = this.deps.allocated.get(uid);
    this.deps.allocated.set(uid, known ?? allocationOf(pod));
    if (!this.deps.actuated.get(uid)) this.deps.actuated.set(uid, known ?? allocationOf(pod));
    const before = (type: string) => pod.status?.conditions?.find((condition) => condition.type === type);
    const running = before(IN_PROGRESS);
    // Begun by an earlier kubelet; a pending one is simply decided anew.
    if (running) {
      const error = running.reason === "Error" ? (running.message ?? "") : "";
      this.progress.set(uid, { running: { error, generation: running.observedGeneration ?? 0 } });
    }
  }

  /** Decides on what the pod's spec asks for now. Cheap while nothing does. */
  evaluate(pod: Readonly<Pod>): void {
    const uid = uidOf(pod);
    const allocation = this.deps.allocated.get(uid);
    if (!allocation) return;
    if (!wantsResize(pod, allocation)) {
      this.note(uid, { pending: undefined });
      return;
    }
    // Nothing is free that was not when it was last asked: `retry` comes when that changes.
    const pending = this.progress.get(uid)?.pending;
    if (pending?.reason === "Infeasible" && pending.generation === generationOf(pod)) return;
    if (this.decide(pod, allocation)) this.retry();
  }

  /** Room may have come free: deferred resizes are decided anew, the most urgent first. */
  retry(): void {
    const waiting = [...this.progress].filter(([, { pending }]) => pending?.reason === "Deferred");
    const pods = waiting.map(([uid]) => this.deps.find(uid)).filter((pod) => pod !== undefined);
    for (const pod of pods.toSorted((a, b) => this.urgency(b) - this.urgency(a))) {
      const allocation = this.deps.allocated.get(uidOf(pod));
      if (allocation && wantsResize(pod, allocation) && this.decide(pod, allocation)) this.deps.wake(uidOf(pod));
    }
  }

  /** Whether the running container is stopped and started anew to get what was granted. */
  mustRestart(pod: Readonly<Pod>, container: Container): boolean {
    const before = this.deps.actuated.get(uidOf(pod))?.containers[container.name];
    return before !== undefined && needsRestart(container, before);
  }

  /** Gives the pod and its running containers what was granted. Rejects with a ResizeError, which the conditions tell. */
  async actuate(pod: Readonly<Pod>, runtime: RuntimePod): Promise<"idle" | "done" | "restarting"> {
    const uid = uidOf(pod);
    const actuated = this.deps.actuated.get(uid);
    if (!actuated || !wantsResize(pod, actuated)) return this.settle(pod, runtime) ? "done" : "idle";
    const restarts = this.restarts(pod, actuated);
    const running = { ...runtime, containers: runtime.containers.filter(({ name }) => !restarts.has(name)) };
    try {
      await this.carryOut(pod, running, actuated);
    } catch (error) {
      const message = (error as Error).message;
      const generation = this.progress.get(uid)?.running?.generation ?? generationOf(pod);
      if (this.progress.get(uid)?.running?.error !== message) {
        this.deps.events.pod(
          pod,
          "Warning",
          "ResizeError",
          resizeMessage("Pod resize error", pod, generation, message),
        );
      }
      this.note(uid, { running: { error: message, generation } });
      throw new ResizeError(message, { cause: error });
    }
    const begun = this.progress.get(uid)?.running;
    if (begun?.error) this.note(uid, { running: { ...begun, error: "" } });
    this.deps.actuated.set(uid, allocationOf(pod));
    if (restarts.size > 0) return "restarting";
    this.settle(pod, runtime);
    return "done";
  }

  /** Whether something was granted that the pod is not known to have yet. */
  isUnderWay(pod: Readonly<Pod>): boolean {
    return this.progress.get(uidOf(pod))?.running !== undefined;
  }

  /** The conditions that a resize puts on the pod, without times. */
  conditions(pod: Readonly<Pod>): PodCondition[] {
    const { pending, running } = this.progress.get(uidOf(pod)) ?? {};
    const conditions: PodCondition[] = [];
    if (pending) {
      const { reason, message, generation } = pending;
      conditions.push({ type: PENDING, status: "True", reason, message, observedGeneration: generation });
    }
    if (running) {
      const { error, generation } = running;
      const why = error ? { reason: "Error", message: error } : {};
      conditions.push({ type: IN_PROGRESS, status: "True", ...why, observedGeneration: generation });
    }
    return conditions;
  }

  /** The pod has ended: what it held is free. */
  forget(uid: string): void {
    this.progress.delete(uid);
    this.deps.allocated.forget(uid);
    this.deps.actuated.forget(uid);
    this.retry();
  }

  private async carryOut(pod: Readonly<Pod>, runtime: RuntimePod, actuated: PodAllocation): Promise<void> {
    const plan = planResize(pod, runtime, actuated, this.deps.quotas);
    const tooLow: string[] = [];
    for (const { container, memoryBytes } of plan.shrinking) {
      const usage = await this.deps.memoryUsage(pod, container?.id);
      const whose = container ? `container ${JSON.stringify(container.name)}` : "pod";
      if (usage > memoryBytes) {
        tooLow.push(`attempting to set ${whose} memory limit (${memoryBytes}) below current usage (${usage})`);
      }
    }
    if (tooLow.length > 0) {
      throw new Error(`cannot decrease memory limits: ${tooLow.length > 1 ? `[${tooLow.join(", ")}]` : tooLow[0]}`);
    }
    for (const step of plan.steps) {
      if (step.kind === "pod") await this.deps.setPodLimits(pod, step.limits);
      else await this.deps.updateContainer(step.id, step.resources);
    }
  }

  /** Everything granted is in place, and what had to be started anew runs again. */
  private settle(pod: Readonly<Pod>, runtime: RuntimePod): boolean {
    const uid = uidOf(pod);
    const begun = this.progress.get(uid)?.running;
    if (!begun) return false;
    // One that is to run again gets what was granted at its start; one that was never started is not waited for.
    const isAwaited = (container: Container) => {
      const latest = latestContainer(runtime, container.name);
      return latest !== undefined && latest.state !== "running" && shouldRestart(pod, container, latest);
    };
    const { containers, initContainers = [] } = pod.spec;
    if ([...initContainers.filter(isSidecar), ...containers].some(isAwaited)) return false;
    this.note(uid, { running: undefined });
    const message = resizeMessage("Pod resize completed", pod, begun.generation, "");
    this.deps.events.pod(pod, "Normal", "ResizeCompleted", message);
    return true;
  }

  private restarts(pod: Readonly<Pod>, actuated: PodAllocation): Set<string> {
    const found = resizableContainers(pod).filter((container) => {
      const before = actuated.containers[container.name];
      return before !== undefined && needsRestart(container, before);
    });
    return new Set(found.map(({ name }) => name));
  }

  /** True once the resize is granted. */
  private decide(pod: Readonly<Pod>, allocation: PodAllocation): boolean {
    const uid = uidOf(pod);
    const generation = generationOf(pod);
    const decision = decideResize(pod, withAllocation(pod, allocation), this.deps.facts());
    if (decision.fits) {
      this.deps.allocated.set(uid, allocationOf(pod));
      this.progress.set(uid, { running: { error: "", generation } });
      this.deps.events.pod(pod, "Normal", "ResizeStarted", resizeMessage("Pod resize started", pod, generation, ""));
      return true;
    }
    const { reason, message } = decision;
    const before = this.progress.get(uid)?.pending;
    const isNews = before?.reason !== reason || before.message !== message || before.generation !== generation;
    this.note(uid, { pending: { reason, message, generation } });
    if (isNews) {
      const text = resizeMessage(`Pod resize ${reason}`, pod, generation, message);
      this.deps.events.pod(pod, "Warning", `Resize${reason}`, text);
    }
    return false;
  }

  private note(uid: string, change: { [K in keyof Progress]: Progress[K] | undefined }): void {
    const { pending, running } = { ...this.progress.get(uid), ...change };
    if (pending || running) this.progress.set(uid, { ...(pending && { pending }), ...(running && { running }) });
    else this.progress.delete(uid);
  }

  /** Resizes that ask for no more come first, then priority, then guaranteed pods. */
  private urgency(pod: Readonly<Pod>): number {
    const [wanted, held] = [podRequests(pod), podRequests(this.allocatedPod(pod))];
    const grows = (wanted.cpu ?? 0) > (held.cpu ?? 0) || (wanted.memory ?? 0) > (held.memory ?? 0);
    if (!grows) return Number.POSITIVE_INFINITY;
    return (pod.spec.priority ?? 0) * 2 + (podQos(pod) === "Guaranteed" ? 1 : 0);
  }
}

/** What a resize could not do on this try. */
export class ResizeError extends Error {}

const PENDING = "PodResizePending";
const IN_PROGRESS = "PodResizeInProgress";

/** As upstream writes it: the containers' resources as JSON behind a few words. */
function resizeMessage(words: string, pod: Readonly<Pod>, generation: number, error: string): string {
  const amounts = (resources: ResourceRequirements | undefined) => ({
    ...(resources?.limits ? { limits: resources.limits } : {}),
    ...(resources?.requests ? { requests: resources.requests } : {}),
  });
  const summary = (containers: readonly Container[]) =>
    containers.map(({ name, resources }) => ({ name, resources: amounts(resources) }));
  const { initContainers = [], resources } = pod.spec;
  const body = {
    ...(resources ? { resources: amounts(resources) } : {}),
    ...(initContainers.length > 0 ? { initContainers: summary(initContainers) } : {}),
    containers: summary(pod.spec.containers),
    generation,
    ...(error ? { error } : {}),
  };
  return `${words}: ${JSON.stringify(body)}`;
}

function uidOf(pod: Readonly<Pod>): string {
  return pod.metadata.uid ?? "";
}

function generationOf(pod: Readonly<Pod>): number {
  return pod.metadata.generation ?? 0;
}
