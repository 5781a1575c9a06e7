// Counts calls to the runtime under upstream's names of operations.
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";

/** `method` is the CRI's own name, such as RunPodSandbox. */
export type ObserveCall = (method: string, seconds: number, failed: boolean) => void;

/** Where upstream's name is not the method's own in snake case. */
const NAMES: Readonly<Record<string, string>> = {
  RunPodSandbox: "run_podsandbox",
  StopPodSandbox: "stop_podsandbox",
  RemovePodSandbox: "remove_podsandbox",
  PodSandboxStatus: "podsandbox_status",
  ListPodSandbox: "list_podsandbox",
  UpdateContainerResources: "update_container",
};

/** An observer that counts into `metrics`; make it once per registry. */
export function callMetrics(metrics: MetricsRegistry): ObserveCall {
  const total = metrics.counter(
    "kubelet_runtime_operations_total",
    "Cumulative number of runtime operations by operation type.",
  );
  const errors = metrics.counter(
    "kubelet_runtime_operations_errors_total",
    "Cumulative number of runtime operation errors by operation type.",
  );
  // 5 ms to about 12 minutes: a pull is among the calls.
  const buckets = Array.from({ length: 14 }, (_, power) => 0.005 * 2.5 ** power);
  const seconds = metrics.histogram(
    "kubelet_runtime_operations_duration_seconds",
    "Duration in seconds of runtime operations. Broken down by operation type.",
    buckets,
  );
  return (method, took, failed) => {
    const labels = { operation_type: NAMES[method] ?? snakeCase(method) };
    total.inc(labels);
    seconds.observe(took, labels);
    if (failed) errors.inc(labels);
  };
}

function snakeCase(method: string): string {
  return method.replace(/(?<!^)[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
}
