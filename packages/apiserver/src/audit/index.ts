// The audit log as the flags ask for it: a policy, and a file or a webhook or both.
import { readFile } from "node:fs/promises";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { Auditor, type AuditSink } from "./auditor.ts";
import { BatchQueue } from "./batch-queue.ts";
import { LogFile } from "./log-file.ts";
import { parseAuditPolicy } from "./policy.ts";
import { Webhook } from "./webhook.ts";
import { readWebhookTarget } from "./webhook-target.ts";

export interface AuditConfig {
  readonly policyFile: string;
  readonly log: {
    readonly path: string;
    readonly maxAgeDays: number;
    readonly maxBackups: number;
    readonly maxMegabytes: number;
  };
  readonly webhook: {
    readonly configFile: string;
    readonly maxBatch: number;
    readonly maxWaitMs: number;
    readonly bufferSize: number;
    readonly initialBackoffMs: number;
  };
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

/** As many characters as may wait for a slow disk or webhook. */
const MAX_QUEUED_CHARS = 64 * 1024 * 1024;

async function fileSink(config: AuditConfig["log"], { clock, log }: AuditServerDeps): Promise<AuditSink> {
  const { path, maxAgeDays, maxBackups, maxMegabytes } = config;
  const file = new LogFile({ path, maxAgeDays, maxBackups, maxBytes: maxMegabytes * 1024 * 1024 }, clock);
  await file.open();
  const write = async (lines: readonly string[]) => {
    await file.write(lines).catch((error: unknown) => {
      log.error({ err: error, path, lost: lines.length }, "cannot write the audit log");
    });
  };
  // A short wait: whoever follows the file sees events as they happen, and a crash loses next to nothing.
  const options = { maxBatch: 1000, maxWaitMs: 20, capacity: 10_000, maxChars: MAX_QUEUED_CHARS };
  const queue = new BatchQueue(options, write, clock);
  return {
    name: "log",
    push: (event) => queue.push(event),
    async close() {
      await queue.close();
      await file.close();
    },
  };
}

async function webhookSink(config: AuditConfig["webhook"], { clock, log }: AuditServerDeps): Promise<AuditSink> {
  const target = await readWebhookTarget(config.configFile);
  const webhook = new Webhook(target, config.initialBackoffMs, clock);
  const stop = new AbortController();
  const send = async (events: readonly string[]) => {
    await webhook.send(events, stop.signal).catch((error: unknown) => {
      log.warn({ err: error, lost: events.length }, "the audit webhook did not take a batch");
    });
  };
  const { maxBatch, maxWaitMs, bufferSize } = config;
  const options = { maxBatch, maxWaitMs, capacity: bufferSize, maxChars: MAX_QUEUED_CHARS };
  const queue = new BatchQueue(options, send, clock);
  return {
    name: "webhook",
    push: (event) => queue.push(event),
    async close() {
      // Every batch still gets one attempt.
      stop.abort();
      await queue.close();
      webhook[Symbol.dispose]();
    },
  };
}
