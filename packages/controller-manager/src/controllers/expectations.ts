// Counts the creations and deletions that a controller asked for and its informer has not shown yet.
import type { Clock } from "@skiff/component-base/clock.ts";

/** Upstream's ExpectationsTimeout: after this long a missed event no longer holds a controller back. */
const EXPECTATION_TIMEOUT_MS = 5 * 60_000;

/** What one owner's last writes have yet to show; one of the two is empty. */
interface Expectation {
  creations: number;
  readonly deletions: Set<string>;
  readonly sinceMs: number;
}

/**
 * Keeps a controller from acting twice on the same shortage while its cache is behind its own writes: a ReplicaSet that created
 * three pods and sees one of them yet would else create two more. In memory only: after a restart the first list shows them all.
 */
export class Expectations {
  private readonly byKey = new Map<string, Expectation>();
  private readonly clock: Clock;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Call it before the first create: its event may come before its answer. Replaces what was expected before. */
  expectCreations(key: string, count: number): void {
    this.byKey.set(key, { creations: count, deletions: new Set(), sinceMs: this.clock.monotonic() });
  }

  /** `uids` are those of the objects about to be deleted, so that an event seen twice counts once. */
  expectDeletions(key: string, uids: readonly string[]): void {
    this.byKey.set(key, { creations: 0, deletions: new Set(uids), sinceMs: this.clock.monotonic() });
  }

  /** Also for a create that failed: nothing will be seen of it. */
  creationObserved(key: string, count = 1): void {
    const expectation = this.byKey.get(key);
    if (expectation) expectation.creations -= count;
  }

  /** Also for a delete that failed: its event may never come. */
  deletionObserved(key: string, uid: string): void {
    this.byKey.get(key)?.deletions.delete(uid);
  }

  /** Whether everything asked for has been seen, or nothing was asked for, or it was too long ago. */
  satisfied(key: string): boolean {
    const expectation = this.byKey.get(key);
    if (!expectation) return true;
    if (expectation.creations <= 0 && expectation.deletions.size === 0) return true;
    return this.clock.monotonic() - expectation.sinceMs > EXPECTATION_TIMEOUT_MS;
  }

  /** The owner is gone; one of the same name starts without expectations. */
  forget(key: string): void {
    this.byKey.delete(key);
  }
}
