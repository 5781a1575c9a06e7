// Upstream's metrics of admission: how long each plug-in and each half of the chain took, and whether it refused.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Histogram, MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { AdmissionChain, AdmissionPlugin, AdmissionRequest } from "./admission.ts";

const PREFIX = "apiserver_admission_";
const STEP_SECONDS = [0.005, 0.025, 0.1, 0.5, 1, 2.5];

/** The same plug-ins, watched. */
export function measureAdmission(
  plugins: readonly AdmissionPlugin[],
  { metrics, clock }: { readonly metrics: MetricsRegistry; readonly clock: Clock },
): AdmissionChain {
  const controllers = metrics.histogram(
    `${PREFIX}controller_admission_duration_seconds`,
    "Seconds that each admission plug-in took, by operation and half of the chain.",
    STEP_SECONDS,
  );
  const steps = metrics.histogram(
    `${PREFIX}step_admission_duration_seconds`,
    "Seconds that each half of the admission chain took, by operation.",
    STEP_SECONDS,
  );
  const meterOf = (type: "admit" | "validate", name?: string) =>
    new Meter(name ? controllers : steps, clock, type, name);
  const halves = { admit: meterOf("admit"), validate: meterOf("validate") };
  const measured = plugins.map((plugin): AdmissionPlugin => {
    const { name, admit, validate } = plugin;
    return {
      name,
      ...(admit ? { admit: meterOf("admit", name).around(admit.bind(plugin)) } : {}),
      ...(validate ? { validate: meterOf("validate", name).around(validate.bind(plugin)) } : {}),
    };
  });
  return Object.assign(measured, {
    observeStep: (type: "admit" | "validate", request: AdmissionRequest, startMs: number, rejected: boolean) =>
      halves[type].observe(request, startMs, rejected),
    nowMs: () => clock.monotonic(),
  });
}

type Half = (request: AdmissionRequest, signal: AbortSignal) => void | Promise<void>;

/** Of one half of one plug-in, or of the whole chain where no name is given. */
class Meter {
  private readonly histogram: Histogram;
  private readonly clock: Clock;
  private readonly type: string;
  private readonly name: string | undefined;
  /** What was let through, by operation: a write passes here a dozen times, and a lookup by labels would show. */
  private readonly accepted = new Map<string, ReturnType<Histogram["of"]>>();

  constructor(histogram: Histogram, clock: Clock, type: string, name: string | undefined) {
    this.histogram = histogram;
    this.clock = clock;
    this.type = type;
    this.name = name;
  }

  observe({ operation }: AdmissionRequest, startMs: number, rejected: boolean): void {
    let entry = rejected ? undefined : this.accepted.get(operation);
    if (!entry) {
      const { name, type } = this;
      entry = this.histogram.of({ ...(name ? { name } : {}), operation, rejected: String(rejected), type });
      if (!rejected) this.accepted.set(operation, entry);
    }
    entry.observe((this.clock.monotonic() - startMs) / 1000);
  }

  /** Stays synchronous where the plug-in is: an await for each would cost every write a turn of the event loop. */
  around(half: Half): Half {
    return (request, signal) => {
      const start = this.clock.monotonic();
      let pending: void | Promise<void>;
      try {
        pending = half(request, signal);
      } catch (error) {
        this.observe(request, start, true);
        throw error;
      }
      if (!pending) return this.observe(request, start, false);
      return pending.then(
        () => this.observe(request, start, false),
        (error: unknown) => {
          this.observe(request, start, true);
          throw error;
        },
      );
    };
  }
}
