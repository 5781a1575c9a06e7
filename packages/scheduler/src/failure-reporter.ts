// Tells users why a pod is not scheduled: an Event each time, and the pod's PodScheduled condition when it changes.
import { findCondition } from "@skiff/api/conditions.ts";
import { isNotFound } from "@skiff/api/errors.ts";
import { objectKey, splitKey } from "@skiff/api/object.ts";
import { pods } from "@skiff/api/resource-ref.ts";
import type { Pod, PodCondition } from "@skiff/api/types.ts";
import type { EventRecorder } from "@skiff/client/event-recorder.ts";
import type { Lister } from "@skiff/client/informer.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import { runWorkers } from "@skiff/client/run-workers.ts";
import { WorkQueue } from "@skiff/client/work-queue.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";

export interface FailureReporterDeps {
  readonly client: Pick<RestClient, "of">;
  readonly lister: Lister<Pod>;
  readonly events: Pick<EventRecorder, "record">;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Failure {
  readonly uid: string;
  readonly reason: string;
  readonly message: string;
}

/** Writes at once; a backlog costs nothing but the freshness of what people read. */
const WORKERS = 4;

/** Conditions are written by workers of their own, so that a slow apiserver does not slow decisions. */
export class FailureReporter {
  private readonly deps: FailureReporterDeps;
  private readonly queue: WorkQueue<string>;
  /** What the condition should say; only the latest counts. At most one entry per pod, and it goes with its write. */
  private readonly wanted = new Map<string, Failure>();

  constructor(deps: FailureReporterDeps) {
    this.deps = deps;
    this.queue = new WorkQueue({ name: "pod_scheduled_condition" }, deps);
  }

  /** `reason` becomes that of the condition PodScheduled. Returns at once; errors of the write are retried and logged. */
  report(pod: Readonly<Pod>, reason: "Unschedulable" | "SchedulerError", message: string): void {
    this.deps.events.record({ ref: pods, object: pod }, "Warning", "FailedScheduling", message);
    const key = objectKey(pod);
    this.wanted.set(key, { uid: pod.metadata.uid, reason, message });
    this.queue.add(key);
  }

  /** Writes conditions until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const options = { signal, log: this.deps.log, name: "pod-scheduled-condition" };
    await runWorkers(this.queue, WORKERS, (key) => this.write(key, signal), options);
  }

  private async write(key: string, signal: AbortSignal): Promise<void> {
    const failure = this.wanted.get(key);
    const { namespace, name } = splitKey(key);
    const pod = this.deps.lister.get(namespace, name);
    // Much may have happened since the report: another pod of that name, or a node after all.
    const isMoot = !failure || pod?.metadata.uid !== failure.uid || Boolean(pod.spec.nodeName);
    const condition = isMoot ? undefined : nextCondition(pod, failure, formatTime(this.deps.clock.now()));
    if (condition) await this.patch(namespace, name, condition, signal);
    // A report that came during the write is another object: it stays, and its key is in the queue again.
    if (this.wanted.get(key) === failure) this.wanted.delete(key);
  }

  private async patch(namespace: string, name: string, condition: PodCondition, signal: AbortSignal): Promise<void> {
    const body = { status: { conditions: [condition] } };
    try {
      await this.deps.client.of(pods).patch(namespace, name, "strategic", body, { signal, subresource: "status" });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

/** The condition to write; undefined when the pod says the same already. */
export function nextCondition(
  pod: Readonly<Pod>,
  { reason, message }: Pick<Failure, "reason" | "message">,
  now: string,
): PodCondition | undefined {
  const current = findCondition(pod.status?.conditions, "PodScheduled");
  if (current?.status === "False" && current.reason === reason && current.message === message) return undefined;
  // The transition is that of the status alone: another reason does not count.
  const lastTransitionTime = current?.status === "False" ? current.lastTransitionTime : now;
  const { generation } = pod.metadata;
  return {
    type: "PodScheduled",
    status: "False",
    reason,
    message,
    lastTransitionTime,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
}
