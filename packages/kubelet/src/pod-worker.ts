// One pod's life on this node: sync until it shall end, terminate, clean up. One pass at a time.
import type { Pod, PodStatus, ResourceStatus } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { newTraceId, withTrace } from "@skiff/component-base/trace.ts";
import type { PodResizer } from "./allocation/pod-resizer.ts";
import { isCriUnavailable } from "./cri/cri-client.ts";
import type { PodEvents } from "./events/pod-events.ts";
import type { KubeletMetrics } from "./metrics/kubelet-metrics.ts";
import type { NodeAdmission } from "./node-admission.ts";
import type { PodSyncer, SyncMemory, SyncOutcome } from "./pod-syncer.ts";
import type { ProbeManager } from "./probes/probe-manager.ts";
import type { PodKiller } from "./runtime/pod-killer.ts";
import { hasNewExit, type RuntimePod, runningContainers } from "./runtime/runtime-pod.ts";
import type { ProbeStates } from "./status/container-statuses.ts";
import { hasFinished, isFinal } from "./status/pod-phase.ts";
import { makePodStatus, type PodVerdict } from "./status/pod-status.ts";
import type { StatusManager } from "./status/status-manager.ts";

export interface PodWorkerDeps {
  readonly syncer: Pick<PodSyncer, "sync">;
  readonly killer: Pick<PodKiller, "killPod">;
  readonly statuses: Pick<StatusManager, "current" | "set" | "finalize" | "forget">;
  readonly probes: ProbeStates & Pick<ProbeManager, "update" | "stopHealthChecks" | "remove">;
  readonly events: Pick<PodEvents, "pod">;
  readonly resizer: Pick<PodResizer, "allocatedPod" | "admitted" | "evaluate" | "conditions" | "actuatedPod">;
  readonly admission: Pick<NodeAdmission, "inTurn" | "admit" | "allocate">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly hostIps: readonly string[];
  /** How often a pod is looked at though nothing happened. */
  readonly resyncMs: number;
  readonly metrics?: Pick<KubeletMetrics, "podRuns" | "passed" | "rejected">;
  health(uid: string, container: string): readonly ResourceStatus[];
  runtime(uid: string): RuntimePod;
  refresh(uid: string): Promise<RuntimePod>;
  /** Called once the pod is known to the worker, before its first pass. */
  register(pod: Readonly<Pod>): void;
  /** Frees volumes, cgroup and watches; the containers stay for their logs. */
  release(uid: string): Promise<void>;
  /** Removes the pod's containers, sandboxes and logs. */
  purge(pod: Readonly<Pod>): Promise<void>;
}

const ERROR_RETRY_INITIAL_MS = 1000;
/** Upstream's delay after a pass that failed. */
const ERROR_RETRY_MAX_MS = 10_000;

/** Whatever happens to a pod here only changes what its next pass does: passes never overlap. */
export class PodWorker {
  readonly uid: string;
  private readonly deps: PodWorkerDeps;
  private readonly stop: AbortSignal;
  private pod: Readonly<Pod>;
  private readonly memory: SyncMemory = { reasons: new Map(), volumeRetryMs: 0 };
  private wakeUp = Promise.withResolvers<void>();
  private timer: Disposable | undefined;
  /** Aborts the pass that runs when the pod shall end. */
  private pass = new AbortController();
  private removed = false;
  private busy = false;
  private admitted = false;
  /** Its containers have run to their end; sidecars may still run. */
  private finished = false;
  private terminated = false;
  private released = false;
  private verdict: PodVerdict | undefined;
  /** Of an eviction, in seconds; counts instead of the pod's own. */
  private evictionGrace: number | undefined;
  private readonly ended = Promise.withResolvers<void>();
  private errorRetryMs = 0;
  /** Monotonic; undefined once the pod has run, or for one that ran before this kubelet. */
  private startsSince: number | undefined;
  /** The grace that the running termination gives, in seconds. */
  private grace: number | undefined;

  /** `stop` ends the worker, not the pod: its containers run on. */
  constructor(pod: Readonly<Pod>, deps: PodWorkerDeps, stop: AbortSignal) {
    this.pod = pod;
    this.uid = pod.metadata.uid ?? "";
    this.deps = deps;
    this.stop = stop;
    if ((pod.status?.phase ?? "Pending") === "Pending") this.startsSince = deps.clock.monotonic();
  }

  get current(): Readonly<Pod> {
    return this.pod;
  }

  /** The pod with the resources that the node has granted it. */
  get allocated(): Readonly<Pod> {
    return this.deps.resizer.allocatedPod(this.pod);
  }

  /** Whether it has run to its end and holds nothing any more but what is left of dead containers. */
  get hasEnded(): boolean {
    return this.released;
  }

  /** Whether a pass is under way. */
  get isBusy(): boolean {
    return this.busy;
  }

  /** Whether the node took the pod in and containers of it may still run, so that its resources count as taken. */
  get isAdmitted(): boolean {
    return this.admitted && !this.terminated && this.verdict === undefined;
  }

  /** Another pass as soon as the present one ends. */
  wake(): void {
    this.wakeUp.resolve();
  }

  update(pod: Readonly<Pod>): void {
    this.pod = pod;
    if (this.shallEnd()) this.endPass();
    this.wake();
  }

  note(pod: Readonly<Pod>): void {
    this.pod = pod;
  }

  /** The API has no such pod any more. */
  remove(pod: Readonly<Pod>): void {
    this.pod = pod;
    this.removed = true;
    this.endPass();
    this.wake();
  }

  /** Ends the pod for the node's sake; resolves once it holds nothing of it any more. */
  async evict(verdict: PodVerdict, graceSeconds: number | undefined): Promise<void> {
    if (this.shallEnd() || this.terminated) return this.ended.promise;
    this.verdict = verdict;
    this.evictionGrace = graceSeconds;
    const { reason, message, annotations } = verdict;
    if (!verdict.isQuiet) this.deps.events.pod(this.pod, "Warning", reason, message, annotations);
    this.endPass();
    this.wake();
    return this.ended.promise;
  }

  /** Resolves once nothing of the pod is left, or when the kubelet stops. */
  async run(): Promise<void> {
    const { log } = this.deps;
    const onStop = () => {
      this.endPass();
      this.wake();
    };
    this.stop.addEventListener("abort", onStop, { once: true });
    this.deps.register(this.pod);
    try {
      for (;;) {
        this.stop.throwIfAborted();
        this.wakeUp = Promise.withResolvers<void>();
        this.busy = true;
        const startedAt = this.deps.clock.monotonic();
        const operation = this.operation();
        const done = await withTrace(newTraceId(), () => this.step()).catch((error) => this.failed(error, log));
        this.deps.metrics?.passed(operation, (this.deps.clock.monotonic() - startedAt) / 1000);
        this.busy = false;
        if (done) return;
        await this.sleepUntilWoken();
      }
    } finally {
      this.stop.removeEventListener("abort", onStop);
      this.timer?.[Symbol.dispose]();
      this.ended.resolve();
    }
  }

  private async sleepUntilWoken(): Promise<void> {
    if (!this.timer) this.wakeAfter(Number.POSITIVE_INFINITY);
    await this.wakeUp.promise;
    this.timer?.[Symbol.dispose]();
    this.timer = undefined;
  }

  /** At the next regular look at the latest: a timer stands still while the machine sleeps, a deadline does not. */
  private wakeAfter(ms: number): void {
    this.timer?.[Symbol.dispose]();
    const regularMs = this.deps.resyncMs * (0.8 + Math.random() * 0.4);
    this.timer = this.deps.clock.after(Math.min(ms, regularMs), () => this.wake());
  }

  private failed(error: unknown, log: Logger): boolean {
    this.stop.throwIfAborted();
    if (this.pass.signal.aborted && error === this.pass.signal.reason) {
      // The pass was called off because the pod shall end: go on with that at once.
      this.wake();
      return false;
    }
    const { name, namespace } = this.pod.metadata;
    this.errorRetryMs = Math.min(ERROR_RETRY_MAX_MS, Math.max(ERROR_RETRY_INITIAL_MS, this.errorRetryMs * 2));
    // A restarting runtime is back soon, and its pods should not wait for it longer than it takes.
    const retryMs = isCriUnavailable(error) ? ERROR_RETRY_INITIAL_MS : this.errorRetryMs;
    log.warn({ err: error, pod: `${namespace}/${name}`, retryMs }, "pod pass failed, trying again");
    this.wakeAfter(retryMs);
    return false;
  }

  private endPass(): void {
    this.pass.abort(new Error("the pod shall end"));
  }

  private shallEnd(): boolean {
    return this.removed || this.verdict !== undefined || this.pod.metadata.deletionTimestamp !== undefined;
  }

  /** What the next pass is, in upstream's words. */
  private operation(): "create" | "sync" | "terminating" {
    if (this.shallEnd()) return "terminating";
    return this.admitted ? "sync" : "create";
  }

  private async step(): Promise<boolean> {
    this.finished ||= isFinal(this.deps.statuses.current(this.pod).phase);
    if (this.shallEnd() || this.finished) {
      if (!this.terminated) await this.terminate();
      return this.afterTermination();
    }
    await this.sync();
    this.errorRetryMs = 0;
    return false;
  }

  private async sync(): Promise<void> {
    this.pass = new AbortController();
    const { signal } = this.pass;
    if (!this.admitted && !(await this.admit())) return this.wake();
    this.deps.resizer.evaluate(this.pod);
    const runtime = this.deps.runtime(this.uid);
    this.deps.probes.update(this.pod);
    const status = this.publish(runtime);
    // All containers have run to their end: what is left is to stop the rest of the pod.
    this.finished = isFinal(status.phase) || hasFinished(this.pod, status);
    if (this.finished) return this.wake();
    const leftMs = activeMsLeft(this.pod, status, this.deps.clock.now());
    if (leftMs <= 0) return this.expire();
    let outcome: SyncOutcome;
    try {
      outcome = await this.deps.syncer.sync(this.allocated, this.memory, signal);
    } catch (error) {
      await this.showWhatWasDone(runtime);
      throw error;
    }
    if (outcome.acted) await this.showWhatWasDone(runtime);
    this.wakeAfter(Math.min(outcome.retryMs ?? Number.POSITIVE_INFINITY, leftMs));
  }

  /** Whatever a pass did shows at once, even when it failed halfway. */
  private async showWhatWasDone(before: RuntimePod): Promise<void> {
    const after = await this.deps.refresh(this.uid).catch(() => before);
    if (!this.stop.aborted) this.publish(after);
    // This look took the news of a quick exit, so nobody else will bring it.
    if (hasNewExit(before, after)) this.wake();
  }

  /** The pod has been active for as long as it may be. */
  private expire(): void {
    const message = "Pod was active on the node longer than the specified deadline";
    this.verdict = { phase: "Failed", reason: "DeadlineExceeded", message };
    this.deps.events.pod(this.pod, "Normal", "DeadlineExceeded", message);
    this.wake();
  }

  /** In turn, as upstream: two pods judged side by side could both be promised the room of one. */
  private admit(): Promise<boolean> {
    return this.deps.admission.inTurn(() => this.admitNow());
  }

  private async admitNow(): Promise<boolean> {
    if (this.shallEnd()) return false;
    // What already runs was let in by an earlier kubelet.
    const runs = this.deps.runtime(this.uid).containers.length > 0;
    const asked = this.deps.admission.admit(this.allocated, !runs);
    let answer = asked instanceof Promise ? await asked : asked;
    // Deleted while others were displaced for it: no container of it was ever made.
    if (this.shallEnd()) return false;
    if (answer.admitted || runs) {
      // Before the wait, so that others see what this one takes.
      this.admitted = true;
      this.deps.resizer.admitted(this.pod);
      answer = await this.deps.admission.allocate(this.allocated);
      if (answer.admitted || runs) return true;
      this.admitted = false;
    }
    const { reason } = answer;
    this.verdict = { phase: "Failed", reason, message: `Pod was rejected: ${answer.message}`, isRefusal: true };
    this.deps.events.pod(this.pod, "Warning", reason, answer.message);
    this.deps.metrics?.rejected(reason);
    return false;
  }

  private publish(runtime: RuntimePod): PodStatus {
    const { statuses, probes, clock, hostIps, resizer } = this.deps;
    this.dropStaleReasons(runtime);
    const status = makePodStatus(this.allocated, {
      runtime,
      reasons: this.memory.reasons,
      probes,
      previous: statuses.current(this.pod),
      hostIps,
      actuated: resizer.actuatedPod(this.pod),
      resize: resizer.conditions(this.pod),
      health: (container) => this.deps.health(this.uid, container),
      isTerminal: this.terminated,
      verdict: this.verdict,
      now: formatTime(clock.now()),
    });
    if (!this.removed) statuses.set(this.pod, status);
    if (status.phase === "Running" && this.startsSince !== undefined) {
      this.deps.metrics?.podRuns((clock.monotonic() - this.startsSince) / 1000);
      this.startsSince = undefined;
    }
    return status;
  }

  /** A reason to wait is over once a newer container runs. */
  private dropStaleReasons(runtime: RuntimePod): void {
    for (const container of runtime.containers) {
      if (container.state === "running") this.memory.reasons.delete(container.name);
    }
  }

  private async terminate(): Promise<void> {
    const { killer, log } = this.deps;
    this.pass = new AbortController();
    // As the last pass left it. What it may lack is found by the look that follows, and stopped by the next try.
    const runtime = this.deps.runtime(this.uid);
    if (!this.removed) this.publish(runtime);
    this.deps.probes.stopHealthChecks(this.uid);
    const grace = this.graceSeconds();
    this.grace = grace;
    const killing = killer.killPod(this.pod, runtime, { reason: "Terminating", graceSeconds: grace });
    await this.hastenWhenAsked(killing, runtime);
    const left = await this.deps.refresh(this.uid);
    if (runningContainers(left).length > 0) throw new Error("containers are still running after they were stopped");
    this.deps.probes.remove(this.uid);
    this.terminated = true;
    if (!this.removed) this.publish(left);
    log.debug({ pod: `${this.pod.metadata.namespace}/${this.pod.metadata.name}` }, "pod terminated");
  }

  /** A later delete may shorten the grace while containers are being stopped. */
  private async hastenWhenAsked(killing: Promise<void>, runtime: RuntimePod): Promise<void> {
    let done = false;
    // Its end wakes nobody: after a failure the next pass would follow at once, again and again.
    const finished = killing.finally(() => {
      done = true;
    });
    const settled = finished.catch(() => {});
    while (!done) {
      this.wakeUp = Promise.withResolvers<void>();
      await Promise.race([this.wakeUp.promise, settled]);
      this.stop.throwIfAborted();
      const now = this.deps.runtime(this.uid);
      // Whoever sends it requests has to know when a container that still runs is not ready any more.
      if (!done && !this.removed && runningContainers(now).length > 0) this.publish(now);
      const grace = this.graceSeconds();
      if (done || grace === undefined || this.grace === undefined || grace >= this.grace) continue;
      this.grace = grace;
      this.deps.killer.killPod(this.pod, runtime, { reason: "Terminating", graceSeconds: grace }).catch(() => {});
    }
    await finished;
  }

  private graceSeconds(): number | undefined {
    const { deletionTimestamp, deletionGracePeriodSeconds } = this.pod.metadata;
    if (deletionTimestamp !== undefined && deletionGracePeriodSeconds !== undefined) return deletionGracePeriodSeconds;
    return this.evictionGrace ?? this.pod.spec?.terminationGracePeriodSeconds;
  }

  /** True once nothing is left to do for this pod, ever. */
  private async afterTermination(): Promise<boolean> {
    const { statuses, release, purge } = this.deps;
    if (!this.released) {
      await release(this.uid);
      this.released = true;
      // Not before its volumes are gone: who evicted the pod for its disk usage looks again at once.
      this.ended.resolve();
    }
    const deleting = this.removed || this.pod.metadata.deletionTimestamp !== undefined;
    // A pod that has run to its end stays until somebody deletes it; so do its logs.
    if (!deleting) return false;
    if (!this.removed) await statuses.finalize(this.pod);
    statuses.forget(this.uid);
    await purge(this.pod);
    return true;
  }
}

/** Milliseconds until the pod's deadline; infinite where it has none. */
function activeMsLeft(pod: Readonly<Pod>, status: PodStatus, now: number): number {
  const seconds = pod.spec?.activeDeadlineSeconds;
  return seconds && status.startTime ? Date.parse(status.startTime) + seconds * 1000 - now : Number.POSITIVE_INFINITY;
}
