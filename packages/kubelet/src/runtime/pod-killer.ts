// Stops containers, single ones or a whole pod's: preStop hook, stop signal, grace, and the sandbox at the end.
import type { Container, Pod } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { CriClient } from "../cri/cri-client.ts";
import { isCriNotFound } from "../cri/cri-client.ts";
import { findContainer } from "../env/field-ref.ts";
import type { PodEvents } from "../events/pod-events.ts";
import type { KillReason } from "../sync-pod.ts";
import type { LifecycleHooks } from "./lifecycle-hooks.ts";
import type { RuntimeContainer, RuntimePod } from "./runtime-pod.ts";
import { runningContainers } from "./runtime-pod.ts";
import type { StartGate } from "./start-gate.ts";
import { StopOrder } from "./stop-order.ts";

export interface PodKillerDeps {
  readonly cri: Pick<CriClient, "stopContainer" | "stopPodSandbox">;
  readonly hooks: Pick<LifecycleHooks, "run">;
  readonly gate: StartGate;
  readonly events: PodEvents;
  readonly clock: Clock;
  readonly log: Logger;
}

/** After a preStop hook that used its time up, the container still gets this long to end by itself. */
const MIN_GRACE_SECONDS = 2;
/** Kubernetes defaults terminationGracePeriodSeconds to 30; it counts where the pod's object is gone. */
const DEFAULT_GRACE_SECONDS = 30;

/** Why, and what the Killing event says. */
export interface KillOptions {
  readonly reason: KillReason;
  readonly message?: string;
  /** Counts instead of what pod and probes say. */
  readonly graceSeconds?: number | undefined;
  /** The container is told to stop when this resolves, or its grace is over. */
  readonly turn?: Promise<unknown> | undefined;
}

/** What has to be known of a container to stop it. */
type Stoppable = Pick<RuntimeContainer, "id" | "name" | "state" | "gracePeriodSeconds" | "preStop">;

/** preStop hook and stop signal share one grace period, which begins with the hook. */
export class PodKiller {
  private readonly deps: PodKillerDeps;

  constructor(deps: PodKillerDeps) {
    this.deps = deps;
  }

  /**
   * Stops every running container of the pod, sidecars after the others, and then its sandboxes. All preStop hooks begin at
   * once, those of sidecars too. Safe to repeat.
   */
  async killPod(pod: Pod | undefined, runtime: RuntimePod, options: KillOptions): Promise<void> {
    const running = runningContainers(runtime);
    const order = new StopOrder(
      pod,
      running.map(({ name }) => name),
    );
    await all(
      running.map((container) =>
        this.killContainer(pod, runtime, container, { ...options, turn: order.turnOf(container.name) }).finally(() =>
          order.ended(container.name),
        ),
      ),
    );
    // The newest even when it is dead: one that a crash of the machine ended still holds its address, for as long as the
    // pod's object stays. Older ones are stopped when they are collected.
    const held = runtime.sandboxes.filter(({ ready }, index) => ready || running.length > 0 || index === 0);
    await all(held.map(({ id }) => this.stopSandbox(id)));
  }

  /** Resolves once the container has stopped. One that the runtime does not know any more is fine. */
  async killContainer(
    pod: Pod | undefined,
    runtime: RuntimePod,
    container: Stoppable,
    options: KillOptions,
  ): Promise<void> {
    const { cri, events, clock } = this.deps;
    const spec = pod && findContainer(pod, container.name);
    const grace = options.graceSeconds ?? graceOf(pod, container, options);
    if (pod) {
      const message = options.message ?? `Stopping container ${container.name}`;
      events.container(pod, container, "Normal", "Killing", message);
    }
    const startedAt = clock.monotonic();
    if (grace > 0) {
      await this.runPreStop(pod, spec, runtime, container, grace);
      if (options.turn) await this.within(grace * 1000 - (clock.monotonic() - startedAt), options.turn);
    }
    const spent = Math.floor((clock.monotonic() - startedAt) / 1000);
    // No grace at all is meant as such: the kill comes at once.
    const remaining = grace === 0 ? 0 : Math.max(MIN_GRACE_SECONDS, grace - spent);
    await cri.stopContainer(container.id, remaining).catch(fineWhenGone);
  }

  /** Resolves with `event`, or once the time is up. */
  private async within(ms: number, event: Promise<unknown>): Promise<void> {
    const timeUp = Promise.withResolvers<void>();
    using _timer = this.deps.clock.after(ms, timeUp.resolve);
    await Promise.race([event, timeUp.promise]);
  }

  private async runPreStop(
    pod: Pod | undefined,
    spec: Container | undefined,
    runtime: RuntimePod,
    container: Stoppable,
    graceSeconds: number,
  ): Promise<void> {
    // The annotation has it where the pod's object is gone.
    const hook = spec?.lifecycle?.preStop ?? container.preStop;
    if (!hook || container.state !== "running") return;
    const { hooks, events, clock, log } = this.deps;
    const timeout = new AbortController();
    using _timer = clock.after(graceSeconds * 1000, () => timeout.abort(new Error("grace period exceeded")));
    const podIp = runtime.sandboxes[0]?.ips[0] ?? "";
    const target = {
      container: spec ?? { name: container.name },
      containerId: container.id,
      podIp,
      warn: (reason: string, message: string) => {
        if (pod) events.container(pod, container, "Warning", reason, message);
      },
    };
    try {
      await hooks.run(hook, target, timeout.signal);
    } catch (error) {
      if (timeout.signal.aborted) {
        log.warn(
          { pod: `${runtime.namespace}/${runtime.name}`, container: container.name },
          "preStop hook took too long",
        );
      } else if (pod) {
        events.container(pod, container, "Warning", "FailedPreStopHook", "PreStopHook failed");
        log.debug({ err: error, container: container.name }, "preStop hook failed");
      }
    }
  }

  private async stopSandbox(id: string): Promise<void> {
    const { cri, gate } = this.deps;
    await gate.run("removal", (place) => place.work(() => cri.stopPodSandbox(id).catch(fineWhenGone)));
  }
}

/** A deletion's own grace goes before a probe's, and that before the pod's. */
function graceOf(pod: Pod | undefined, container: Stoppable, { reason }: KillOptions): number {
  if (!pod) return container.gracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
  const spec = findContainer(pod, container.name);
  const probe =
    reason === "LivenessProbe" ? spec?.livenessProbe : reason === "StartupProbe" ? spec?.startupProbe : undefined;
  if (pod.metadata.deletionTimestamp && pod.metadata.deletionGracePeriodSeconds !== undefined) {
    return pod.metadata.deletionGracePeriodSeconds;
  }
  return probe?.terminationGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
}

/** Waits for all of them, then throws the first failure. */
async function all(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}

function fineWhenGone(error: unknown): void {
  if (!isCriNotFound(error)) throw error;
}
