// Connects the kubelet's parts to its metrics.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { Pleg } from "../pleg.ts";
import type { PodWorkers } from "../pod-workers.ts";
import { isStaticPod } from "../static-pods/annotations.ts";
import type { KubeletMetrics } from "./kubelet-metrics.ts";

/** Where the figures are. */
export interface ObservedParts {
  readonly nodeName: string;
  readonly registry: MetricsRegistry;
  readonly pleg: Pick<Pleg, "pods" | "onRelist">;
  readonly workers: Pick<PodWorkers, "pods" | "active">;
  readonly clock: Pick<Clock, "now" | "monotonic">;
}

/** Call it once: it takes the PLEG's `onRelist`. */
export function observeKubelet(metrics: KubeletMetrics, parts: ObservedParts): void {
  const { nodeName, registry, pleg, workers, clock } = parts;
  let lastAt: number | undefined;
  pleg.onRelist = (seconds) => {
    const now = clock.monotonic();
    metrics.relisted(seconds, lastAt === undefined ? undefined : (now - lastAt) / 1000, clock.now() / 1000);
    lastAt = now;
  };
  metrics.observe(registry, {
    nodeName,
    running: () => pleg.pods(),
    desired: () => workers.pods(),
    admitted: () => workers.active(),
    isStatic: isStaticPod,
    mirrorCount: () => workers.active().filter(isStaticPod).length,
  });
}
