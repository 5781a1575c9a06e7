// One place where audit events go, in the mode that its flags ask for.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { AuditSink } from "./auditor.ts";
import { BatchQueue } from "./batch-queue.ts";
import { truncateEvent } from "./event-text.ts";
import { GroupWriter } from "./group-writer.ts";
import type { SinkConfig } from "./index.ts";
import { Throttle } from "./throttle.ts";

/** As many characters as may wait for a slow disk or webhook. */
const MAX_QUEUED_CHARS = 64 * 1024 * 1024;

interface Target {
  readonly name: string;
  /** Whether they are stored; does not reject. Waits end early when the signal aborts. */
  store(events: readonly string[], signal: AbortSignal): Promise<boolean>;
  close(): Promise<void>;
}

/** Cuts events down to size, then queues them: batches for `batch`, shared writes for the modes that wait. */
export function createSink(target: Target, config: SinkConfig, clock: Clock): AuditSink {
  const stop = new AbortController();
  const queue =
    config.mode === "batch" ? batching(target, config, clock, stop.signal) : waiting(target, config, stop.signal);
  return {
    name: target.name,
    isBlocking: config.mode !== "batch",
    isStrict: config.mode === "blocking-strict",
    push(event) {
      const text = truncateEvent(event, config.maxEventBytes);
      return text === undefined ? false : queue.push(text);
    },
    async close() {
      // What waits still gets one attempt.
      stop.abort();
      await queue.close();
      await target.close();
    },
  };
}

function batching(target: Target, { batch, throttle, maxBatchBytes }: SinkConfig, clock: Clock, signal: AbortSignal) {
  // Slows the sender, never the request: what comes too fast for it fills the queue and is lost.
  const bucket = throttle && new Throttle(throttle, clock);
  const send = async (events: readonly string[]) => {
    await bucket?.wait(signal);
    await target.store(events, signal);
  };
  const options = {
    maxBatch: batch.maxSize,
    maxWaitMs: batch.maxWaitMs,
    capacity: batch.bufferSize,
    maxChars: MAX_QUEUED_CHARS,
    maxBatchChars: maxBatchBytes,
  };
  return new BatchQueue(options, send, clock);
}

function waiting(target: Target, { batch, maxBatchBytes }: SinkConfig, signal: AbortSignal) {
  const limits = {
    capacity: batch.bufferSize,
    maxChars: MAX_QUEUED_CHARS,
    maxBatchChars: maxBatchBytes ?? MAX_QUEUED_CHARS,
  };
  return new GroupWriter(limits, (events) => target.store(events, signal));
}
