// Named health checks: what became of them as upstream words it, and how often they failed, for /metrics/slis.
import { type Counter, type Gauge, MetricsRegistry } from "./metrics.ts";

/** One named check; throws with the reason while it fails. */
export interface HealthCheck {
  readonly name: string;
  check(): void | Promise<void>;
}

/** What became of some checks. */
export interface CheckResults {
  readonly healthy: boolean;
  /** Upstream's `[+]name ok` and `[-]name failed: reason withheld`. */
  readonly lines: readonly string[];
  /** What the failed ones threw, by name. */
  readonly failures: ReadonlyMap<string, unknown>;
}

/** Runs every check but the excluded, one after another; a failure does not keep the rest from being told. */
export async function runChecks(
  checks: readonly HealthCheck[],
  excluded: readonly string[] = [],
  told?: (name: string, ok: boolean) => void,
): Promise<CheckResults> {
  const lines: string[] = [];
  const failures = new Map<string, unknown>();
  for (const { name, check } of checks) {
    if (excluded.includes(name)) {
      lines.push(`[+]${name} excluded: ok`);
      continue;
    }
    try {
      await check();
      lines.push(`[+]${name} ok`);
    } catch (error) {
      failures.set(name, error);
      lines.push(`[-]${name} failed: reason withheld`);
    }
    told?.(name, !failures.has(name));
  }
  const unknown = new Set(excluded.filter((name) => !checks.some((check) => check.name === name)));
  if (unknown.size > 0) {
    const names = [...unknown].sort().map((name) => JSON.stringify(name));
    lines.push(`warn: some health checks cannot be excluded: no matches for ${names.join(",")}`);
  }
  return { healthy: failures.size === 0, lines, failures };
}

/** The service level indicators of a program: a registry of its own, as upstream serves it apart. */
export class HealthMetrics {
  readonly registry = new MetricsRegistry();
  private readonly last: Gauge;
  private readonly total: Counter;

  constructor() {
    const { registry } = this;
    this.last = registry.gauge(
      "kubernetes_healthcheck",
      "1 where the check found all well at its last time, 0 where not.",
    );
    this.total = registry.counter(
      "kubernetes_healthchecks_total",
      "This metric records the results of all healthcheck.",
    );
  }

  /** `type` is the path's: healthz, livez or readyz. */
  record(type: string, name: string, ok: boolean): void {
    this.last.set(ok ? 1 : 0, { name, type });
    this.total.inc({ name, status: ok ? "success" : "error", type });
  }
}
