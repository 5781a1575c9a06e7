// One program under supervision: adopt it if it runs, else start it, and start it again whenever it ends.
import type { Clock } from "@skiff/component-base/clock.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { rotateLog } from "./log-file.ts";
import type { ProcessIdentity } from "./process-identity.ts";
import { isAlive } from "./process-identity.ts";
import { readRunRecord, writeRunRecord } from "./run-record.ts";
import type { StartRequest } from "./start-program.ts";
import { startProgram } from "./start-program.ts";

/** One program of a cluster. */
export interface ProgramInstance extends StartRequest {
  /** Such as `etcd` or `node-1/kubelet`; unique in the cluster. */
  readonly key: string;
  /** Keys of instances that must be healthy before the first start. */
  readonly after: readonly string[];
  /** Chores that follow each start, as far as the program lives that long. */
  readonly tend?: (deps: { clock: Clock; log: Logger }, signal: AbortSignal) => Promise<void>;
}

/** Shared by all programs of one supervisor. */
export interface SuperviseOptions {
  readonly runFolder: string;
  /** Resolves once the instances that must come first are healthy. */
  readonly ready: (keys: readonly string[], signal: AbortSignal) => Promise<void>;
}

// An adopted program is not a child, so its end shows only when somebody looks.
const POLL_MS = 250;
/** Whoever ran for so long did not fail at its start, and starts again without a delay. */
const STABLE_AFTER_MS = 30_000;

/** Runs until the signal aborts, and then leaves the program running. */
export async function superviseProgram(
  instance: ProgramInstance,
  options: SuperviseOptions,
  { clock, log }: { clock: Clock; log: Logger },
  signal: AbortSignal,
): Promise<void> {
  const known = readRunRecord(options.runFolder, instance.key)?.process;
  let current = known && isAlive(known) ? known : undefined;
  if (current) log.info({ key: instance.key, pid: current.pid }, "adopted");
  else await options.ready(instance.after, signal);
  for (let failures = 0, restarts = 0; ; restarts += 1) {
    const startedMs = clock.monotonic();
    const exit = new AbortController();
    try {
      current ??= await startOnce(instance, options.runFolder, restarts, clock, () => exit.abort());
      log.info({ key: instance.key, pid: current.pid, restarts }, "running");
      tend(instance, { clock, log }, AbortSignal.any([exit.signal, signal]));
      await untilGone(current, instance.logFile, clock, exit.signal, signal);
      exit.abort();
    } catch (error) {
      signal.throwIfAborted();
      log.warn({ key: instance.key, err: error }, "start failed");
    }
    signal.throwIfAborted();
    current = undefined;
    failures = clock.monotonic() - startedMs > STABLE_AFTER_MS ? 0 : failures + 1;
    const delayMs = restartDelayMs(failures);
    log.warn({ key: instance.key, failures, delayMs }, "ended; starting it again");
    await clock.sleep(delayMs, signal);
  }
}

/** Beside the program: it is not held up, and does not fail, by what goes wrong here. */
function tend(instance: ProgramInstance, deps: { clock: Clock; log: Logger }, signal: AbortSignal): void {
  instance.tend?.(deps, signal).catch((error) => {
    if (!signal.aborted) deps.log.warn({ key: instance.key, err: error }, "chores after the start failed");
  });
}

/** A program that ran for long starts again at once; one that keeps dying waits up to 15 s. */
export function restartDelayMs(failures: number): number {
  return failures === 0 ? 0 : Math.min(15_000, 200 * 2 ** (failures - 1));
}

async function startOnce(
  instance: ProgramInstance,
  runFolder: string,
  restarts: number,
  clock: Clock,
  onExit: () => void,
): Promise<ProcessIdentity> {
  const identity = await startProgram(instance, onExit);
  writeRunRecord(runFolder, { key: instance.key, process: identity, startedAt: formatTime(clock.now()), restarts });
  return identity;
}

async function untilGone(
  identity: ProcessIdentity,
  logFile: string,
  clock: Clock,
  exit: AbortSignal,
  signal: AbortSignal,
): Promise<void> {
  const either = AbortSignal.any([exit, signal]);
  while (isAlive(identity) && !exit.aborted) {
    await clock.sleep(POLL_MS, either).catch(() => {});
    signal.throwIfAborted();
    rotateLog(logFile);
  }
}
