// The memory that request bodies may take together: who finds no room waits, users taking turns.
import { type ApiError, tooManyRequests } from "@skiff/api/errors.ts";

/** Bounds in bytes, and of how many may wait. */
export interface ByteBudgetOptions {
  readonly total: number;
  /** Of one user while others want room too; a single body may exceed it. */
  readonly perOwner: number;
  readonly maxWaiting: number;
}

/** Room that was taken, given back once. */
export interface Room {
  /** The body was shorter than feared. */
  shrink(bytes: number): void;
  release(): void;
}

interface Waiter {
  readonly bytes: number;
  start(): void;
}

export class ByteBudget {
  private readonly options: ByteBudgetOptions;
  private readonly taken = new Map<string, number>();
  /** In the order of their turns. */
  private readonly queues = new Map<string, Waiter[]>();
  private used = 0;
  private waiting = 0;

  constructor(options: ByteBudgetOptions) {
    this.options = options;
  }

  /** Bytes that are taken, and requests that wait, for metrics. */
  get state(): { readonly used: number; readonly waiting: number } {
    return { used: this.used, waiting: this.waiting };
  }

  /** At once where there is room. Rejects with 429 when too many wait already, with the signal's reason when that aborts. */
  take(owner: string, bytes: number, signal: () => AbortSignal): Room | Promise<Room> {
    if (this.waiting === 0 && this.fits(owner, bytes)) return this.enter(owner, bytes);
    if (this.waiting >= this.options.maxWaiting) return Promise.reject(refusal());
    return this.wait(owner, bytes, signal());
  }

  private fits(owner: string, bytes: number): boolean {
    const { total, perOwner } = this.options;
    const own = this.taken.get(owner) ?? 0;
    return (this.used + bytes <= total || this.used === 0) && (own + bytes <= perOwner || own === 0);
  }

  private enter(owner: string, bytes: number): Room {
    let held = bytes;
    this.add(owner, bytes);
    const giveBack = (by: number) => {
      if (by <= 0) return;
      held -= by;
      this.add(owner, -by);
      if (this.waiting > 0) this.admit();
    };
    return { shrink: (to) => giveBack(held - to), release: () => giveBack(held) };
  }

  private add(owner: string, bytes: number): void {
    this.used += bytes;
    const own = (this.taken.get(owner) ?? 0) + bytes;
    if (own > 0) this.taken.set(owner, own);
    else this.taken.delete(owner);
  }

  private wait(owner: string, bytes: number, signal: AbortSignal): Promise<Room> {
    return new Promise((resolve, reject) => {
      const queue = this.queues.get(owner) ?? [];
      const leave = () => {
        this.waiting -= 1;
        signal.removeEventListener("abort", onAbort);
      };
      const waiter: Waiter = {
        bytes,
        start: () => {
          leave();
          resolve(this.enter(owner, bytes));
        },
      };
      const onAbort = () => {
        queue.splice(queue.indexOf(waiter), 1);
        if (queue.length === 0) this.queues.delete(owner);
        leave();
        reject(signal.reason);
        this.admit();
      };
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      queue.push(waiter);
      this.queues.set(owner, queue);
      this.waiting += 1;
      this.admit();
    });
  }

  /** One of each user whose turn has come and who fits; he then goes to the end of the line. */
  private admit(): void {
    for (let found = true; found; ) {
      found = false;
      for (const [owner, queue] of [...this.queues]) {
        const [next] = queue;
        if (!next || !this.fits(owner, next.bytes)) continue;
        queue.shift();
        this.queues.delete(owner);
        if (queue.length > 0) this.queues.set(owner, queue);
        next.start();
        found = true;
      }
    }
  }
}

function refusal(): ApiError {
  return tooManyRequests("too many request bodies are waiting to be read, please try again later.", 1);
}
