// Upstream's metrics of priority and fairness. All but the waits are read when scraped, so that requests pay nothing for them.
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { Flow } from "./flow.ts";
import type { FlowController } from "./flow-controller.ts";
import type { PriorityLevel } from "./priority-level.ts";

const PREFIX = "apiserver_flowcontrol_";

/** Returns what to call when a request has waited. */
export function registerFlowMetrics(
  metrics: MetricsRegistry,
  controller: FlowController,
): (flow: Flow, seconds: number, executed: boolean) => void {
  registerFlows(metrics, controller);
  registerLevels(metrics, controller);
  metrics.observedGauge(
    `${PREFIX}seat_fair_frac`,
    "Fair fraction of server's concurrency to allocate to each level",
    () => [{ value: controller.fairFraction }],
  );
  const waits = metrics.histogram(
    `${PREFIX}request_wait_duration_seconds`,
    "Length of time a request spent waiting in its queue",
  );
  return (flow, seconds, executed) => waits.observe(seconds, { ...labelsOf(flow), execute: String(executed) });
}

function registerFlows(metrics: MetricsRegistry, controller: FlowController): void {
  const perFlow = (read: (flow: Flow) => number) => () =>
    controller.schemas.map((flow) => ({ labels: labelsOf(flow), value: read(flow) }));
  metrics.observedCounter(
    `${PREFIX}dispatched_requests_total`,
    "Number of requests executed by API Priority and Fairness subsystem",
    perFlow(({ dispatched }) => dispatched),
  );
  metrics.observedCounter(
    `${PREFIX}rejected_requests_total`,
    "Number of requests rejected by API Priority and Fairness subsystem",
    () =>
      controller.schemas.flatMap((flow) =>
        Object.entries(flow.rejected).flatMap(([reason, value]) =>
          value > 0 ? [{ labels: { ...labelsOf(flow), reason }, value }] : [],
        ),
      ),
  );
  const gauges: readonly [string, string, (flow: Flow) => number][] = [
    [
      "current_executing_requests",
      "Number of requests in execution",
      ({ running }) => running.readOnly + running.mutating,
    ],
    [
      "current_executing_seats",
      "Concurrency (number of seats) occupied by requests in execution",
      (f) => f.runningSeats,
    ],
    ["current_inqueue_requests", "Number of requests currently pending in queues", ({ waiting }) => waiting],
    ["current_inqueue_seats", "Number of seats currently pending in queues", ({ waitingSeats }) => waitingSeats],
  ];
  for (const [name, help, read] of gauges) metrics.observedGauge(`${PREFIX}${name}`, help, perFlow(read));
}

function registerLevels(metrics: MetricsRegistry, controller: FlowController): void {
  const gauges: readonly [string, string, (level: PriorityLevel) => number][] = [
    [
      "nominal_limit_seats",
      "Nominal number of execution seats configured for each priority level",
      (l) => l.limits.nominal,
    ],
    ["lower_limit_seats", "Configured lower bound on number of execution seats", ({ limits }) => limits.lower],
    ["upper_limit_seats", "Configured upper bound on number of execution seats", ({ limits }) => limits.upper],
    ["current_limit_seats", "Current derived number of execution seats available", ({ limit }) => limit],
    ["demand_seats_high_watermark", "High watermark of demand for seats", ({ demand }) => demand.highWatermark],
    ["demand_seats_average", "Time-weighted average of demand for seats", ({ demand }) => demand.average],
    ["demand_seats_stdev", "Time-weighted standard deviation of demand for seats", ({ demand }) => demand.deviation],
    ["demand_seats_smoothed", "Smoothed seat demands", ({ smoothed }) => smoothed],
  ];
  for (const [name, help, read] of gauges) {
    metrics.observedGauge(`${PREFIX}${name}`, help, () =>
      controller.levels.map((level) => ({ labels: { priority_level: level.name }, value: read(level) })),
    );
  }
}

function labelsOf({ schema, level }: Flow): Record<string, string> {
  return { flow_schema: schema.metadata.name, priority_level: level.name };
}
