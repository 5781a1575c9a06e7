// One probe of one container: when to run it, and when its results count.
import type { Container, Pod, Probe } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { RuntimeContainer, RuntimePod } from "../runtime/runtime-pod.ts";
import { latestContainer } from "../runtime/runtime-pod.ts";
import type { ProbeVerdict } from "../sync-pod.ts";
import type { ProbeResult } from "./run-probe.ts";

/** Liveness and startup restart a container, readiness takes the pod out of its Services. */
export type ProbeKind = "liveness" | "readiness" | "startup";

/** What a container counts as before its first result. */
const INITIAL: Record<ProbeKind, ProbeVerdict> = { liveness: "success", readiness: "failure", startup: "unknown" };
/** Tries of a probe that could not be made at all. */
const MAX_TRIES = 3;

export interface ProbeWorkerDeps {
  readonly clock: Clock;
  /** The newest pod; undefined once it is gone. */
  pod(): Readonly<Pod> | undefined;
  runtime(): RuntimePod;
  run(probe: Probe, containerId: string): Promise<ProbeResult>;
  /** Whether the container has passed its startup probe, or has none. */
  isStarted(containerId: string): boolean;
  /** The verdict to begin with for a container that a former kubelet already knew. */
  initial(kind: ProbeKind, containerId: string): ProbeVerdict | undefined;
  onResult(kind: ProbeKind, containerId: string, verdict: ProbeVerdict): void;
  onEvent(reason: "Unhealthy" | "ProbeWarning", message: string): void;
}

/** One loop per probe, across restarts of its container; a new container id starts the counting anew. */
export class ProbeWorker {
  readonly kind: ProbeKind;
  readonly container: Container;
  private readonly probe: Probe;
  private readonly deps: ProbeWorkerDeps;
  private readonly stop = new AbortController();
  private nudge = Promise.withResolvers<void>();
  private containerId = "";
  /** Monotonic: the wall clock may be set meanwhile. Undefined until the container was seen running. */
  private runningSince: number | undefined;
  private last: boolean | undefined;
  private runs = 0;
  /** After a failure that restarts the container, nothing is asked until the next one is there. */
  private onHold = false;

  constructor(kind: ProbeKind, container: Container, probe: Probe, deps: ProbeWorkerDeps) {
    this.kind = kind;
    this.container = container;
    this.probe = probe;
    this.deps = deps;
  }

  /** Probes each period until it is stopped. `jitter` in [0, 1) spreads the probes of a node that has just started. */
  async run(jitter: number): Promise<void> {
    const { clock } = this.deps;
    const { signal } = this.stop;
    const periodMs = (this.probe.periodSeconds ?? 10) * 1000;
    if (jitter > 0) await clock.sleep(jitter * periodMs, signal).catch(() => {});
    while (!signal.aborted) {
      const startedAt = clock.monotonic();
      if (!(await this.step())) return;
      const waitMs = Math.max(0, periodMs - (clock.monotonic() - startedAt));
      await Promise.race([clock.sleep(waitMs, signal).catch(() => {}), this.nudge.promise]);
      this.nudge = Promise.withResolvers<void>();
    }
  }

  /** Probes again without waiting for the period to end. */
  poke(): void {
    this.nudge.resolve();
  }

  /** A probe that runs now is let finish, but its result is dropped. */
  end(): void {
    this.stop.abort();
    this.poke();
  }

  /** One turn; false once there is nothing left to probe. */
  async step(): Promise<boolean> {
    const pod = this.deps.pod();
    if (!pod) return false;
    const container = latestContainer(this.deps.runtime(), this.container.name);
    if (!container) return true;
    this.follow(container.id);
    // One that is being started has not failed: a verdict now would end it as soon as it runs.
    if (this.onHold || container.state === "created") return true;
    if (container.state !== "running") return this.whileStopped(pod);
    if (pod.metadata.deletionTimestamp && this.kind !== "readiness") {
      // A container that is being stopped must not be killed once more for its health.
      this.report("success");
      return false;
    }
    if (!this.isDue(container)) return true;
    await this.probeOnce(container.id);
    return true;
  }

  /** A container id that is new is another container, whatever its name. */
  private follow(id: string): void {
    if (id === this.containerId) return;
    this.containerId = id;
    this.runningSince = undefined;
    this.onHold = false;
    this.runs = 0;
    this.last = undefined;
    this.report(this.deps.initial(this.kind, id) ?? INITIAL[this.kind]);
  }

  /** A stopped container is neither alive nor ready. False where no other will follow it. */
  private whileStopped(pod: Readonly<Pod>): boolean {
    if (this.kind !== "startup") this.report("failure");
    return pod.spec?.restartPolicy !== "Never";
  }

  private isDue(container: RuntimeContainer): boolean {
    const delayMs = (this.probe.initialDelaySeconds ?? 0) * 1000;
    const { clock } = this.deps;
    this.runningSince ??= clock.monotonic() - Math.max(0, clock.now() - container.startedAt);
    if (clock.monotonic() - this.runningSince < delayMs) return false;
    // The startup probe comes first and alone, and is over after its first success.
    return this.deps.isStarted(container.id) !== (this.kind === "startup");
  }

  private async probeOnce(id: string): Promise<void> {
    const result = await this.attempt(id);
    // The container may have been replaced while its probe ran.
    if (this.stop.signal.aborted || !result || id !== this.containerId) return;
    const name = capitalized(this.kind);
    if (!result.ok) this.deps.onEvent("Unhealthy", `${name} probe failed: ${result.output}`);
    else if (result.isWarning) this.deps.onEvent("ProbeWarning", `${name} probe warning: ${result.output}`);
    this.runs = result.ok === this.last ? this.runs + 1 : 1;
    this.last = result.ok;
    const { successThreshold = 1, failureThreshold = 3 } = this.probe;
    // One slip is no failure: thresholds count results of the same kind in a row.
    if (this.runs < (result.ok ? successThreshold : failureThreshold)) return;
    this.report(result.ok ? "success" : "failure");
    if (!result.ok && this.kind !== "readiness") {
      this.onHold = true;
      this.runs = 0;
    }
  }

  /** Undefined where the probe could not be made in three tries, which changes no verdict. */
  private async attempt(id: string): Promise<ProbeResult | undefined> {
    let failure: unknown;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      try {
        return await this.deps.run(this.probe, id);
      } catch (error) {
        failure = error;
      }
    }
    const why = failure instanceof Error ? failure.message : String(failure);
    this.deps.onEvent("Unhealthy", `${capitalized(this.kind)} probe errored and resulted in unknown state: ${why}`);
    return undefined;
  }

  private report(verdict: ProbeVerdict): void {
    this.deps.onResult(this.kind, this.containerId, verdict);
  }
}

function capitalized(word: string): string {
  return word[0]?.toUpperCase() + word.slice(1);
}
