// Reads the kernel's log for processes that were killed because the whole machine was out of memory, and tells it as events of the node.

import { constants, readSync } from "node:fs";
import { open } from "node:fs/promises";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";

/** How often the log is read. Between two looks the kernel keeps what it said. */
const PERIOD_MS = 10_000;
/** The kernel's own bound of one record. */
const RECORD_BYTES = 8192;

/** The process that the kernel killed: its command's name and its id on the node. */
export interface Victim {
  readonly process: string;
  readonly pid: number;
}

export interface OomWatcherDeps {
  onSystemOom(victim: Victim): void;
  readonly clock: Clock;
  readonly log: Logger;
  /** The device to read from; the machine's own where absent. */
  readonly device?: string;
}

/** Runs until the signal aborts, or ends at once where the log may not be read. */
export async function watchOom(
  { onSystemOom, clock, log, device }: OomWatcherDeps,
  signal: AbortSignal,
): Promise<void> {
  // Without O_NONBLOCK a read would hold one of Node's few threads until the kernel says something.
  const opened = await open(device ?? "/dev/kmsg", constants.O_RDONLY | constants.O_NONBLOCK).catch((error) => {
    log.warn({ err: error }, "the kernel's log cannot be read: no event will tell that the machine ran out of memory");
  });
  if (!opened) return;
  await using kernelLog = opened;
  const judge = new OomLog();
  // What was said before this start is old news.
  drain(kernelLog.fd, () => {});
  while (!signal.aborted) {
    await clock.sleep(PERIOD_MS, signal).catch(() => {});
    if (signal.aborted) return;
    drain(kernelLog.fd, (record) => {
      const victim = judge.read(record);
      if (victim) onSystemOom(victim);
    });
  }
}

// Record by record up to the end of what there is. These reads never wait, and a detour over Node's threads for each of some
// thousand records would take seconds on a busy machine.
function drain(fd: number, onRecord: (record: string) => void): void {
  const buffer = Buffer.alloc(RECORD_BYTES);
  for (;;) {
    try {
      const length = readSync(fd, buffer, 0, RECORD_BYTES, null);
      if (length === 0) return;
      onRecord(buffer.toString("utf8", 0, length));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // EPIPE: records were overwritten before they were read, and the next read goes on behind the gap.
      if (code !== "EPIPE") return;
    }
  }
}

/** Puts together what the kernel says of one kill: a line about the reason, then one about the victim. */
export class OomLog {
  private isOfMachine = true;

  /** The victim, once its line has come and the machine itself, no container's limit, was the reason. */
  read(record: string): Victim | undefined {
    const text = record.slice(record.indexOf(";") + 1);
    const reason = /^oom-kill:constraint=(\w+)/.exec(text)?.[1];
    if (reason) this.isOfMachine = reason !== "CONSTRAINT_MEMCG" || text.includes(",task_memcg=/,");
    const [, pid, process] = /Killed process (\d+) \((.+?)\)/.exec(text) ?? [];
    if (!pid || !process) return undefined;
    const { isOfMachine } = this;
    this.isOfMachine = true;
    // Kernels before 5.0 have the reason on no line of its own, but name it on this one.
    return isOfMachine && !text.startsWith("Memory cgroup out of memory") ? { process, pid: Number(pid) } : undefined;
  }
}
