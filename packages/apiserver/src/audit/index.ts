// The audit log as the flags ask for it: a policy, and a file or a webhook or both.
import { readFile } from "node:fs/promises";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { Auditor, type AuditSink } from "./auditor.ts";
import { legacyLine } from "./event-text.ts";
import { LogFile } from "./log-file.ts";
import { parseAuditPolicy } from "./policy.ts";
import { createSink } from "./sink.ts";
import { Webhook } from "./webhook.ts";
import { readWebhookTarget } from "./webhook-target.ts";

/** What the --audit-* flags say; an empty path means that the sink is off. */
export interface AuditConfig {
  readonly policyFile: string;
  readonly log: {
    readonly path: string;
    readonly maxAgeDays: number;
    readonly maxBackups: number;
    readonly maxMegabytes: number;
    readonly compress: boolean;
    readonly isLegacy: boolean;
    readonly sink: SinkConfig;
  };
  readonly webhook: {
    readonly configFile: string;
    readonly initialBackoffMs: number;
    readonly sink: SinkConfig;
  };
}

/** How one sink takes its events. */
export interface SinkConfig {
  /** `batch` never keeps a request waiting; `blocking-strict` refuses requests whose first event cannot be stored. */
  readonly mode: "batch" | "blocking" | "blocking-strict";
  readonly batch: { readonly bufferSize: number; readonly maxSize: number; readonly maxWaitMs: number };
  readonly throttle: { readonly qps: number; readonly burst: number } | undefined;
  /** Undefined where nothing is cut down. */
  readonly maxEventBytes: number | undefined;
  readonly maxBatchBytes: number | undefined;
}

interface AuditServerDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
}

/** Undefined when nothing is to be recorded. Throws when a file that a flag names cannot be used. */
export async function createAuditor(config: AuditConfig, deps: AuditServerDeps): Promise<Auditor | undefined> {
  const { policyFile, log, webhook } = config;
  if (!log.path && !webhook.configFile) return undefined;
  if (!policyFile) {
    deps.log.warn("no --audit-policy-file, so no audit events are recorded");
    return undefined;
  }
  const policy = await readFile(policyFile, "utf8")
    .then(parseAuditPolicy)
    .catch((cause: Error) => {
      throw new Error(`--audit-policy-file ${policyFile}: ${cause.message}`, { cause });
    });
  const sinks: AuditSink[] = [];
  if (log.path) sinks.push(await fileSink(log, deps));
  if (webhook.configFile) sinks.push(await webhookSink(webhook, deps));
  return new Auditor(policy, sinks, deps);
}

/** A disk that is full loses events and says so; requests go on unless the mode is strict. */
async function fileSink(config: AuditConfig["log"], { clock, log }: AuditServerDeps): Promise<AuditSink> {
  const { path, maxAgeDays, maxBackups, maxMegabytes, compress, isLegacy } = config;
  const file = new LogFile({ path, maxAgeDays, maxBackups, maxBytes: maxMegabytes * 1024 * 1024, compress }, clock);
  await file.open();
  const store = async (events: readonly string[]) => {
    try {
      await file.write(isLegacy ? events.map(legacyLine) : events);
      return true;
    } catch (error) {
      log.error({ err: error, path, lost: events.length }, "cannot write the audit log");
      return false;
    }
  };
  return createSink({ name: "log", store, close: () => file.close() }, config.sink, clock);
}

/** A batch that no attempt gets through is lost, and counted as an error. */
async function webhookSink(config: AuditConfig["webhook"], { clock, log }: AuditServerDeps): Promise<AuditSink> {
  const target = await readWebhookTarget(config.configFile);
  const webhook = new Webhook(target, config.initialBackoffMs, clock);
  const store = async (events: readonly string[], signal: AbortSignal) => {
    try {
      await webhook.send(events, signal);
      return true;
    } catch (error) {
      log.warn({ err: error, lost: events.length }, "the audit webhook did not take a batch");
      return false;
    }
  };
  return createSink({ name: "webhook", store, close: async () => webhook[Symbol.dispose]() }, config.sink, clock);
}
