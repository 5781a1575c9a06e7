// A program's log file: appended to by the program itself, cut by the supervisor once it is too long.
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, readSync, statSync, truncateSync } from "node:fs";
import { dirname } from "node:path";

/** One old file is kept, so a program's logs take twice this at most. */
const MAX_LOG_BYTES = 16 * 1024 * 1024;

/** A descriptor in append mode: a cut file then grows from its start again instead of from the old offset. */
export function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true });
  return openSync(path, "a", 0o640);
}

/** Keeps the text so far as `PATH.1` and starts over, once the file is larger than `maxBytes`. */
export function rotateLog(path: string, maxBytes = MAX_LOG_BYTES): boolean {
  if (!existsSync(path) || statSync(path).size <= maxBytes) return false;
  copyFileSync(path, `${path}.1`);
  truncateSync(path);
  return true;
}

/** The last lines of a log, at most `lines`. */
export function tailLog(path: string, lines: number): string {
  if (!existsSync(path)) return "";
  const size = statSync(path).size;
  const length = Math.min(size, 16_384);
  const buffer = Buffer.alloc(length);
  const file = openSync(path, "r");
  readSync(file, buffer, 0, length, size - length);
  closeSync(file);
  return buffer.toString("utf8").trimEnd().split("\n").slice(-lines).join("\n");
}
