// The audit log's flags, with upstream's names and defaults, and what they mean together.
import { flag, UsageError } from "@skiff/component-base/flags.ts";
import type { AuditConfig, SinkConfig } from "./index.ts";

/** To be spread into the program's flags. */
export const auditFlags = {
  "audit-policy-file": flag.string("", "an audit.k8s.io/v1 Policy: what the audit log records"),
  "audit-log-path": flag.string("", "file of the audit log; - is standard output"),
  "audit-log-maxage": flag.int(0, "days that full audit logs are kept; 0: for ever"),
  "audit-log-maxbackup": flag.int(0, "how many full audit logs are kept; 0: all"),
  "audit-log-maxsize": flag.int(100, "megabytes at which an audit log is full"),
  "audit-log-compress": flag.bool(false, "compress full audit logs with gzip"),
  "audit-log-format": flag.string("json", "json, or legacy for one line of text per event"),
  "audit-webhook-config-file": flag.string("", "kubeconfig of the webhook that takes audit events"),
  "audit-webhook-initial-backoff": flag.duration(10_000, "how long to wait before the first retry"),
  // A file is written while requests wait, a webhook is told in batches: so neither loses events under normal load, nor
  // does a slow webhook slow the API.
  ...sinkFlags("log", "blocking", { maxSize: 1, maxWaitMs: 0, isThrottled: false, qps: 0, burst: 0 }),
  ...sinkFlags("webhook", "batch", { maxSize: 400, maxWaitMs: 30_000, isThrottled: true, qps: 10, burst: 15 }),
};

type Sink = "log" | "webhook";

interface BatchDefaults {
  readonly maxSize: number;
  readonly maxWaitMs: number;
  readonly isThrottled: boolean;
  readonly qps: number;
  readonly burst: number;
}

/** Both sinks have the same flags with defaults of their own; the types keep each flag's name. */
function sinkFlags<S extends Sink>(sink: S, mode: string, batch: BatchDefaults) {
  const flags = {
    mode: flag.string(mode, "batch, blocking or blocking-strict: whether requests wait for the event"),
    version: flag.string("audit.k8s.io/v1", "version of the events"),
    "batch-buffer-size": flag.int(10_000, "events that wait at most"),
    "batch-max-size": flag.int(batch.maxSize, "events of one batch"),
    "batch-max-wait": flag.duration(batch.maxWaitMs, "how long the first of a batch waits for others"),
    "batch-throttle-enable": flag.bool(batch.isThrottled, "whether batches are slowed down"),
    "batch-throttle-qps": flag.number(batch.qps, "batches a second on average"),
    "batch-throttle-burst": flag.int(batch.burst, "batches at once after a quiet time"),
    "truncate-enabled": flag.bool(false, "whether events and batches that are too large lose their bodies"),
    "truncate-max-batch-size": flag.int(10_485_760, "bytes of a batch"),
    "truncate-max-event-size": flag.int(102_400, "bytes of an event"),
  };
  type Flags = typeof flags;
  const named = Object.entries(flags).map(([name, spec]) => [`audit-${sink}-${name}`, spec]);
  return Object.fromEntries(named) as { [K in keyof Flags & string as `audit-${S}-${K}`]: Flags[K] };
}

/** The values of these flags, whatever other flags the program has. */
type Values = { readonly [K in keyof typeof auditFlags]: (typeof auditFlags)[K]["default"] };

/** Throws UsageError with the flag's name. */
export function auditConfig(values: Values): AuditConfig {
  const format = values["audit-log-format"];
  if (format !== "json" && format !== "legacy") {
    throw new UsageError(`invalid audit log format "${format}", allowed formats are "legacy,json"`);
  }
  return {
    policyFile: values["audit-policy-file"],
    log: {
      path: values["audit-log-path"],
      maxAgeDays: notNegative(values, "audit-log-maxage"),
      maxBackups: notNegative(values, "audit-log-maxbackup"),
      // As upstream: 0 is the default size, not "never full".
      maxMegabytes: notNegative(values, "audit-log-maxsize") || 100,
      compress: values["audit-log-compress"],
      isLegacy: format === "legacy",
      sink: sinkConfig(values, "log"),
    },
    webhook: {
      configFile: values["audit-webhook-config-file"],
      initialBackoffMs: values["audit-webhook-initial-backoff"],
      sink: sinkConfig(values, "webhook"),
    },
  };
}

function sinkConfig(values: Values, sink: Sink): SinkConfig {
  const prefix = `audit-${sink}` as const;
  const mode = values[`${prefix}-mode`];
  if (mode !== "batch" && mode !== "blocking" && mode !== "blocking-strict") {
    throw new UsageError(`invalid audit ${sink} mode ${mode}, allowed modes are "batch,blocking,blocking-strict"`);
  }
  const version = values[`${prefix}-version`];
  if (version !== "audit.k8s.io/v1") throw new UsageError(`--${prefix}-version: invalid value "${version}"`);
  const truncates = values[`${prefix}-truncate-enabled`];
  return {
    mode,
    batch: {
      bufferSize: positive(values, `${prefix}-batch-buffer-size`),
      maxSize: positive(values, `${prefix}-batch-max-size`),
      maxWaitMs: values[`${prefix}-batch-max-wait`],
    },
    throttle: values[`${prefix}-batch-throttle-enable`]
      ? {
          qps: positive(values, `${prefix}-batch-throttle-qps`),
          burst: positive(values, `${prefix}-batch-throttle-burst`),
        }
      : undefined,
    maxEventBytes: truncates ? positive(values, `${prefix}-truncate-max-event-size`) : undefined,
    maxBatchBytes: truncates ? positive(values, `${prefix}-truncate-max-batch-size`) : undefined,
  };
}

type NumberFlag = { [K in keyof Values]: Values[K] extends number ? K : never }[keyof Values];

function positive(values: Values, name: NumberFlag): number {
  if (values[name] > 0) return values[name];
  throw new UsageError(`--${name}: invalid value ${values[name]}, must be a positive number`);
}

function notNegative(values: Values, name: NumberFlag): number {
  if (values[name] >= 0) return values[name];
  throw new UsageError(`--${name} ${values[name]} can't be a negative number`);
}
