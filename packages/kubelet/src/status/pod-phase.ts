// The one-word summary of a pod's life, from its containers' states. Pure.
import type { ContainerStatus, Pod, PodStatus } from "@skiff/api/types.ts";
import { isSidecar, restartsAfter } from "../sync-pod.ts";

/** Succeeded and Failed are for good; a Job counts by them. Unknown is no longer used. */
export type PodPhase = "Pending" | "Running" | "Succeeded" | "Failed";

/** The containers' statuses as they are about to be published. */
export interface PhaseInput {
  readonly init: readonly ContainerStatus[];
  readonly containers: readonly ContainerStatus[];
  /** The pod has been stopped for good: nothing of it will run again. */
  readonly isTerminal: boolean;
}

/** As upstream, a pod whose containers have run to their end is Running as long as a sidecar is. */
export function podPhase(pod: Pod, input: PhaseInput): PodPhase {
  const phase = phaseOfContainers(pod, input);
  if (input.isTerminal || !isFinal(phase) || countInits(pod, input.init).failed > 0) return phase;
  return hasRunningSidecar(pod, input.init) ? "Running" : phase;
}

/** Whether nothing is left for the pod to run, sidecars aside: they are to be stopped then. */
export function hasFinished(pod: Pod, { initContainerStatuses = [], containerStatuses = [] }: PodStatus): boolean {
  const input = { init: initContainerStatuses, containers: containerStatuses, isTerminal: false };
  return isFinal(phaseOfContainers(pod, input));
}

/** A phase that a pod never leaves. */
export function isFinal(phase: string | undefined): boolean {
  return phase === "Succeeded" || phase === "Failed";
}

function hasRunningSidecar(pod: Pod, init: readonly ContainerStatus[]): boolean {
  const sidecars = (pod.spec?.initContainers ?? []).filter(isSidecar);
  return sidecars.some(({ name }) => init.find((status) => status.name === name)?.state?.running !== undefined);
}

function phaseOfContainers(pod: Pod, { init, containers, isTerminal }: PhaseInput): PodPhase {
  const inits = countInits(pod, init);
  const count = countContainers(pod, containers);
  if (inits.failed > 0) return "Failed";
  const anyStarted = count.running + count.stopped > 0;
  if (inits.pending > 0 && !anyStarted) return isTerminal ? "Failed" : "Pending";
  if (count.waiting > 0) return isTerminal ? "Failed" : "Pending";
  if (count.unknown > 0) return "Pending";
  if (count.running > 0) return "Running";
  if (count.stopped === 0) return "Pending";
  const allSucceeded = count.stopped === count.succeeded;
  if (isTerminal) return allSucceeded ? "Succeeded" : "Failed";
  // In a crash loop the pod is Running: what kubectl shows as CrashLoopBackOff is the container's reason.
  if (count.restarting > 0) return "Running";
  return allSucceeded ? "Succeeded" : "Failed";
}

function countInits(pod: Pod, statuses: readonly ContainerStatus[]): { pending: number; failed: number } {
  const count = { pending: 0, failed: 0 };
  for (const container of pod.spec?.initContainers ?? []) {
    const status = statuses.find((candidate) => candidate.name === container.name);
    if (isSidecar(container)) {
      if (!status?.started) count.pending++;
      continue;
    }
    const ended = status?.state?.terminated ?? (status?.state?.waiting ? status.lastState?.terminated : undefined);
    if (!ended) count.pending++;
    // One that will be tried again has not failed for good.
    else if (ended.exitCode !== 0 && !restartsAfter(pod, container, ended.exitCode)) count.failed++;
  }
  return count;
}

function countContainers(pod: Pod, statuses: readonly ContainerStatus[]) {
  const count = { unknown: 0, running: 0, waiting: 0, stopped: 0, succeeded: 0, restarting: 0 };
  for (const container of pod.spec?.containers ?? []) {
    const status = statuses.find((candidate) => candidate.name === container.name);
    const state = status?.state;
    if (state?.running) count.running++;
    else if (state?.terminated) {
      count.stopped++;
      if (state.terminated.exitCode === 0) count.succeeded++;
      if (restartsAfter(pod, container, state.terminated.exitCode)) count.restarting++;
    } else if (state?.waiting) {
      // Waiting for its restart is not waiting for its first start.
      const last = status?.lastState?.terminated;
      if (last) {
        count.stopped++;
        if (state.waiting.reason === "CrashLoopBackOff" || restartsAfter(pod, container, last.exitCode))
          count.restarting++;
      } else count.waiting++;
    } else count.unknown++;
  }
  return count;
}
