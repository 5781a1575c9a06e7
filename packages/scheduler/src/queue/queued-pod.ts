// A pod on its way through the scheduling queue.
import type { PodInfo } from "../framework/pod-info.ts";

/** Changed in place by the queue and the loop, so it is in one of their hands at a time. */
export interface QueuedPod {
  info: PodInfo;
  /** Times it was taken from the queue; the back-off grows with it. */
  attempts: number;
  /** Monotonic time at which it last entered the queue. */
  queuedAt: number;
  /** Monotonic time at which it entered the queue first. */
  readonly firstQueuedAt: number;
  /** The plugins that refused it last time: events that do not concern them leave it alone. */
  refusedBy: ReadonlySet<string>;
  /** The plugin whose PreEnqueue keeps it from being tried at all. */
  gatedBy: string | undefined;
}
