// A container's last words: the file it left them in or, where its policy says so, the end of its log.
import { open } from "node:fs/promises";
import type { RuntimeContainer } from "./runtime-pod.ts";

/** Upstream's limits: a file's last 4096 bytes; of a log 80 lines and 2048 bytes. */
const MAX_MESSAGE_BYTES = 4096;
const MAX_LOG_BYTES = 2048;
const MAX_LOG_LINES = 80;
/** Enough for those bytes in the log's format, whose entries the runtime cuts at 16 KiB. */
const MAX_RAW_LOG_BYTES = 64 * 1024;

/** The message of an exited container; empty when it left none. */
export async function terminationMessage(container: RuntimeContainer): Promise<string> {
  const file = container.terminationMessageFile;
  const message = file ? await readEnd(file, MAX_MESSAGE_BYTES) : "";
  if (message !== "" || container.terminationMessagePolicy !== "FallbackToLogsOnError") return message;
  if (container.exitCode === 0 || !container.logPath) return "";
  return lastLogLines(await readEnd(container.logPath, MAX_RAW_LOG_BYTES));
}

/** The text of the last lines of a log in the CRI's format. */
export function lastLogLines(raw: string): string {
  const lines = raw.split("\n").filter((line) => line !== "");
  const texts = lines.slice(-MAX_LOG_LINES).map((line) => /^\S+ \S+ ([PF])\S* (.*)$/s.exec(line));
  const text = texts.map((match) => (match ? `${match[2]}${match[1] === "F" ? "\n" : ""}` : "")).join("");
  return Buffer.from(text).subarray(-MAX_LOG_BYTES).toString("utf8");
}

async function readEnd(path: string, maxBytes: number): Promise<string> {
  const handle = await open(path).catch(() => undefined);
  if (!handle) return "";
  try {
    const { size } = await handle.stat();
    const length = Math.min(size, maxBytes);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.subarray(0, bytesRead).toString("utf8");
  } finally {
    await handle.close();
  }
}
