// Leadership by a Lease, as client-go does it: at most one of several equal programs acts.
import { isNotFound } from "@skiff/api/errors.ts";
import { leases } from "@skiff/api/resource-ref.ts";
import type { Lease } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import { formatMicroTime } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { acquire, claimOf, newLease, released } from "./lease-claim.ts";
import type { ResourceClient } from "./resource-client.ts";
import type { RestClient } from "./rest-client.ts";

export interface LeaderElectionOptions {
  readonly client: Pick<RestClient, "of">;
  readonly lease: { readonly namespace: string; readonly name: string };
  /** Unlike any other candidate's, now and after a restart: host name and a random part. */
  readonly identity: string;
  /** How long others wait after the holder's last renewal. */
  readonly leaseDurationMs?: number;
  /** How long the holder acts on without a renewal; shorter than the duration, so that it stops before others start. */
  readonly renewDeadlineMs?: number;
  /** Between the holder's renewals, and between the tries of the others. */
  readonly retryPeriodMs?: number;
}

export interface LeaderElectionDeps {
  readonly clock: Clock;
  readonly log: Logger;
}

/** Thrown by `runLeaderElected` when leadership was lost: upstream's programs exit then, and start over. */
export class LeadershipLost extends Error {}

/** Waits for the lease, then runs `lead` until it returns, leadership is lost (throws) or `signal` aborts (lease released). */
export async function runLeaderElected(
  options: LeaderElectionOptions,
  lead: (signal: AbortSignal) => Promise<void>,
  deps: LeaderElectionDeps,
  signal: AbortSignal,
): Promise<void> {
  await new LeaderElector(options, deps).run(lead, signal);
}

/** Judges others by how long their record stays unchanged on our monotonic clock, as clocks of machines differ. */
export class LeaderElector {
  private readonly options: Required<LeaderElectionOptions>;
  private readonly client: ResourceClient<Lease>;
  private readonly clock: Clock;
  private readonly log: Logger;
  private observed: Lease | undefined;
  /** When the record was last seen to change, by our own clock: others' clocks are not trusted. */
  private observedAt = 0;
  /** When our last successful renewal was sent. */
  private renewedAt = Number.NEGATIVE_INFINITY;
  private leading = false;

  constructor(options: LeaderElectionOptions, deps: LeaderElectionDeps) {
    // Upstream's defaults and checks (JitterFactor 1.2): the holder gives up before the others may start.
    this.options = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2000, ...options };
    const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = this.options;
    if (leaseDurationMs <= renewDeadlineMs) throw new Error("leaseDuration must be greater than renewDeadline");
    if (renewDeadlineMs <= 1.2 * retryPeriodMs) throw new Error("renewDeadline must be greater than retryPeriod*1.2");
    this.client = options.client.of(leases);
    this.clock = deps.clock;
    this.log = deps.log.child({ lease: `${options.lease.namespace}/${options.lease.name}` });
  }

  /** Whether this process may act now. */
  get holdsLeadership(): boolean {
    return this.leading && this.clock.monotonic() - this.renewedAt < this.options.renewDeadlineMs;
  }

  /** As `runLeaderElected`, once per elector. */
  async run(lead: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    if (!(await this.waitForLease(signal))) return;
    this.leading = true;
    this.log.info({ identity: this.options.identity }, "became leader");
    const stop = new AbortController();
    const onAbort = () => stop.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    // The signal may have aborted while the lease was being written.
    if (signal.aborted) onAbort();
    try {
      await this.leadWhileRenewing(lead, stop);
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.leading = false;
    }
  }

  private async leadWhileRenewing(lead: (signal: AbortSignal) => Promise<void>, stop: AbortController): Promise<void> {
    const ended = new AbortController();
    // Renewal goes on while `lead` winds down: it may still be acting.
    const renewing = this.renewUntil(ended.signal, stop);
    try {
      await lead(stop.signal).catch((error: unknown) => {
        if (!stop.signal.aborted || error !== stop.signal.reason) throw error;
      });
    } finally {
      ended.abort();
      // A renewal still under way would write us back in after the release.
      await renewing;
    }
    if (stop.signal.reason instanceof LeadershipLost) throw stop.signal.reason;
    await this.release();
  }

  /** False when the signal aborted first. */
  private async waitForLease(signal: AbortSignal): Promise<boolean> {
    const { retryPeriodMs } = this.options;
    while (!signal.aborted) {
      if (await this.tryAcquireOrRenew(signal)) return true;
      // Jitter keeps the candidates from coming in step; upstream's JitterFactor.
      await this.clock.sleep(retryPeriodMs * (1 + 1.2 * Math.random()), signal).catch(() => {});
    }
    return false;
  }

  private async renewUntil(ended: AbortSignal, stop: AbortController): Promise<void> {
    const { retryPeriodMs, renewDeadlineMs } = this.options;
    // A timer of its own: a renewal that hangs must not keep us leading.
    let deadline = this.armDeadline(stop);
    while (!ended.aborted && !(stop.signal.reason instanceof LeadershipLost)) {
      await this.clock.sleep(retryPeriodMs, ended).catch(() => {});
      if (ended.aborted) break;
      if (!(await this.tryAcquireOrRenew(ended, renewDeadlineMs))) {
        if (this.heldByAnother()) stop.abort(new LeadershipLost("leader election lost: the lease is another's"));
        continue;
      }
      deadline[Symbol.dispose]();
      deadline = this.armDeadline(stop);
    }
    deadline[Symbol.dispose]();
  }

  private armDeadline(stop: AbortController): Disposable {
    const leftMs = this.renewedAt + this.options.renewDeadlineMs - this.clock.monotonic();
    return this.clock.after(Math.max(0, leftMs), () => {
      this.log.error("leadership lost: the lease could not be renewed in time");
      stop.abort(new LeadershipLost("leader election lost: the lease could not be renewed in time"));
    });
  }

  private heldByAnother(): boolean {
    const holder = this.observed?.spec.holderIdentity;
    return Boolean(holder) && holder !== this.options.identity;
  }

  /** One try; false when the lease is another's or could not be written. */
  private async tryAcquireOrRenew(signal: AbortSignal, timeoutMs = 10_000): Promise<boolean> {
    // From the sending, not the answer: nobody else can have seen the renewal earlier, so our deadline comes before theirs.
    const sentAt = this.clock.monotonic();
    try {
      const lease = await this.write({ signal, timeoutMs });
      if (!lease) return false;
      // Whoever else wrote meanwhile made our write fail by its version, so what came back is ours.
      this.observe(lease);
      this.renewedAt = sentAt;
      return true;
    } catch (error) {
      if (!signal.aborted) this.log.warn({ err: error }, "lease could not be acquired or renewed, retrying");
      return false;
    }
  }

  private async write(options: { signal: AbortSignal; timeoutMs: number }): Promise<Lease | undefined> {
    const { lease, identity, leaseDurationMs } = this.options;
    const claim = { identity, leaseDurationMs, now: formatMicroTime(this.clock.now()) };
    if (this.leading && this.observed) {
      // The holder knows the newest version; only if it does not is a read needed.
      const renewed = await this.client.update(acquire(this.observed, claim), options).catch(() => undefined);
      if (renewed) return renewed;
    }
    const current = await this.client.get(lease.namespace, lease.name, options).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    // Of two candidates that find none, the create of one fails.
    if (!current) return this.client.create(lease.namespace, newLease(lease, claim), options);
    this.observe(current);
    const verdict = claimOf(current, identity, this.clock.monotonic() - this.observedAt);
    return verdict === "held" ? undefined : this.client.update(acquire(current, claim), options);
  }

  private observe(lease: Lease): void {
    const { resourceVersion } = lease.metadata;
    // Seeing the same record again is no sign of life.
    if (this.observed?.metadata.resourceVersion === resourceVersion) return;
    this.observed = lease;
    this.observedAt = this.clock.monotonic();
  }

  /** Lets the next candidate start at once. Best effort: without it the lease runs out by itself. */
  private async release(): Promise<void> {
    if (!this.observed || this.observed.spec.holderIdentity !== this.options.identity) return;
    this.leading = false;
    // A signal of its own: the caller's has aborted by now.
    const options = { signal: new AbortController().signal, timeoutMs: 3000 };
    try {
      await this.client.update(released(this.observed, formatMicroTime(this.clock.now())), options);
      this.log.info("released leadership");
    } catch (error) {
      this.log.warn({ err: error }, "lease could not be released");
    }
  }
}
