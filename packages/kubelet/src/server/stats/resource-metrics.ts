// /metrics/resource: CPU and memory of node, pods and containers, as metrics-server scrapes them. Pure.
import type { ContainerUsage, NodeUsage, PodUsage, Usage } from "./usage.ts";

/** `labels` is ready for the text, braces included. */
interface Sample {
  readonly labels: string;
  readonly value: number;
  readonly timeMs: number;
}

/** The samples carry their times: metrics-server takes its rates from them. */
export function renderResourceMetrics(node: NodeUsage): string {
  const containers = node.pods.flatMap((pod) =>
    pod.containers.map((usage) => ({ usage, labels: labelsOf(pod, usage) })),
  );
  const pods = node.pods.map((usage) => ({ usage, labels: labelsOf(usage) }));
  const whole = [{ usage: node, labels: "" }];
  const starts = containers
    .filter(({ usage }) => usage.startedAtMs > 0)
    .map(({ usage, labels }) => ({ labels, value: usage.startedAtMs / 1000, timeMs: usage.timeMs }));
  return [
    counter(
      "container_cpu_usage_seconds_total",
      "Cumulative cpu time consumed by the container in core-seconds",
      cpu(containers),
    ),
    alpha("container_swap_limit_bytes", swapHelp("amount of the container swap limit"), swapLimit(containers)),
    alpha("container_swap_usage_bytes", swapHelp("amount of the container swap usage"), swap(containers)),
    gauge("container_memory_working_set_bytes", "Current working set of the container in bytes", memory(containers)),
    gauge("container_start_time_seconds", "Start time of the container since unix epoch in seconds", starts),
    counter("node_cpu_usage_seconds_total", "Cumulative cpu time consumed by the node in core-seconds", cpu(whole)),
    gauge("node_memory_working_set_bytes", "Current working set of the node in bytes", memory(whole)),
    alpha("node_swap_usage_bytes", swapHelp("swap usage of the node"), swap(whole)),
    counter("pod_cpu_usage_seconds_total", "Cumulative cpu time consumed by the pod in core-seconds", cpu(pods)),
    gauge("pod_memory_working_set_bytes", "Current working set of the pod in bytes", memory(pods)),
    alpha("pod_swap_usage_bytes", swapHelp("amount of the pod swap usage"), swap(pods)),
    "# HELP resource_scrape_error [STABLE] 1 if there was an error while getting container metrics, 0 otherwise",
    "# TYPE resource_scrape_error gauge\nresource_scrape_error 0\n",
  ].join("\n");
}

const counter = (name: string, help: string, samples: readonly Sample[]) => family(name, help, "counter", samples);
const gauge = (name: string, help: string, samples: readonly Sample[]) => family(name, help, "gauge", samples);
const alpha = (name: string, help: string, samples: readonly Sample[]) => family(name, help, "gauge", samples, "ALPHA");
const swapHelp = (what: string) => `Current ${what} in bytes. Reported only on non-windows systems`;

function family(name: string, help: string, type: string, samples: readonly Sample[], level = "STABLE"): string {
  const lines = samples.map(({ labels, value, timeMs }) => `${name}${labels} ${value} ${Math.round(timeMs)}`);
  return [`# HELP ${name} [${level}] ${help}`, `# TYPE ${name} ${type}`, ...lines].join("\n");
}

function cpu(all: readonly { usage: Usage; labels: string }[]): Sample[] {
  return all.flatMap(({ usage: { cpuNanos, timeMs }, labels }) =>
    cpuNanos === undefined ? [] : [{ labels, value: cpuNanos / 1e9, timeMs }],
  );
}

function memory(all: readonly { usage: Usage; labels: string }[]): Sample[] {
  return all.flatMap(({ usage, labels }) =>
    usage.memory ? [{ labels, value: usage.memory.workingSetBytes, timeMs: usage.timeMs }] : [],
  );
}

function swap(all: readonly { usage: Usage; labels: string }[]): Sample[] {
  return all.flatMap(({ usage: { swap: held, timeMs }, labels }) =>
    held ? [{ labels, value: held.swapUsageBytes, timeMs }] : [],
  );
}

/** What it holds and what it may still take; none where nothing limits it. */
function swapLimit(all: readonly { usage: Usage; labels: string }[]): Sample[] {
  return all.flatMap(({ usage: { swap: held, timeMs }, labels }) =>
    held?.swapAvailableBytes === undefined
      ? []
      : [{ labels, value: held.swapUsageBytes + held.swapAvailableBytes, timeMs }],
  );
}

/** Names of objects need no escaping. */
function labelsOf({ pod }: PodUsage, container?: ContainerUsage): string {
  const own = container ? `container="${container.name}",` : "";
  return `{${own}namespace="${pod.metadata.namespace}",pod="${pod.metadata.name}"}`;
}
