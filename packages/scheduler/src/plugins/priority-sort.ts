// PrioritySort: the pod of higher priority first, then the one that has waited longer.
import type { QueueSortPlugin } from "../framework/plugin.ts";

export const prioritySort = {
  name: "PrioritySort",
  compareInQueue(a, b) {
    const byPriority = (b.info.pod.spec.priority ?? 0) - (a.info.pod.spec.priority ?? 0);
    // Since it was queued last, so that a pod that fails again and again does not stay in front of its equals.
    return byPriority || a.queuedAt - b.queuedAt;
  },
} satisfies QueueSortPlugin;
