// The text format, as Prometheus reads it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MetricsRegistry, registerProcessMetrics } from "./metrics.ts";

test("metrics registry renders counters, histograms and escaped labels", () => {
  const registry = new MetricsRegistry();
  registry.counter("adds_total", "Adds.").inc({ name: 'a"\n' }, 2);
  const latency = registry.histogram("latency_seconds", "Latency.", [0.1, 1]);
  for (const seconds of [0.1, 0.5, 5]) latency.observe(seconds);
  assert.equal(
    registry.render(),
    [
      "# HELP adds_total Adds.",
      "# TYPE adds_total counter",
      'adds_total{name="a\\"\\n"} 2',
      "# HELP latency_seconds Latency.",
      "# TYPE latency_seconds histogram",
      'latency_seconds_bucket{le="0.1"} 1',
      'latency_seconds_bucket{le="1"} 2',
      'latency_seconds_bucket{le="+Inf"} 3',
      "latency_seconds_sum 5.6",
      "latency_seconds_count 3",
      "",
    ].join("\n"),
  );
  assert.throws(() => registry.gauge("adds_total", ""), /registered twice/);
});

test("process metrics call CPU time a counter", () => {
  const registry = new MetricsRegistry();
  registerProcessMetrics(registry, 1000);
  assert.match(registry.render(), /# TYPE process_cpu_seconds_total counter\n/);
  assert.match(registry.render(), /\nprocess_start_time_seconds 1\n/);
});

test("timing histogram counts nanoseconds in the bucket of the value that held", () => {
  let now = 1000;
  const registry = new MetricsRegistry();
  const series = registry.timingHistogram("used", "Part in use.", [0, 0.5, 1], { monotonic: () => now })({ a: "x" });
  series.set(0.4, 1001);
  series.set(2, 1003);
  now = 1007;
  const text = registry.render();
  assert.match(text, /^used_bucket\{a="x",le="0"\} 1000000$/m);
  assert.match(text, /^used_bucket\{a="x",le="0.5"\} 3000000$/m);
  assert.match(text, /^used_bucket\{a="x",le="\+Inf"\} 7000000$/m);
  assert.match(text, /^used_sum\{a="x"\} 8800000$/m);
});
