// In which order, and with how much time, the pods of a node end when the machine shuts down. Pure.
import type { Pod } from "@skiff/api/types.ts";
import type { ShutdownClass } from "../configuration/field-types.ts";

/** The fields of KubeletConfiguration. */
export interface ShutdownTimes {
  /** Milliseconds; of them the last `critical` belong to critical pods. */
  readonly shutdownGracePeriod: number;
  readonly shutdownGracePeriodCriticalPods: number;
  /** Instead of both. */
  readonly shutdownGracePeriodByPodPriority: readonly ShutdownClass[];
}

/** Pods that end together. The next step waits for them, or for the time to be up. */
export interface ShutdownStep {
  /** So long the step lasts at most. */
  readonly seconds: number;
  readonly pods: readonly { readonly pod: Readonly<Pod>; readonly graceSeconds: number }[];
}

/** The priority from which on system-cluster-critical and system-node-critical count. */
const SYSTEM_CRITICAL_PRIORITY = 2_000_000_000;
const DEFAULT_GRACE_SECONDS = 30;

/** By priority, lowest first; empty where graceful shutdown is off. */
export function shutdownClasses(times: ShutdownTimes): readonly ShutdownClass[] {
  if (times.shutdownGracePeriodByPodPriority.length > 0) {
    return times.shutdownGracePeriodByPodPriority.toSorted((a, b) => a.priority - b.priority);
  }
  const total = Math.floor(times.shutdownGracePeriod / 1000);
  const critical = Math.floor(times.shutdownGracePeriodCriticalPods / 1000);
  if (total === 0) return [];
  return [
    { priority: 0, shutdownGracePeriodSeconds: total - critical },
    { priority: SYSTEM_CRITICAL_PRIORITY, shutdownGracePeriodSeconds: critical },
  ];
}

/** How long logind must be held off. */
export function totalSeconds(classes: readonly ShutdownClass[]): number {
  return classes.reduce((sum, { shutdownGracePeriodSeconds }) => sum + shutdownGracePeriodSeconds, 0);
}

/** One step for each class that has pods; whoever ranks below the lowest goes with it. */
export function planShutdown(classes: readonly ShutdownClass[], pods: readonly Readonly<Pod>[]): ShutdownStep[] {
  const groups = classes.map(({ shutdownGracePeriodSeconds: seconds }) => ({ seconds, pods: [] as Readonly<Pod>[] }));
  for (const pod of pods) {
    const priority = pod.spec?.priority ?? 0;
    const at = classes.findLastIndex((one) => one.priority <= priority);
    groups[Math.max(0, at)]?.pods.push(pod);
  }
  return groups
    .filter((group) => group.pods.length > 0)
    .map(({ seconds, pods: members }) => ({
      seconds,
      pods: members.map((pod) => ({ pod, graceSeconds: Math.min(seconds, graceOf(pod)) })),
    }));
}

function graceOf(pod: Readonly<Pod>): number {
  return pod.spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
}
