// Upstream's metrics of priority and fairness, but for those of its own way of reckoning virtual time.
import type { Clock } from "@skiff/component-base/clock.ts";
import { type Histogram, keptLabels, type Labels, type MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { TimedValue } from "@skiff/component-base/timing-histogram.ts";
import { HighWater } from "../filters/high-water.ts";
import type { Flow, RequestKind } from "./flow.ts";

const PREFIX = "apiserver_flowcontrol_";
// All of these are upstream's.
const SECONDS = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30];
const QUEUE_LENGTHS = [0, 10, 25, 50, 100, 250, 500, 1000];
const WATCHERS = [0, 1, 10, 100, 1000, 10_000];
const SEATS = [1, 2, 4, 8, 16, 32, 64, 100];
const UTILIZATION = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1];
const REQUEST_UTILIZATION = [0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 1];
const READ_VS_WRITE = [0, 0.001, 0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1];
const DEMAND = [0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.7, 2, 2.8, 4, 6];

type Phase = "executing" | "waiting";

interface KindGauge {
  readonly high: HighWater;
  readonly ratio: TimedValue;
}

type Observe = ReturnType<Histogram["of"]>;

interface FlowSeries {
  readonly seats: Observe;
  readonly watchers: Observe;
  readonly regular: Observe;
  readonly watches: Observe;
}

/** What of a level its gauges show. */
interface LevelFigures {
  readonly running: { readonly size: number };
  readonly fair: { readonly waiting: number; readonly waitingSeats: number };
  readonly seatsInUse: number;
  readonly limit: number;
  readonly queueCapacity: number;
}

/** Of one priority level; survives the level, as a level that comes back goes on counting. */
export interface LevelGauges {
  set(figures: LevelFigures, nowMs: number): void;
}

/** What happens to requests, told as it does; what can be read when scraped is in `observe-flows.ts`. */
export class FlowMetrics {
  private readonly waits: Histogram;
  private readonly executions: Histogram;
  private readonly queueLengths: Histogram;
  private readonly watchers: Histogram;
  private readonly seats: Histogram;
  private readonly unaccommodated: (labels: Labels) => void;
  private readonly levels = new Map<string, LevelGauges>();
  private readonly flows = new WeakMap<Flow, FlowSeries>();
  private readonly makeGauges: (name: string) => LevelGauges;
  private readonly phases: Readonly<Record<Phase, Readonly<Record<RequestKind, KindGauge>>>>;
  private readonly clock: Clock;
  private readonly serverConcurrency: number;
  /** Of all queues together. */
  private capacity = 1;

  constructor(metrics: MetricsRegistry, clock: Clock, serverConcurrency: number) {
    const histogram = (name: string, help: string, buckets: readonly number[]) =>
      metrics.histogram(`${PREFIX}${name}`, help, buckets);
    this.waits = histogram(
      "request_wait_duration_seconds",
      "Length of time a request spent waiting in its queue",
      SECONDS,
    );
    this.executions = histogram(
      "request_execution_seconds",
      "Time that a request (of a watch: its beginning) took once it had its seats",
      SECONDS,
    );
    this.queueLengths = histogram(
      "request_queue_length_after_enqueue",
      "Length of a queue as each request saw it after joining",
      QUEUE_LENGTHS,
    );
    this.watchers = histogram("watch_count_samples", "Watches that a writing request may wake", WATCHERS);
    this.seats = histogram("work_estimated_seats", "The most seats that a request was estimated to take", SEATS);
    const unaccommodated = metrics.counter(
      `${PREFIX}request_dispatch_no_accommodation_total`,
      "Times that the next request had to wait on for lack of seats",
    );
    this.unaccommodated = (labels) => unaccommodated.inc(labels);
    this.makeGauges = levelGauges(metrics, clock, serverConcurrency);
    this.clock = clock;
    this.serverConcurrency = serverConcurrency;
    const series = metrics.timingHistogram(
      `${PREFIX}read_vs_write_current_requests`,
      "Reading and writing requests that wait or run, as a part of what may, at each nanosecond",
      READ_VS_WRITE,
      clock,
    );
    const gauge = (phase: Phase, request_kind: RequestKind): KindGauge => ({
      high: new HighWater(clock),
      ratio: series(keptLabels({ phase, request_kind })),
    });
    const both = (phase: Phase) => ({ readOnly: gauge(phase, "readOnly"), mutating: gauge(phase, "mutating") });
    this.phases = { executing: both("executing"), waiting: both("waiting") };
  }

  gaugesOf(level: string): LevelGauges {
    const known = this.levels.get(level) ?? this.makeGauges(level);
    this.levels.set(level, known);
    return known;
  }

  private seriesOf(flow: Flow): FlowSeries {
    const known = this.flows.get(flow);
    if (known) return known;
    const { labels } = flow;
    const made: FlowSeries = {
      seats: this.seats.of(labels),
      watchers: this.watchers.of(labels),
      regular: this.executions.of({ ...labels, type: "regular" }),
      watches: this.executions.of({ ...labels, type: "watch" }),
    };
    this.flows.set(flow, made);
    return made;
  }

  setCapacity(capacity: number): void {
    this.capacity = Math.max(1, capacity);
  }

  changed(phase: Phase, kind: RequestKind, by: 1 | -1): void {
    const { high, ratio } = this.phases[phase][kind];
    const most = phase === "executing" ? this.serverConcurrency : this.capacity;
    ratio.set(high.add(by) / most, this.clock.monotonic());
  }

  /** The most at once in the last second. */
  highest(phase: Phase): Readonly<Record<RequestKind, number>> {
    const { readOnly, mutating } = this.phases[phase];
    return { readOnly: readOnly.high.read(), mutating: mutating.high.read() };
  }

  estimated(flow: Flow, seats: number): void {
    this.seriesOf(flow).seats.observe(seats);
  }

  watchersCounted(flow: Flow, count: number): void {
    this.seriesOf(flow).watchers.observe(count);
  }

  executed(flow: Flow, seconds: number, isWatch: boolean): void {
    const { watches, regular } = this.seriesOf(flow);
    (isWatch ? watches : regular).observe(seconds);
  }

  waited(flow: Flow, seconds: number, executed: boolean): void {
    this.waits.observe(seconds, { ...flow.labels, execute: String(executed) });
  }

  enqueued(flow: Flow, queueLength: number): void {
    this.queueLengths.observe(queueLength, flow.labels);
  }

  notAccommodated(schema: string, level: string): void {
    this.unaccommodated({ flow_schema: schema, priority_level: level });
  }
}

/** The ratios that hold at each moment, as histograms over time. */
function levelGauges(metrics: MetricsRegistry, clock: Clock, serverConcurrency: number): (name: string) => LevelGauges {
  const seats = metrics.timingHistogram(
    `${PREFIX}priority_level_seat_utilization`,
    "Part of a level's seats in use, at each nanosecond",
    UTILIZATION,
    clock,
  );
  const requests = metrics.timingHistogram(
    `${PREFIX}priority_level_request_utilization`,
    "Requests that wait or run, as a part of what may, at each nanosecond",
    REQUEST_UTILIZATION,
    clock,
  );
  const demand = metrics.timingHistogram(
    `${PREFIX}demand_seats`,
    "Seats that a level could use, as a part of those that it has, at each nanosecond",
    DEMAND,
    clock,
  );
  // For levels without seats, which exempt is: something to divide by.
  const withoutSeats = Math.max(1, Math.round(serverConcurrency / 10));
  return (name) => {
    const level = { priority_level: name };
    const series = (phase: string) => requests(keptLabels({ phase, ...level }));
    const [inUse, wanted] = [seats(keptLabels({ phase: "executing", ...level })), demand(keptLabels(level))];
    const [executing, waiting]: [TimedValue, TimedValue] = [series("executing"), series("waiting")];
    return {
      set({ running, fair, seatsInUse, limit, queueCapacity }, nowMs) {
        const available = limit > 0 ? limit : withoutSeats;
        inUse.set(seatsInUse / available, nowMs);
        wanted.set((seatsInUse + fair.waitingSeats) / available, nowMs);
        executing.set(running.size / available, nowMs);
        waiting.set(fair.waiting / queueCapacity, nowMs);
      },
    };
  };
}
