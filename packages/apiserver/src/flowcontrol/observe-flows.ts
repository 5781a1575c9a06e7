// The metrics of priority and fairness that are read when scraped, so that requests pay nothing for them.
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { Flow } from "./flow.ts";
import type { FlowController } from "./flow-controller.ts";
import type { PriorityLevel } from "./priority-level.ts";

const PREFIX = "apiserver_flowcontrol_";

export function observeFlows(metrics: MetricsRegistry, controller: FlowController): void {
  observeSchemas(metrics, controller);
  observeLevels(metrics, controller);
  metrics.observedGauge(
    `${PREFIX}seat_fair_frac`,
    "What each level may take of all seats, in fairness to the others",
    () => [{ value: controller.fairFraction }],
  );
}

function observeSchemas(metrics: MetricsRegistry, controller: FlowController): void {
  const perFlow = (read: (flow: Flow) => number) => () =>
    controller.schemas.map((flow) => ({ labels: flow.labels, value: read(flow) }));
  metrics.observedCounter(
    `${PREFIX}dispatched_requests_total`,
    "Requests that got their seats and ran",
    perFlow(({ dispatched }) => dispatched),
  );
  metrics.observedCounter(`${PREFIX}rejected_requests_total`, "Requests that were turned away for want of seats", () =>
    controller.schemas.flatMap((flow) =>
      Object.entries(flow.rejected).flatMap(([reason, value]) =>
        value > 0 ? [{ labels: { ...flow.labels, reason }, value }] : [],
      ),
    ),
  );
  const gauges: readonly [string, string, (flow: Flow) => number][] = [
    ["current_executing_requests", "Number of requests in execution", ({ runningCount }) => runningCount],
    ["current_executing_seats", "Seats that are taken by requests that run", (f) => f.runningSeats],
    ["current_inqueue_requests", "Number of requests currently pending in queues", ({ waitingCount }) => waitingCount],
    ["current_inqueue_seats", "Number of seats currently pending in queues", ({ waitingSeats }) => waitingSeats],
  ];
  for (const [name, help, read] of gauges) metrics.observedGauge(`${PREFIX}${name}`, help, perFlow(read));
}

function observeLevels(metrics: MetricsRegistry, controller: FlowController): void {
  const gauges: readonly [string, string, (level: PriorityLevel) => number][] = [
    ["nominal_limit_seats", "Seats of each level as it is configured", (l) => l.limits.nominal],
    ["lower_limit_seats", "Configured lower bound on number of execution seats", ({ limits }) => limits.lower],
    ["upper_limit_seats", "Configured upper bound on number of execution seats", ({ limits }) => limits.upper],
    ["current_limit_seats", "Current derived number of execution seats available", ({ limit }) => limit],
    ["demand_seats_high_watermark", "High watermark of demand for seats", ({ demand }) => demand.highWatermark],
    ["demand_seats_average", "Time-weighted average of demand for seats", ({ demand }) => demand.average],
    ["demand_seats_stdev", "Time-weighted standard deviation of demand for seats", ({ demand }) => demand.deviation],
    ["demand_seats_smoothed", "Smoothed seat demands", ({ smoothed }) => smoothed],
    ["target_seats", "Seat allocation targets", ({ target }) => target],
  ];
  for (const [name, help, read] of gauges) {
    metrics.observedGauge(`${PREFIX}${name}`, help, () =>
      controller.levels.map((level) => ({ labels: { priority_level: level.name }, value: read(level) })),
    );
  }
}
