// Prometheus metrics in the text format: counters, gauges and histograms with a fixed set of label names each.
import { readdirSync } from "node:fs";
import type { Clock } from "./clock.ts";
import { TimedValue } from "./timing-histogram.ts";
import { BUILD_DATE, GIT_COMMIT, GIT_TREE_STATE, GIT_VERSION, MAJOR, MINOR } from "./version.ts";

/** Name to value. All observations of a metric carry the same names in the same order: the text of both is the series' key. */
export type Labels = Readonly<Record<string, string>>;

/** Each series lives as long as the program, so a label's values must be few: never a pod's name. */
interface Metric {
  readonly name: string;
  render(out: string[]): void;
}

export interface Counter {
  /** `by` is not negative: a counter that falls reads as a restart. */
  inc(labels?: Labels, by?: number): void;
  /** One series, for those who count the same often: nothing is looked up any more. */
  of(labels: Labels): { inc(by?: number): void };
}

type ReadSeries = () => Iterable<{ labels?: Labels; value: number }>;

export interface Gauge {
  set(value: number, labels?: Labels): void;
  inc(labels?: Labels, by?: number): void;
}

export interface Histogram {
  observe(value: number, labels?: Labels): void;
  /** As of counters. */
  of(labels: Labels): { observe(value: number): void };
}

/** Upstream's default request-latency buckets (prometheus.DefBuckets), in seconds. */
const LATENCY_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** The metrics of one program. A name can be registered once only: the second time throws. */
export class MetricsRegistry {
  private readonly metrics = new Map<string, Metric>();

  counter(name: string, help: string): Counter {
    const series = new Series(name, help, "counter");
    this.add(series);
    return {
      inc: (labels = {}, by = 1) => series.add(labels, by),
      of: (labels) => {
        const cell = series.cellOf(labels);
        return {
          inc: (by = 1) => {
            cell.value += by;
          },
        };
      },
    };
  }

  gauge(name: string, help: string): Gauge {
    const series = new Series(name, help, "gauge");
    this.add(series);
    return {
      set: (value, labels = {}) => series.set(labels, value),
      inc: (labels = {}, by = 1) => series.add(labels, by),
    };
  }

  /** A gauge whose value is read when metrics are scraped: for what another part counts anyway. */
  observedGauge(name: string, help: string, read: ReadSeries): void {
    this.observed(name, help, "gauge", read);
  }

  /** As `observedGauge`, for sums that only grow. */
  observedCounter(name: string, help: string, read: ReadSeries): void {
    this.observed(name, help, "counter", read);
  }

  private observed(name: string, help: string, kind: "counter" | "gauge", read: ReadSeries): void {
    this.add({
      name,
      render(out) {
        const series = new Series(name, help, kind);
        for (const { labels = {}, value } of read()) series.set(labels, value);
        series.render(out);
      },
    });
  }

  /** `buckets` are upper bounds, growing; what exceeds the last counts in `+Inf` alone. */
  histogram(name: string, help: string, buckets: readonly number[] = LATENCY_BUCKETS): Histogram {
    const histogram = new HistogramSeries(name, help, buckets);
    this.add(histogram);
    return {
      observe: (value, labels = {}) => histogram.observe(histogram.entryOf(labels), value),
      of: (labels) => {
        const entry = histogram.entryOf(labels);
        return { observe: (value) => histogram.observe(entry, value) };
      },
    };
  }

  /** Returns what makes a series; whoever holds one sets its value as it changes. */
  timingHistogram(
    name: string,
    help: string,
    buckets: readonly number[],
    clock: Pick<Clock, "monotonic">,
  ): (labels: Labels) => TimedValue {
    const series: TimedValue[] = [];
    this.add({
      name,
      render(out) {
        out.push(`# HELP ${name} ${help}`, `# TYPE ${name} histogram`);
        for (const value of series) {
          value.account(clock.monotonic());
          renderHistogram(out, name, labelText(value.labels), buckets, value);
        }
      },
    });
    return (labels) => {
      const value = new TimedValue(labels, buckets, clock.monotonic());
      series.push(value);
      return value;
    };
  }

  /** The text exposition format, version 0.0.4. */
  render(): string {
    const out: string[] = [];
    for (const metric of this.metrics.values()) metric.render(out);
    return `${out.join("\n")}\n`;
  }

  private add(metric: Metric): void {
    if (this.metrics.has(metric.name)) throw new Error(`metric ${metric.name} is registered twice`);
    this.metrics.set(metric.name, metric);
  }
}

class Series implements Metric {
  readonly name: string;
  private readonly help: string;
  private readonly kind: "counter" | "gauge";
  private readonly cells = new Map<string, { value: number }>();

  constructor(name: string, help: string, kind: "counter" | "gauge") {
    this.name = name;
    this.help = help;
    this.kind = kind;
  }

  add(labels: Labels, by: number): void {
    this.cellOf(labels).value += by;
  }

  cellOf(labels: Labels): { value: number } {
    const key = labelText(labels);
    const known = this.cells.get(key);
    if (known) return known;
    const made = { value: 0 };
    this.cells.set(key, made);
    return made;
  }

  set(labels: Labels, value: number): void {
    this.cellOf(labels).value = value;
  }

  render(out: string[]): void {
    out.push(`# HELP ${this.name} ${this.help}`, `# TYPE ${this.name} ${this.kind}`);
    for (const [labels, { value }] of this.cells) out.push(`${this.name}${braced(labels)} ${value}`);
  }
}

interface HistogramEntry {
  readonly counts: number[];
  sum: number;
  count: number;
}

class HistogramSeries implements Metric {
  readonly name: string;
  private readonly help: string;
  private readonly buckets: readonly number[];
  /** `counts` are of each bucket alone; they add up only when they are rendered, so that an observation costs one increment. */
  private readonly series = new Map<string, HistogramEntry>();

  constructor(name: string, help: string, buckets: readonly number[]) {
    this.name = name;
    this.help = help;
    this.buckets = buckets;
  }

  entryOf(labels: Labels): HistogramEntry {
    const key = labelText(labels);
    const known = this.series.get(key);
    if (known) return known;
    const made = { counts: new Array<number>(this.buckets.length).fill(0), sum: 0, count: 0 };
    this.series.set(key, made);
    return made;
  }

  observe(entry: HistogramEntry, value: number): void {
    entry.sum += value;
    entry.count += 1;
    const bucket = this.buckets.findIndex((limit) => value <= limit);
    if (bucket >= 0) entry.counts[bucket] = (entry.counts[bucket] ?? 0) + 1;
  }

  render(out: string[]): void {
    out.push(`# HELP ${this.name} ${this.help}`, `# TYPE ${this.name} histogram`);
    for (const [labels, entry] of this.series) renderHistogram(out, this.name, labels, this.buckets, entry);
  }
}

function renderHistogram(
  out: string[],
  name: string,
  labels: string,
  buckets: readonly number[],
  { counts, sum, count }: { readonly counts: readonly number[]; readonly sum: number; readonly count: number },
): void {
  const prefix = labels ? `${labels},` : "";
  let cumulative = 0;
  buckets.forEach((limit, index) => {
    cumulative += counts[index] ?? 0;
    out.push(`${name}_bucket{${prefix}le="${limit}"} ${cumulative}`);
  });
  out.push(`${name}_bucket{${prefix}le="+Inf"} ${count}`);
  out.push(`${name}_sum${braced(labels)} ${sum}`, `${name}_count${braced(labels)} ${count}`);
}

function braced(labels: string): string {
  return labels ? `{${labels}}` : "";
}

/** Labels whose text is made once, for those who count the same often. They must not be changed any more. */
export function keptLabels(labels: Labels): Labels {
  keptTexts.set(labels, labelText(labels));
  return labels;
}

const keptTexts = new WeakMap<Labels, string>();

function labelText(labels: Labels): string {
  const kept = keptTexts.get(labels);
  if (kept !== undefined) return kept;
  let text = "";
  for (const name in labels) text += `${text ? "," : ""}${name}="${escapeLabel(labels[name] ?? "")}"`;
  return text;
}

function escapeLabel(value: string): string {
  return /["\\\n]/.test(value) ? value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n") : value;
}

/** Upstream's process_* figures. */
export function registerProcessMetrics(registry: MetricsRegistry, startEpochMs: number): void {
  const one = (value: number) => [{ value }];
  registry.observedGauge("process_start_time_seconds", "Start time since the Unix epoch.", () =>
    one(startEpochMs / 1000),
  );
  registry.observedGauge("process_resident_memory_bytes", "Resident memory.", () => one(process.memoryUsage.rss()));
  registry.observedGauge("process_open_fds", "Number of open file descriptors.", () =>
    one(readdirSync("/proc/self/fd").length),
  );
  registry.observedGauge("kubernetes_build_info", "The version of the program, as labels.", () => [
    { labels: BUILD_LABELS, value: 1 },
  ]);
  registry.observedCounter("process_cpu_seconds_total", "User and system CPU time spent.", () => {
    // Microseconds.
    const { user, system } = process.cpuUsage();
    return one((user + system) / 1e6);
  });
}

const BUILD_LABELS: Labels = {
  build_date: BUILD_DATE,
  compiler: "v8",
  git_commit: GIT_COMMIT,
  git_tree_state: GIT_TREE_STATE,
  git_version: GIT_VERSION,
  go_version: `node ${process.version}`,
  major: MAJOR,
  minor: MINOR,
  platform: `${process.platform}/${process.arch === "x64" ? "amd64" : process.arch}`,
};
