// Admission, with other pods displaced for a critical one where room is all that it lacks.
import type { Pod } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { Counter } from "@skiff/component-base/metrics.ts";
import type { Admission } from "../admit-pod.ts";
import type { PodVerdict } from "../status/pod-status.ts";
import type { Shortage } from "./plan-preemption.ts";
import { planPreemption } from "./plan-preemption.ts";

export interface PreemptionDeps {
  admit(pod: Readonly<Pod>): Admission;
  readonly workers: {
    admitted(uid: string): Readonly<Pod>[];
    evict(uid: string, verdict: PodVerdict, graceSeconds: number | undefined): Promise<void>;
  };
  readonly preemptions: Pick<Counter, "inc">;
  readonly clock: Pick<Clock, "sleep">;
  readonly log: Logger;
}

/** Upstream's: all other pods wait for this one's verdict, and a container may refuse to die. */
const VICTIM_MS = 10_000;

/** What the displaced pods' statuses say. Their controllers make others, which go to other nodes. */
const VERDICT: PodVerdict = {
  phase: "Failed",
  reason: "Preempting",
  message: "Preempted in order to admit critical pod",
  isDisruption: true,
};

/** Judges once more after the containers of those displaced have stopped. */
export async function admitOrPreempt(pod: Readonly<Pod>, deps: PreemptionDeps): Promise<Admission> {
  const answer = deps.admit(pod);
  if (answer.admitted || !answer.shortages) return answer;
  return (await preempt(pod, answer.shortages, deps)) ? deps.admit(pod) : answer;
}

async function preempt(
  pod: Readonly<Pod>,
  shortages: readonly Shortage[],
  { workers, preemptions, clock, log }: PreemptionDeps,
): Promise<boolean> {
  const victims = planPreemption(pod, workers.admitted(pod.metadata.uid), shortages);
  if (!victims) return false;
  log.info(
    { pod: `${pod.metadata.namespace}/${pod.metadata.name}`, victims: victims.map(({ metadata }) => metadata.name) },
    "displacing pods for a critical one",
  );
  for (const victim of victims) {
    // Without grace, as upstream: a critical pod does not wait.
    const waiting = new AbortController();
    const timeout = clock.sleep(VICTIM_MS, waiting.signal).catch(() => {});
    await Promise.race([workers.evict(victim.metadata.uid, VERDICT, 0), timeout]);
    waiting.abort();
    preemptions.inc({ preemption_signal: shortages[0]?.resource ?? "" });
  }
  return true;
}
