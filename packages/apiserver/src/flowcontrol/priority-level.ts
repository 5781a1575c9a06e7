// One priority level: its seats, and the queues of those who wait for one.
import { type ApiError, tooManyRequests } from "@skiff/api/errors.ts";
import type { PriorityLevelConfiguration } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { LevelLimits, LevelShares, SeatDemand } from "./concurrency.ts";
import { smoothDemand } from "./concurrency.ts";
import { DemandMeter } from "./demand-meter.ts";
import { FairQueues, type Queue, type Waiter } from "./fair-queues.ts";
import type { Flow, Place, RejectReason, RequestKind } from "./flow.ts";
import { dealHand } from "./shuffle-shard.ts";

/** A request as the levels see it. */
export interface FlowRequest {
  readonly kind: RequestKind;
  readonly seats: number;
  readonly distinguisher: string;
  /** Aborts when the client has left. */
  readonly signal: AbortSignal;
}

interface WaitingRequest extends Waiter {
  start(): void;
}

interface Queuing {
  readonly queues: number;
  readonly handSize: number;
  readonly queueLengthLimit: number;
}

export class PriorityLevel {
  readonly name: string;
  readonly fair = new FairQueues<WaitingRequest>();
  uid = "";
  isExempt = false;
  shares: LevelShares = { shares: 0, lendablePercent: 0, borrowingLimitPercent: undefined };
  limits: LevelLimits = { nominal: 0, lower: 0, upper: 0 };
  /** Seats at present, after lending and borrowing. */
  limit = 0;
  demand: SeatDemand = { highWatermark: 0, average: 0, deviation: 0 };
  smoothed = 0;
  seatsInUse = 0;
  private queuing: Queuing | undefined;
  private readonly meter: DemandMeter;
  private readonly clock: Clock;
  private readonly waitLimitMs: number;
  private readonly onWaited: (flow: Flow, seconds: number, executed: boolean) => void;

  constructor(
    name: string,
    deps: {
      readonly clock: Clock;
      readonly waitLimitMs: number;
      onWaited(flow: Flow, seconds: number, executed: boolean): void;
    },
  ) {
    this.name = name;
    this.clock = deps.clock;
    this.waitLimitMs = deps.waitLimitMs;
    this.onWaited = (flow, seconds, executed) => deps.onWaited(flow, seconds, executed);
    this.meter = new DemandMeter(deps.clock.monotonic());
  }

  configure({ metadata, spec }: Readonly<PriorityLevelConfiguration>): void {
    this.uid = metadata.uid ?? "";
    this.isExempt = spec?.type === "Exempt";
    const limited = spec?.limited;
    const shares = limited ?? spec?.exempt;
    this.shares = {
      shares: shares?.nominalConcurrencyShares ?? 0,
      lendablePercent: shares?.lendablePercent ?? 0,
      borrowingLimitPercent: limited?.borrowingLimitPercent,
    };
    const queuing = limited?.limitResponse?.type === "Queue" ? limited.limitResponse.queuing : undefined;
    const { queues = 64, handSize = 8, queueLengthLimit = 50 } = queuing ?? {};
    this.queuing = queuing && { queues, handSize: Math.min(handSize, queues), queueLengthLimit };
  }

  setLimit(limit: number): void {
    this.limit = limit;
    this.dispatch();
  }

  /** Ends a period of watching the demand. */
  review(): void {
    this.demand = this.meter.reset(this.clock.monotonic());
    this.smoothed = smoothDemand(this.smoothed, this.demand);
  }

  /** At once where there is room and nobody waits: that way costs a few additions. Undefined for those who must wait. */
  enterAtOnce(flow: Flow, kind: RequestKind, seats: number): Place | undefined {
    if (!this.isExempt && (this.fair.waiting > 0 || !this.hasRoom(seats))) return undefined;
    this.take(seats);
    flow.begin(kind, seats);
    return seats === 1 ? flow.places[kind] : { leave: () => flow.end(kind, seats) };
  }

  /** Throws or rejects with 429. */
  enterQueue(flow: Flow, request: FlowRequest): Promise<Place> {
    if (!this.queuing) throw this.reject(flow, "concurrency-limit");
    return this.wait(flow, request, this.queuing);
  }

  /** A request that ran has ended. */
  release(seats: number): void {
    this.seatsInUse -= seats;
    if (this.isExempt) return;
    this.measure();
    if (this.fair.waiting > 0) this.dispatch();
  }

  private wait(flow: Flow, request: FlowRequest, { queues, handSize, queueLengthLimit }: Queuing): Promise<Place> {
    const { kind, seats, distinguisher, signal } = request;
    const schema = flow.schema.metadata.name;
    const queue = this.fair.choose(dealHand(schema, distinguisher, queues, handSize), queueLengthLimit);
    if (!queue) throw this.reject(flow, "queue-full");
    const arrivedAt = this.clock.monotonic();
    return new Promise((resolve, reject) => {
      const settle = (executed: boolean) => {
        timer[Symbol.dispose]();
        signal.removeEventListener("abort", onAbort);
        flow.waiting -= 1;
        flow.waitingSeats -= seats;
        this.onWaited(flow, (this.clock.monotonic() - arrivedAt) / 1000, executed);
      };
      const start = () => {
        settle(true);
        this.take(seats);
        flow.begin(kind, seats);
        resolve(this.queuedPlace(flow, queue, kind, seats));
      };
      const waiter: WaitingRequest = { seats, schema, distinguisher, arrivedMs: this.clock.now(), start };
      const giveUp = (reason: RejectReason) => {
        if (!this.fair.remove(queue, waiter)) return;
        settle(false);
        this.measure();
        reject(this.reject(flow, reason));
        // Whoever comes next may need fewer seats.
        this.dispatch();
      };
      const onAbort = () => giveUp("cancelled");
      const timer = this.clock.after(this.waitLimitMs, () => giveUp("time-out"));
      signal.addEventListener("abort", onAbort, { once: true });
      flow.waiting += 1;
      flow.waitingSeats += seats;
      this.fair.push(queue, waiter);
      this.measure();
      this.dispatch();
    });
  }

  private queuedPlace(flow: Flow, queue: Queue<WaitingRequest>, kind: RequestKind, seats: number): Place {
    const startedAt = this.clock.monotonic();
    return {
      leave: () => {
        this.fair.finish(queue, seats, this.clock.monotonic() - startedAt);
        flow.end(kind, seats);
      },
    };
  }

  private dispatch(): void {
    for (let turn = this.fair.next(); turn && this.hasRoom(turn.waiter.seats); turn = this.fair.next()) {
      this.fair.start(turn.queue);
      turn.waiter.start();
    }
  }

  /** What wants more seats than there are runs alone. */
  private hasRoom(seats: number): boolean {
    return this.seatsInUse + seats <= this.limit || (this.seatsInUse === 0 && this.limit > 0);
  }

  private take(seats: number): void {
    this.seatsInUse += seats;
    if (!this.isExempt) this.measure();
  }

  private measure(): void {
    this.meter.set(this.seatsInUse + this.fair.waitingSeats, this.clock.monotonic());
  }

  private reject(flow: Flow, reason: RejectReason): ApiError {
    flow.rejected[reason] += 1;
    return tooManyRequests("Too many requests, please try again later.", RETRY_AFTER_SECONDS);
  }
}

const RETRY_AFTER_SECONDS = 1;
