// Keeps the logs of running containers small: rotates what has grown too large, compresses what is older, drops the rest.
import { createReadStream, createWriteStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { CriClient } from "../cri/cri-client.ts";
import type { RuntimePod } from "../runtime/runtime-pod.ts";
import { rotatedLogs } from "./log-paths.ts";

/** From the configuration. */
export interface LogRotatorOptions {
  /** Bytes from which on a log is rotated; negative for never. */
  readonly maxSize: number;
  /** Files of one log, the one that is written to among them; more than 1. */
  readonly maxFiles: number;
  readonly intervalMs: number;
  /** Logs that are rotated at once. */
  readonly workers: number;
}

export interface LogRotatorDeps {
  readonly cri: Pick<CriClient, "reopenContainerLog">;
  readonly clock: Clock;
  readonly log: Logger;
  pods(): readonly RuntimePod[];
}

const COMPRESSED = ".gz";
/** Of a compressed part that is being written: a crash leaves it, and the next rotation removes it. */
const UNFINISHED = ".tmp";

interface OpenLog {
  readonly id: string;
  readonly path: string;
}

/**
 * The runtime writes the logs and never shortens them, so the kubelet renames a large one and asks the runtime to
 * open the file anew. `kubectl logs` reads the open file only.
 */
export class LogRotator {
  private readonly options: LogRotatorOptions;
  private readonly deps: LogRotatorDeps;

  constructor(options: LogRotatorOptions, deps: LogRotatorDeps) {
    this.options = options;
    this.deps = deps;
  }

  /** Works until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.options.maxSize < 0) return;
    while (!signal.aborted) {
      await this.deps.clock.sleep(this.options.intervalMs, signal).catch(() => {});
      if (!signal.aborted) await this.rotateAll();
    }
  }

  /** Rotates every log that has grown too large. */
  async rotateAll(): Promise<void> {
    const due: OpenLog[] = [];
    for (const pod of this.deps.pods()) {
      for (const { id, state, logPath } of pod.containers) {
        if (state === "running" && logPath && (await this.isDue(id, logPath))) due.push({ id, path: logPath });
      }
    }
    const work = async () => {
      for (let next = due.shift(); next; next = due.shift()) await this.attempt(next);
    };
    await Promise.all(Array.from({ length: Math.min(this.options.workers, due.length) }, work));
  }

  private async isDue(id: string, path: string): Promise<boolean> {
    try {
      return (await stat(path)).size > this.options.maxSize;
    } catch {
      // The last pass may have ended between renaming and reopening; the runtime then makes the file anew.
      await this.deps.cri.reopenContainerLog(id).catch(() => {});
      return false;
    }
  }

  private async attempt(log: OpenLog): Promise<void> {
    try {
      await this.rotate(log);
    } catch (error) {
      this.deps.log.warn({ err: error, path: log.path }, "log could not be rotated, trying again");
    }
  }

  private async rotate({ id, path }: OpenLog): Promise<void> {
    const { keep, remove } = planRotated(await rotatedLogs(path), this.options.maxFiles);
    for (const old of remove) await rm(old, { force: true });
    // Older parts are compressed; the newest stays as it is for those that still read it.
    for (const old of keep) if (!old.endsWith(COMPRESSED)) await compress(old);
    const rotated = `${path}.${stamp(this.deps.clock.now())}`;
    await rename(path, rotated);
    try {
      await this.deps.cri.reopenContainerLog(id);
    } catch (error) {
      // The runtime writes on into the old file, so it must keep its name.
      await rename(rotated, path);
      throw error;
    }
  }
}

/** Which rotated parts stay, so that with the open log and the one about to be rotated there are `maxFiles`. */
export function planRotated(paths: readonly string[], maxFiles: number): { keep: string[]; remove: string[] } {
  const unfinished = paths.filter((path) => path.endsWith(UNFINISHED));
  const complete = paths.filter((path) => !path.endsWith(UNFINISHED));
  // A crash between compressing and removing leaves both; the compressed one is whole.
  const doubled = complete.filter((path) => complete.includes(`${path}${COMPRESSED}`));
  const whole = complete.filter((path) => !doubled.includes(path)).sort();
  const surplus = Math.max(0, whole.length - (maxFiles - 2));
  return { keep: whole.slice(surplus), remove: [...unfinished, ...doubled, ...whole.slice(0, surplus)] };
}

async function compress(path: string): Promise<void> {
  const unfinished = `${path}${UNFINISHED}`;
  await pipeline(createReadStream(path), createGzip(), createWriteStream(unfinished, { mode: 0o640 }));
  await rename(unfinished, `${path}${COMPRESSED}`);
  await rm(path);
}

/** `20060102-150405`, so that names sort by time. */
function stamp(epochMs: number): string {
  const digits = new Date(epochMs).toISOString().replace(/[-:]/g, "");
  return digits.slice(0, 15).replace("T", "-");
}
