// All pod workers of the node, by UID: a pod made anew under an old name is another pod.
import type { Pod } from "@skiff/api/types.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { PodWorkerDeps } from "./pod-worker.ts";
import { PodWorker } from "./pod-worker.ts";
import type { PodVerdict } from "./status/pod-status.ts";

/** Workers run side by side, one per pod: a pod whose volume hangs holds up nobody else. */
export class PodWorkers {
  private readonly workers = new Map<string, PodWorker>();
  private readonly running = new Set<Promise<void>>();
  private readonly makeDeps: PodWorkerDeps;
  private readonly log: Logger;
  private readonly signal: AbortSignal;

  constructor(deps: PodWorkerDeps, signal: AbortSignal) {
    this.makeDeps = deps;
    this.log = deps.log;
    this.signal = signal;
  }

  /** Starts a worker for a pod that is new here, and tells an old one of the change. */
  update(pod: Readonly<Pod>): void {
    const uid = pod.metadata.uid ?? "";
    const known = this.workers.get(uid);
    if (known) {
      known.update(pod);
      return;
    }
    const worker = new PodWorker(pod, this.makeDeps, this.signal);
    this.workers.set(uid, worker);
    const run = worker
      .run()
      .catch((error) => {
        if (!this.signal.aborted) this.log.error({ err: error, uid }, "pod worker ended");
      })
      // A pod that comes back under the same UID gets a fresh worker.
      .finally(() => {
        this.workers.delete(uid);
        this.running.delete(run);
      });
    this.running.add(run);
  }

  /** Keeps the newer object of a pod about which nothing is to be done. */
  note(pod: Readonly<Pod>): void {
    this.workers.get(pod.metadata.uid ?? "")?.note(pod);
  }

  /** The object is gone from the API, as after `kubectl delete --force`: the pod is ended all the same. */
  remove(pod: Readonly<Pod>): void {
    this.workers.get(pod.metadata.uid ?? "")?.remove(pod);
  }

  wake(uid: string): void {
    this.workers.get(uid)?.wake();
  }

  has(uid: string): boolean {
    return this.workers.has(uid);
  }

  /** Whether the pod has run to its end, and is still known to the API. */
  hasEnded(uid: string): boolean {
    return this.workers.get(uid)?.hasEnded ?? false;
  }

  /** Whether the pod's worker is in a pass; without a UID, whether any is. */
  isBusy(uid?: string): boolean {
    if (uid !== undefined) return this.workers.get(uid)?.isBusy ?? false;
    return [...this.workers.values()].some((worker) => worker.isBusy);
  }

  get(uid: string): Readonly<Pod> | undefined {
    return this.workers.get(uid)?.current;
  }

  find(namespace: string, name: string): Readonly<Pod> | undefined {
    const found = [...this.workers.values()].filter(({ current }) => {
      return current.metadata.namespace === namespace && current.metadata.name === name;
    });
    // A deleted pod may still be ending beside its successor: the newest is meant.
    return found.at(-1)?.current;
  }

  pods(): Readonly<Pod>[] {
    return [...this.workers.values()].map((worker) => worker.current);
  }

  /** The pods that hold resources of the node, apart from `uid`. */
  admitted(uid: string): Readonly<Pod>[] {
    const others = [...this.workers.values()].filter((worker) => worker.uid !== uid && worker.isAdmitted);
    return others.map((worker) => worker.allocated);
  }

  /** Those whose containers run, or will. */
  active(): Readonly<Pod>[] {
    return [...this.workers.values()].filter((worker) => worker.isAdmitted).map((worker) => worker.allocated);
  }

  /** Ends a pod for the node's sake; resolves once its containers have stopped. */
  async evict(uid: string, verdict: PodVerdict, graceSeconds: number | undefined): Promise<void> {
    await this.workers.get(uid)?.evict(verdict, graceSeconds);
  }

  /** Resolves once every worker has stopped, after the signal has aborted. */
  async stopped(): Promise<void> {
    await Promise.allSettled(this.running);
  }
}
