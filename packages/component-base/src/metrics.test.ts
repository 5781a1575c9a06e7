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
