// Upstream's metrics of authentication and authorization.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Counter, Histogram, MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { Decision } from "../authz/authorizer.ts";

// From a millisecond, each twice the one before.
const SECONDS = Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i);
const DAY = 86_400;
/** Of the time that certificates have left. */
const LIFETIMES = [
  0,
  1800,
  3600,
  7200,
  21_600,
  43_200,
  DAY,
  2 * DAY,
  4 * DAY,
  7 * DAY,
  30 * DAY,
  90 * DAY,
  180 * DAY,
  365 * DAY,
];

export type AuthenticationResult = "success" | "failure" | "error";

interface Outcome {
  readonly total: ReturnType<Counter["of"]>;
  readonly seconds: ReturnType<Histogram["of"]>;
}

export class SecurityMetrics {
  private readonly clock: Clock;
  private readonly users: Counter;
  private readonly results: Readonly<Record<AuthenticationResult, Outcome>>;
  private readonly verdicts: Readonly<Record<Decision["verdict"] | "error", Outcome>>;
  private readonly lifetimes: Histogram;

  constructor(metrics: MetricsRegistry, clock: Clock) {
    this.clock = clock;
    this.users = metrics.counter("authenticated_user_requests", "Requests whose users are known, by user.");
    const attempts = metrics.counter("authentication_attempts", "Attempts to say who one is, by how they ended.");
    const durations = metrics.histogram(
      "authentication_duration_seconds",
      "Seconds that it took to find out who asks, by how it ended.",
      SECONDS,
    );
    const decisions = metrics.counter(
      "authorization_attempts_total",
      "Decisions on who may do what, by how they ended.",
    );
    const decisionDurations = metrics.histogram(
      "authorization_duration_seconds",
      "Seconds that decisions on who may do what took, by how they ended.",
      SECONDS,
    );
    const attempt = (result: string) => ({ total: attempts.of({ result }), seconds: durations.of({ result }) });
    this.results = { success: attempt("success"), failure: attempt("failure"), error: attempt("error") };
    const decision = (result: string) => ({
      total: decisions.of({ result }),
      seconds: decisionDurations.of({ result }),
    });
    this.verdicts = {
      allow: decision("allowed"),
      deny: decision("denied"),
      "no-opinion": decision("no-opinion"),
      error: decision("error"),
    };
    this.lifetimes = metrics.histogram(
      "apiserver_client_certificate_expiration_seconds",
      "Seconds that the certificates of clients have left.",
      LIFETIMES,
    );
  }

  /** `user` is the name of whom it succeeded for; `expiresMs` the end of the certificate that proved it, if one did. */
  authenticated(startMs: number, result: AuthenticationResult, user = "", expiresMs?: number): void {
    const { total, seconds } = this.results[result];
    total.inc();
    seconds.observe((this.clock.monotonic() - startMs) / 1000);
    if (result === "success") this.users.inc({ username: compressed(user) });
    if (expiresMs !== undefined) this.lifetimes.observe((expiresMs - this.clock.now()) / 1000);
  }

  authorized(startMs: number, verdict: Decision["verdict"] | "error"): void {
    const { total, seconds } = this.verdicts[verdict];
    total.inc();
    seconds.observe((this.clock.monotonic() - startMs) / 1000);
  }
}

/** Names are anybody's: only a few are told. */
function compressed(name: string): string {
  if (KNOWN.has(name)) return name;
  return name.includes("@") ? "email_id" : "other";
}

const KNOWN: ReadonlySet<string> = new Set([
  "admin",
  "client",
  "kube_proxy",
  "kubelet",
  "system:serviceaccount:kube-system:default",
]);
