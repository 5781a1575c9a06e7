// The log of one container as its client wants it, to the present end or, followed, until the container is done.
import { stat } from "node:fs/promises";
import type { Clock } from "@skiff/component-base/clock.ts";
import { FileChanges } from "./file-changes.ts";
import { LogFile } from "./log-file.ts";
import type { LogFormat } from "./log-formatter.ts";
import { LogFormatter } from "./log-formatter.ts";

/** `path` is the file that the runtime writes now; its rotated parts are not read. */
export interface LogRequest extends LogFormat {
  readonly path: string;
  readonly follow?: boolean | undefined;
  readonly tailLines?: number | undefined;
}

export interface LogDeps {
  /** False once the container has exited or is gone: its log is then complete. */
  readonly isRunning: () => Promise<boolean>;
  readonly clock: Pick<Clock, "after" | "monotonic">;
}

/** How often a followed container is looked at, and its log where the file system reports no changes. */
const POLL_MS = 1000;

/** Opens the log, so that a missing file rejects here; the pieces then come as they are asked for. */
export async function readLog(
  request: LogRequest,
  deps: LogDeps,
  signal: AbortSignal,
): Promise<AsyncGenerator<Buffer>> {
  const first = await LogFile.open(request.path, request.tailLines);
  return pieces(request, first, deps, signal);
}

async function* pieces(
  request: LogRequest,
  first: LogFile,
  deps: LogDeps,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const formatter = new LogFormatter(request);
  let file = first;
  // Watched before the first read, so that no change falls between the two.
  using changes = new FileChanges(request.path, deps.clock);
  try {
    yield* drain(file, formatter);
    let isDone = request.follow !== true;
    while (!isDone && !formatter.isFull && !signal.aborted) {
      isDone = !(await nextLook(changes, deps, signal));
      yield* drain(file, formatter);
      const rotated = await openRotated(request.path, file);
      if (!rotated) continue;
      // The runtime may have written to the old file until it opened the new one.
      yield* drain(file, formatter);
      await file[Symbol.asyncDispose]();
      file = rotated;
      yield* drain(file, formatter);
    }
    const out: Buffer[] = [];
    if (!signal.aborted && formatter.push(file.takeRest(), out) > 0) yield Buffer.concat(out);
  } finally {
    await file[Symbol.asyncDispose]();
  }
}

async function* drain(file: LogFile, formatter: LogFormatter): AsyncGenerator<Buffer> {
  for await (const entries of file.entries()) {
    const out: Buffer[] = [];
    let size = 0;
    for (const entry of entries) {
      if (formatter.isFull) break;
      size += formatter.push(entry, out);
    }
    if (size > 0) yield Buffer.concat(out, size);
    if (formatter.isFull) return;
  }
}

/** Waits for a change; true while the container may write more. */
async function nextLook(changes: FileChanges, deps: LogDeps, signal: AbortSignal): Promise<boolean> {
  await changes.next(POLL_MS, signal);
  if (signal.aborted || !changes.isPollDue(POLL_MS)) return true;
  return deps.isRunning();
}

/** The new file under the log's path, if the runtime has opened one. */
async function openRotated(path: string, current: LogFile): Promise<LogFile | undefined> {
  try {
    if ((await stat(path)).ino === current.inode) return undefined;
    return await LogFile.open(path);
  } catch (error) {
    // Renamed away, and the new one has not come yet; or removed with its pod.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
