// What the resource managers count, under upstream's names.
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";

/** Make it once per registry. */
export class ResourceMetrics {
  private readonly registrations;
  private readonly allocations;
  private readonly topologyRequests;
  private readonly topologyErrors;

  constructor(registry: MetricsRegistry) {
    this.registrations = registry.counter(
      "kubelet_device_plugin_registration_total",
      "Registrations of device plug-ins, by resource.",
    );
    this.allocations = registry.histogram(
      "kubelet_device_plugin_alloc_duration_seconds",
      "Seconds that device plug-ins took to allocate, by resource.",
    );
    this.topologyRequests = registry.counter(
      "kubelet_topology_manager_admission_requests_total",
      "Pods and containers whose resources had to be aligned.",
    );
    this.topologyErrors = registry.counter(
      "kubelet_topology_manager_admission_errors_total",
      "Pods and containers whose resources could not be aligned.",
    );
  }

  registered(resource: string): void {
    this.registrations.inc({ resource_name: resource });
  }

  allocated(resource: string, seconds: number): void {
    this.allocations.observe(seconds, { resource_name: resource });
  }

  /** A pod whose resources had to be aligned, and whether they could be. */
  aligned(isAdmitted: boolean): void {
    this.topologyRequests.inc();
    if (!isAdmitted) this.topologyErrors.inc();
  }
}
