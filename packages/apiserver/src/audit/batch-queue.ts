// A bounded queue in front of something slow: what is pushed leaves in batches, in order, one batch at a time.
import type { Clock } from "@skiff/component-base/clock.ts";
import { countWithin } from "./group-writer.ts";

/** The bounds of the queue and of each batch. */
export interface BatchOptions {
  readonly maxBatch: number;
  /** How long the first of a batch waits for others. */
  readonly maxWaitMs: number;
  /** Items, and their characters or bytes, that may wait; what does not fit is refused. */
  readonly capacity: number;
  readonly maxChars: number;
  /** Of one batch, unless a single item is longer. */
  readonly maxBatchChars?: number | undefined;
}

/** `push` never waits: whoever pushes is serving a request. */
export class BatchQueue<T extends { readonly length: number } = string> {
  private readonly options: BatchOptions;
  private readonly send: (batch: readonly T[]) => Promise<void>;
  private readonly clock: Clock;
  private items: T[] = [];
  private chars = 0;
  private timer: Disposable | undefined;
  private sending: Promise<void> | undefined;
  private closed = false;

  /** `send` handles its own failures: what it rejects with is lost on purpose. */
  constructor(options: BatchOptions, send: (batch: readonly T[]) => Promise<void>, clock: Clock) {
    this.options = options;
    this.send = send;
    this.clock = clock;
  }

  /** False when there is no room. */
  push(item: T): boolean {
    const { capacity, maxChars, maxBatch, maxWaitMs } = this.options;
    if (this.closed || this.items.length >= capacity || this.chars + item.length > maxChars) return false;
    this.items.push(item);
    this.chars += item.length;
    if (this.sending) return true;
    if (this.items.length >= maxBatch) this.flush();
    else this.timer ??= this.clock.after(maxWaitMs, () => this.flush());
    return true;
  }

  /** Sends what waits and takes nothing more. */
  async close(): Promise<void> {
    this.closed = true;
    while (this.items.length > 0 || this.sending) {
      this.flush();
      await this.sending;
    }
  }

  private flush(): void {
    this.timer?.[Symbol.dispose]();
    this.timer = undefined;
    if (this.sending || this.items.length === 0) return;
    const { maxBatch, maxBatchChars = Number.POSITIVE_INFINITY } = this.options;
    const batch = this.items.slice(0, maxBatch);
    batch.length = countWithin(batch, maxBatchChars);
    this.items = this.items.slice(batch.length);
    this.sending = this.send(batch)
      .catch(() => {})
      .finally(() => {
        // Counted until it is gone, for until then it is held.
        for (const item of batch) this.chars -= item.length;
        this.sending = undefined;
        if (this.items.length > 0) this.flush();
      });
  }
}
