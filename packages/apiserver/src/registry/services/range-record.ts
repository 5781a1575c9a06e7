// The shared record of what is handed out of one range: changed by compare-and-swap, so no two apiservers give the same.
import { internalError } from "@skiff/api/errors.ts";
import type { Kv } from "../../storage/kv.ts";

/** Changes the set in place; what it throws refuses this change alone. */
export type RecordChange<T> = (used: Set<number>) => T;

interface Pending {
  readonly change: RecordChange<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface State {
  readonly revision: string;
  readonly used: ReadonlySet<number>;
}

/** Losing this often in a row means that something writes the record in a loop. */
const MAX_ATTEMPTS = 50;
const WRITE_TIMEOUT_MS = 30_000;
const MAX_PENDING = 10_000;

/** Changes that wait while one is being written go into the next write together. */
export class RangeRecord {
  private readonly kv: Kv;
  private readonly key: string;
  private readonly rangeText: string;
  private pending: Pending[] = [];
  private isRunning = false;

  constructor(kv: Kv, key: string, rangeText: string) {
    this.kv = kv;
    this.key = key;
    this.rangeText = rangeText;
  }

  /** Resolves once the change is in etcd. `change` may run several times, each time on the newest set. */
  change<T>(change: RecordChange<T>): Promise<T> {
    if (this.pending.length >= MAX_PENDING) throw internalError(`too many changes of ${this.key} are waiting`);
    const done = new Promise<unknown>((resolve, reject) => this.pending.push({ change, resolve, reject }));
    void this.run();
    return done as Promise<T>;
  }

  /** What is handed out now, by the record itself. */
  async read(signal: AbortSignal): Promise<ReadonlySet<number>> {
    return (await this.load(signal)).used;
  }

  private async run(): Promise<void> {
    if (this.isRunning) return;
    this.isRunning = true;
    try {
      while (this.pending.length > 0) {
        const batch = this.pending;
        this.pending = [];
        await this.write(batch);
      }
    } finally {
      this.isRunning = false;
    }
  }

  private async write(batch: readonly Pending[]): Promise<void> {
    // The callers of one batch have signals of their own; none of them may break the write of the others.
    const signal = AbortSignal.timeout(WRITE_TIMEOUT_MS);
    try {
      // Another apiserver may write between load and swap; then the whole batch is decided again.
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        // Always a fresh read: a refusal such as "already allocated" must never come from an old copy.
        const { revision, used: before } = await this.load(signal);
        const { settle, used } = applyAll(batch, before);
        if (isSame(used, before) || (await this.swap(revision, used, signal))) return settle();
      }
      throw internalError(`the record ${this.key} keeps changing`);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  private swap(revision: string, used: ReadonlySet<number>, signal: AbortSignal): Promise<boolean> {
    const value = JSON.stringify({ range: this.rangeText, used: [...used].sort((a, b) => a - b) });
    return this.kv.compareAndSwap(this.key, revision, value, signal);
  }

  private async load(signal: AbortSignal): Promise<State> {
    const record = await this.kv.get(this.key, signal);
    if (!record) return { revision: "0", used: new Set() };
    const { range, used } = JSON.parse(record.value) as { range: string; used: number[] };
    // Offsets of another range mean other addresses; the repair loop then fills the record from the Services.
    return { revision: record.revision, used: new Set(range === this.rangeText ? used : []) };
  }
}

/** Runs every change on one copy; outcomes are told only once that copy is written. */
function applyAll(batch: readonly Pending[], before: ReadonlySet<number>): { settle(): void; used: Set<number> } {
  let used = new Set(before);
  const outcomes = batch.map(({ change, resolve, reject }) => {
    // A change that throws half-way must leave nothing behind for the next one.
    const attempt = new Set(used);
    try {
      const value = change(attempt);
      used = attempt;
      return () => resolve(value);
    } catch (error) {
      return () => reject(error);
    }
  });
  return {
    used,
    settle() {
      for (const outcome of outcomes) outcome();
    },
  };
}

function isSame(a: ReadonlySet<number>, b: ReadonlySet<number>): boolean {
  return a.size === b.size && a.isSubsetOf(b);
}
