// For requests that wait until their event is stored: what comes while one write is under way goes into the next together.

/** Bounds of what waits, and of one write. */
export interface GroupLimits {
  /** Events, and their characters, that may wait; what does not fit is refused. */
  readonly capacity: number;
  readonly maxChars: number;
  /** Of one write. */
  readonly maxBatchChars: number;
}

interface Waiting {
  readonly event: string;
  settle(stored: boolean): void;
}

/**
 * With many requests at once a write costs each of them little: it is shared by all that came during the one before.
 */
export class GroupWriter {
  private readonly limits: GroupLimits;
  private readonly write: (events: readonly string[]) => Promise<boolean>;
  private waiting: Waiting[] = [];
  private chars = 0;
  private running: Promise<void> | undefined;
  private closed = false;

  /** `write` says whether the events are stored; it does not reject. */
  constructor(limits: GroupLimits, write: (events: readonly string[]) => Promise<boolean>) {
    this.limits = limits;
    this.write = write;
  }

  /** Whether the event was stored, once that is known. */
  push(event: string): Promise<boolean> {
    const { capacity, maxChars } = this.limits;
    const isTooMuch = this.waiting.length >= capacity || this.chars + event.length > maxChars;
    if (this.closed || isTooMuch) return Promise.resolve(false);
    this.chars += event.length;
    return new Promise((settle) => {
      this.waiting.push({ event, settle });
      this.running ??= this.run();
    });
  }

  /** Writes what waits and takes nothing more. */
  async close(): Promise<void> {
    this.closed = true;
    await this.running;
  }

  private async run(): Promise<void> {
    while (this.waiting.length > 0) {
      const batch = this.takeBatch();
      const stored = await this.write(batch.map(({ event }) => event));
      for (const { event, settle } of batch) {
        this.chars -= event.length;
        settle(stored);
      }
    }
    this.running = undefined;
  }

  private takeBatch(): Waiting[] {
    const count = countWithin(
      this.waiting.map(({ event }) => event),
      this.limits.maxBatchChars,
    );
    return this.waiting.splice(0, count);
  }
}

/** How many of the first items fit together; at least one. */
export function countWithin(items: readonly { readonly length: number }[], maxChars: number): number {
  let chars = 0;
  for (const [i, item] of items.entries()) {
    chars += item.length;
    if (i > 0 && chars > maxChars) return i;
  }
  return items.length;
}
