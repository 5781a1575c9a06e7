// Graceful node shutdown: holds the machine's shutdown off until the pods have ended, by their priority.
import type { Pod } from "@skiff/api/types.ts";
import { BackOff } from "@skiff/client/back-off.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { ShutdownClass } from "../configuration/field-types.ts";
import type { PodVerdict } from "../status/pod-status.ts";
import { planShutdown, totalSeconds } from "./plan-shutdown.ts";

/** What delays a shutdown and tells of one. */
export interface Inhibitor {
  allowDelay(ms: number, signal: AbortSignal): Promise<void>;
  hold(signal: AbortSignal): Promise<ShutdownLock>;
  /** True when a shutdown begins, false when it was called off. */
  news(signal: AbortSignal): AsyncIterable<boolean>;
}

/** While it is held, logind lets the machine run. */
export interface ShutdownLock {
  /** Resolves when the lock is no longer held, whoever let it go. */
  readonly lost: Promise<void>;
  release(): Promise<void>;
}

export interface ShutdownDeps {
  readonly inhibitor: Inhibitor;
  readonly clock: Clock;
  readonly log: Logger;
  activePods(): readonly Readonly<Pod>[];
  /** Resolves once the pod's containers have stopped. */
  end(pod: Readonly<Pod>, verdict: PodVerdict, graceSeconds: number): Promise<void>;
  /** The node's readiness has changed. */
  onChange(): void;
  tell(message: string): void;
}

/** What the pods' statuses say afterwards: Failed, so that controllers make others elsewhere. */
const VERDICT: PodVerdict = {
  phase: "Failed",
  reason: "Terminated",
  message: "Pod was terminated in response to imminent node shutdown.",
  isDisruption: true,
  // As upstream: the node's event says what happens to all of them.
  isQuiet: true,
};
const RETRY = { initialMs: 1000, ceilingMs: 60_000 };

/**
 * From the news of a shutdown on the node is not ready and takes no pods in; its pods end by priority, lowest first,
 * and then the lock goes.
 */
export class ShutdownManager {
  private readonly classes: readonly ShutdownClass[];
  private readonly deps: ShutdownDeps;
  private shuttingDown = false;
  private lock: ShutdownLock | undefined;
  private over = new AbortController();

  constructor(classes: readonly ShutdownClass[], deps: ShutdownDeps) {
    this.classes = classes;
    this.deps = deps;
  }

  get isShuttingDown(): boolean {
    return this.shuttingDown;
  }

  /** Until the signal aborts. Without logind it says so, and tries again: it may be installed or restarted. */
  async run(signal: AbortSignal): Promise<void> {
    const retry = new BackOff(RETRY);
    while (!signal.aborted) {
      try {
        await this.guard(signal);
        retry.reset();
      } catch (error) {
        if (signal.aborted) return;
        const text = "graceful node shutdown does not work without systemd-logind, trying again";
        this.deps.log.error({ err: error }, text);
      }
      await this.deps.clock.sleep(retry.next(), signal).catch(() => {});
    }
  }

  /** One life of lock and monitor. */
  private async guard(signal: AbortSignal): Promise<void> {
    const { inhibitor, log } = this.deps;
    await inhibitor.allowDelay(totalSeconds(this.classes) * 1000, signal);
    this.over = new AbortController();
    const until = AbortSignal.any([signal, this.over.signal]);
    try {
      const following = this.follow(until);
      following.catch(() => {});
      // Whichever fails first tells why; the other ends with it.
      await Promise.race([this.take(until), following]);
      log.info({ seconds: totalSeconds(this.classes) }, "shutdowns of this machine wait for its pods");
      await following;
    } finally {
      this.over.abort(new Error("the guard is over"));
      await this.release();
    }
  }

  private async follow(signal: AbortSignal): Promise<void> {
    for await (const begins of this.deps.inhibitor.news(signal)) {
      if (begins === this.shuttingDown) continue;
      this.shuttingDown = begins;
      this.deps.onChange();
      if (begins) await this.endPods(signal);
      else await this.recover(signal);
    }
  }

  private async endPods(signal: AbortSignal): Promise<void> {
    const { log, tell, activePods } = this.deps;
    tell("Shutdown manager detected shutdown event");
    log.info("the machine shuts down, ending pods");
    for (const { seconds, pods } of planShutdown(this.classes, activePods())) {
      const late = Promise.withResolvers<void>();
      using _limit = this.deps.clock.after(seconds * 1000, () => {
        log.warn({ seconds }, "pods did not end in the time of their priority");
        late.resolve();
      });
      const ends = pods.map(({ pod, graceSeconds }) => this.deps.end(pod, VERDICT, graceSeconds));
      await Promise.race([Promise.all(ends), late.promise]);
      signal.throwIfAborted();
    }
    log.info("all pods have had their time, the machine may go down");
    await this.release();
  }

  private async recover(signal: AbortSignal): Promise<void> {
    this.deps.tell("Shutdown manager detected shutdown cancellation");
    this.deps.log.info("the shutdown was called off");
    await this.take(signal);
  }

  /** A lock that is lost in any other way than by releasing it ends the guard, which then begins anew. */
  private async take(signal: AbortSignal): Promise<void> {
    const lock = await this.deps.inhibitor.hold(signal);
    this.lock = lock;
    lock.lost
      .then(() => {
        if (this.lock === lock) this.over.abort(new Error("the shutdown lock was lost"));
      })
      .catch(() => {});
  }

  private async release(): Promise<void> {
    const { lock } = this;
    this.lock = undefined;
    await lock?.release();
  }
}
