// Fair queues: who waits takes turns by the service that his queue has had, whatever the number of his requests.
import type { WorkEstimate } from "./estimate-work.ts";

/** A request that waits. */
export interface Waiter {
  /** What it will hold. */
  readonly seats: number;
  readonly estimate: WorkEstimate;
  /** What the dumps tell. */
  readonly schema: string;
  readonly distinguisher: string;
  readonly arrivedMs: number;
}

export interface Queue<W extends Waiter> {
  readonly index: number;
  readonly waiters: W[];
  /** Seats of the requests that came out of it and still run. */
  seatsInUse: number;
  running: number;
  /** When its next request would start if all queues were served at once: in seat-milliseconds of service. */
  nextStart: number;
}

/** How long a request is believed to run until it has: upstream's 3 ms. */
const GUESS_MS = 3;

export class FairQueues<W extends Waiter> {
  private readonly queues = new Map<number, Queue<W>>();
  /** Service up to which all queues have been served; a queue that becomes busy starts here, not in its idle past. */
  private virtualTime = 0;
  waiting = 0;
  waitingSeats = 0;

  /** The least burdened of a hand; undefined when that one is full. */
  choose(hand: readonly number[], lengthLimit: number): Queue<W> | undefined {
    const queues = hand.map((index) => this.queueAt(index));
    const chosen = queues.reduce((best, queue) => (burdenOf(queue) < burdenOf(best) ? queue : best));
    return chosen.waiters.length < lengthLimit ? chosen : undefined;
  }

  push(queue: Queue<W>, waiter: W): void {
    if (queue.waiters.length === 0 && queue.running === 0) {
      queue.nextStart = Math.max(queue.nextStart, this.virtualTime);
    }
    queue.waiters.push(waiter);
    this.count(waiter, 1);
  }

  /** Whose turn it is, without taking it. */
  next(): { readonly queue: Queue<W>; readonly waiter: W } | undefined {
    let best: Queue<W> | undefined;
    for (const queue of this.queues.values()) {
      if (queue.waiters.length > 0 && (!best || queue.nextStart < best.nextStart)) best = queue;
    }
    const waiter = best?.waiters[0];
    return best && waiter && { queue: best, waiter };
  }

  /** Takes the turn: the queue pays for the time that a request is believed to take. */
  start(queue: Queue<W>): void {
    const waiter = queue.waiters.shift();
    if (!waiter) return;
    this.count(waiter, -1);
    this.virtualTime = Math.max(this.virtualTime, queue.nextStart);
    queue.nextStart += workOf(waiter);
    queue.seatsInUse += waiter.seats;
    queue.running += 1;
  }

  /** Corrects the payment. */
  finish(queue: Queue<W>, seats: number, tookMs: number): void {
    queue.nextStart += seats * (tookMs - GUESS_MS);
    queue.running -= 1;
  }

  /** Its seats are free, which may be later; forgets a queue that nobody is in. */
  release(queue: Queue<W>, seats: number): void {
    queue.seatsInUse -= seats;
    this.forgetIdle(queue);
  }

  /** False when it has left already. */
  remove(queue: Queue<W>, waiter: W): boolean {
    const at = queue.waiters.indexOf(waiter);
    if (at < 0) return false;
    queue.waiters.splice(at, 1);
    this.count(waiter, -1);
    this.forgetIdle(queue);
    return true;
  }

  /** Undefined for one that is not in use. */
  at(index: number): Queue<W> | undefined {
    return this.queues.get(index);
  }

  /** Those in use, for the dumps. */
  list(): Queue<W>[] {
    return [...this.queues.values()].sort((a, b) => a.index - b.index);
  }

  private queueAt(index: number): Queue<W> {
    const known = this.queues.get(index);
    if (known) return known;
    const made = { index, waiters: [], seatsInUse: 0, running: 0, nextStart: this.virtualTime };
    this.queues.set(index, made);
    return made;
  }

  private forgetIdle(queue: Queue<W>): void {
    // One that has had more than its part stays until the others have caught up.
    const isAhead = this.waiting > 0 && queue.nextStart > this.virtualTime;
    if (queue.waiters.length === 0 && queue.seatsInUse === 0 && !isAhead) this.queues.delete(queue.index);
  }

  private count({ seats }: W, by: 1 | -1): void {
    this.waiting += by;
    this.waitingSeats += by * seats;
  }
}

/** In seat-milliseconds, as far as it is known beforehand. */
export function workOf({ estimate: { seats, finalSeats, lingerMs } }: Waiter): number {
  return seats * GUESS_MS + finalSeats * lingerMs;
}

function burdenOf<W extends Waiter>({ waiters, seatsInUse }: Queue<W>): number {
  return waiters.reduce((sum, { seats }) => sum + seats, seatsInUse);
}
