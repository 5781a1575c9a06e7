// One priority level: its seats, and the queues of those who wait for one.
import { type ApiError, tooManyRequests } from "@skiff/api/errors.ts";
import type { PriorityLevelConfiguration } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { UserInfo } from "../authn/authenticator.ts";
import type { RequestInfo } from "../http/request-info.ts";
import { type LevelLimits, type LevelShares, type SeatDemand, smoothDemand } from "./concurrency.ts";
import { DemandMeter } from "./demand-meter.ts";
import { heldSeats } from "./estimate-work.ts";
import { FairQueues, type Waiter } from "./fair-queues.ts";
import type { Flow, Place, RejectReason } from "./flow.ts";
import type { FlowMetrics, LevelGauges } from "./flow-metrics.ts";
import { RetryAfter } from "./retry-after.ts";
import { type AdmittedRequest, RunningRequest, type SeatOwner } from "./running-request.ts";
import { dealHand } from "./shuffle-shard.ts";

/** One that may have to wait. */
export interface FlowRequest extends AdmittedRequest {
  readonly distinguisher: string;
  readonly waitLimitMs: number;
  /** Aborts when the client has left. */
  readonly signal: AbortSignal;
}

interface WaitingRequest extends Waiter {
  readonly info: RequestInfo;
  readonly user: UserInfo;
  start(): void;
}

interface Queuing {
  readonly queues: number;
  readonly handSize: number;
  readonly queueLengthLimit: number;
}

export class PriorityLevel implements SeatOwner {
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
  /** What lending aims at. */
  target = 0;
  seatsInUse = 0;
  /** Seats may be held longer than they run. */
  readonly running = new Set<RunningRequest>();
  readonly clock: Clock;
  private readonly retryAfter = new RetryAfter();
  private queuing: Queuing | undefined;
  private readonly meter: DemandMeter;
  private readonly metrics: FlowMetrics;
  private readonly gauges: LevelGauges;

  constructor(name: string, deps: { readonly clock: Clock; readonly metrics: FlowMetrics }) {
    this.name = name;
    this.clock = deps.clock;
    this.metrics = deps.metrics;
    this.gauges = deps.metrics.gaugesOf(name);
    this.meter = new DemandMeter(deps.clock.monotonic());
  }

  /** The most seats of one request: a wide one keeps all others out while seats are gathered for it. */
  get maxSeats(): number {
    if (!this.queuing) return Number.POSITIVE_INFINITY;
    const { nominal } = this.limits;
    return Math.max(1, Math.min(Math.ceil(nominal * MAX_SEATS_SHARE), Math.floor(nominal / this.queuing.handSize)));
  }

  /** How many may wait. */
  get queueCapacity(): number {
    return this.queuing ? this.queuing.queues * this.queuing.queueLengthLimit : 1;
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
    this.measure();
    this.dispatch();
  }

  /** Ends a period of watching the demand. */
  review(): void {
    this.demand = this.meter.reset(this.clock.monotonic());
    this.smoothed = smoothDemand(this.smoothed, this.demand);
  }

  /** At once where there is room and nobody waits. Undefined for those who must wait. */
  enterAtOnce(request: AdmittedRequest): Place | undefined {
    const seats = heldSeats(request.estimate);
    if (!this.isExempt && (this.fair.waiting > 0 || !this.hasRoom(seats))) return undefined;
    return this.begin(request, -1, 0);
  }

  /** Throws or rejects with 429. */
  enterQueue(request: FlowRequest): Promise<Place> {
    if (!this.queuing) throw this.reject(request.flow, "concurrency-limit");
    return this.wait(request, this.queuing);
  }

  ended(running: RunningRequest, seconds: number): void {
    const { flow, kind, isWatch, estimate } = running.request;
    flow.running[kind] -= 1;
    this.metrics.changed("executing", kind, -1);
    this.running.delete(running);
    this.metrics.executed(flow, seconds, isWatch);
    const queue = this.fair.at(running.queueIndex);
    if (queue) this.fair.finish(queue, estimate.seats, seconds * 1000);
  }

  released({ request: { flow, estimate }, queueIndex }: RunningRequest): void {
    const seats = heldSeats(estimate);
    flow.runningSeats -= seats;
    this.seatsInUse -= seats;
    const queue = this.fair.at(queueIndex);
    if (queue) this.fair.release(queue, seats);
    this.measure();
    if (this.fair.waiting > 0) this.dispatch();
  }

  private begin(request: AdmittedRequest, queueIndex: number, waitedMs: number): RunningRequest {
    const { flow, kind, estimate } = request;
    const seats = heldSeats(estimate);
    flow.dispatched += 1;
    flow.running[kind] += 1;
    this.metrics.changed("executing", kind, 1);
    flow.runningSeats += seats;
    this.seatsInUse += seats;
    const running = new RunningRequest(this, request, queueIndex, waitedMs);
    this.running.add(running);
    this.measure();
    return running;
  }

  private wait(request: FlowRequest, { queues, handSize, queueLengthLimit }: Queuing): Promise<Place> {
    const { flow, kind, estimate, distinguisher, signal, info, user } = request;
    const seats = heldSeats(estimate);
    const schema = flow.schema.metadata.name;
    const queue = this.fair.choose(dealHand(schema, distinguisher, queues, handSize), queueLengthLimit);
    if (!queue) throw this.reject(flow, "queue-full");
    const arrivedAt = this.clock.monotonic();
    return new Promise((resolve, reject) => {
      const settle = (executed: boolean): number => {
        timer[Symbol.dispose]();
        signal.removeEventListener("abort", onAbort);
        flow.waiting[kind] -= 1;
        this.metrics.changed("waiting", kind, -1);
        flow.waitingSeats -= seats;
        const waitedMs = this.clock.monotonic() - arrivedAt;
        this.metrics.waited(flow, waitedMs / 1000, executed);
        return waitedMs;
      };
      const start = () => resolve(this.begin(request, queue.index, settle(true)));
      const arrivedMs = this.clock.now();
      const waiter: WaitingRequest = { seats, estimate, schema, distinguisher, arrivedMs, info, user, start };
      const giveUp = (reason: RejectReason) => {
        if (!this.fair.remove(queue, waiter)) return;
        settle(false);
        this.measure();
        reject(this.reject(flow, reason));
        // Whoever comes next may need fewer seats.
        this.dispatch();
      };
      const onAbort = () => giveUp("cancelled");
      const timer = this.clock.after(request.waitLimitMs, () => giveUp("time-out"));
      signal.addEventListener("abort", onAbort, { once: true });
      flow.waiting[kind] += 1;
      this.metrics.changed("waiting", kind, 1);
      flow.waitingSeats += seats;
      this.fair.push(queue, waiter);
      this.metrics.enqueued(flow, queue.waiters.length);
      this.measure();
      this.dispatch();
    });
  }

  private dispatch(): void {
    for (let turn = this.fair.next(); turn; turn = this.fair.next()) {
      if (!this.hasRoom(turn.waiter.seats)) {
        this.metrics.notAccommodated(turn.waiter.schema, this.name);
        return;
      }
      this.fair.start(turn.queue);
      turn.waiter.start();
    }
  }

  /** What wants more seats than there are runs alone. */
  private hasRoom(seats: number): boolean {
    return this.seatsInUse + seats <= this.limit || (this.seatsInUse === 0 && this.limit > 0);
  }

  private measure(): void {
    const now = this.clock.monotonic();
    this.meter.set(this.seatsInUse + this.fair.waitingSeats, now);
    this.gauges.set(this, now);
  }

  private reject(flow: Flow, reason: RejectReason): ApiError {
    flow.rejected[reason] += 1;
    this.retryAfter.record(Math.floor(this.clock.now() / 1000));
    return tooManyRequests("Too many requests, please try again later.", this.retryAfter.seconds);
  }
}

/** Upstream's part of a level's seats. */
const MAX_SEATS_SHARE = 0.15;
