// Upstream's metrics of admission: how long each plug-in and each half of the chain took, and whether it refused.
import type { Clock } from "@skiff/component-base/clock.ts";
import { type Histogram, keptLabels, type Labels, type MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { AdmissionChain, AdmissionPlugin, AdmissionRequest } from "./admission.ts";

const PREFIX = "apiserver_admission_";
const STEP_SECONDS = [0.005, 0.025, 0.1, 0.5, 1, 2.5];

/** The same plug-ins, watched. */
export function measureAdmission(
  plugins: readonly AdmissionPlugin[],
  { metrics, clock }: { readonly metrics: MetricsRegistry; readonly clock: Clock },
): AdmissionChain {
  const controllers = new Meter(
    metrics.histogram(
      `${PREFIX}controller_admission_duration_seconds`,
      "Admission controller latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).",
      STEP_SECONDS,
    ),
    clock,
  );
  const steps = new Meter(
    metrics.histogram(
      `${PREFIX}step_admission_duration_seconds`,
      "Admission sub-step latency histogram in seconds, broken out for each operation and API resource and step type (validate or admit).",
      STEP_SECONDS,
    ),
    clock,
  );
  const measured = plugins.map((plugin): AdmissionPlugin => {
    const { name, admit, validate } = plugin;
    return {
      name,
      ...(admit ? { admit: controllers.around(admit.bind(plugin), "admit", name) } : {}),
      ...(validate ? { validate: controllers.around(validate.bind(plugin), "validate", name) } : {}),
    };
  });
  return Object.assign(measured, {
    observeStep: (type: "admit" | "validate", request: AdmissionRequest, startMs: number, rejected: boolean) =>
      steps.observe(type, request, startMs, rejected),
    nowMs: () => clock.monotonic(),
  });
}

type Half = (request: AdmissionRequest, signal: AbortSignal) => void | Promise<void>;

class Meter {
  private readonly histogram: Histogram;
  private readonly clock: Clock;
  /** Labels cost more to put together than to count. */
  private readonly known = new Map<string, Labels>();

  constructor(histogram: Histogram, clock: Clock) {
    this.histogram = histogram;
    this.clock = clock;
  }

  observe(type: string, { operation }: AdmissionRequest, startMs: number, rejected: boolean, name = ""): void {
    const key = `${name} ${type} ${operation} ${rejected}`;
    let labels = this.known.get(key);
    if (!labels) {
      labels = keptLabels({ ...(name ? { name } : {}), operation, rejected: String(rejected), type });
      this.known.set(key, labels);
    }
    this.histogram.observe((this.clock.monotonic() - startMs) / 1000, labels);
  }

  /** Stays synchronous where the plug-in is: an await for each would cost every write a turn of the event loop. */
  around(half: Half, type: string, name: string): Half {
    return (request, signal) => {
      const start = this.clock.monotonic();
      const done = (rejected: boolean) => this.observe(type, request, start, rejected, name);
      try {
        const pending = half(request, signal);
        if (!pending) return done(false);
        return pending.then(
          () => done(false),
          (error: unknown) => {
            done(true);
            throw error;
          },
        );
      } catch (error) {
        done(true);
        throw error;
      }
    };
  }
}
