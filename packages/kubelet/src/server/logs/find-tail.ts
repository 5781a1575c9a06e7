// Where the last N lines of a log file begin, found by reading from its end.
import type { FileHandle } from "node:fs/promises";
import { parseCriLogLine } from "./cri-log-line.ts";

/** Read backwards in such blocks: `kubectl logs --tail` must not read a gigabyte for ten lines. */
const BLOCK_BYTES = 64 * 1024;
/** Time, stream and tags fit into this many bytes, and so tell whether an entry ends a line. */
const HEAD_BYTES = 128;
const NEWLINE = 0x0a;

/** The offset of the first entry of the last `lines` lines; entries into which the runtime cut a line count as one. */
export async function findTail(file: Pick<FileHandle, "read">, size: number, lines: number): Promise<number> {
  let wanted = lines;
  let after = size;
  // The first bytes behind the block at hand, for entries whose head crosses its end.
  let behind: Buffer = Buffer.alloc(0);
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - BLOCK_BYTES);
    const block = await readBlock(file, start, end - start);
    const text = Buffer.concat([block, behind]);
    for (const at of entriesFromEnd(text, block.length, start === 0)) {
      // The newline at the very end closes the last entry and opens none.
      if (start + at === size) continue;
      const isNewest = after === size;
      if (isNewest || endsLine(text, at)) wanted -= 1;
      if (wanted < 0) return after;
      after = start + at;
    }
    behind = text.subarray(0, HEAD_BYTES);
    end = start;
  }
  return 0;
}

/** Offsets at which entries begin within the first `length` bytes, the last first. */
function* entriesFromEnd(text: Buffer, length: number, fromFileStart: boolean): Generator<number> {
  for (let at = length; at > 0; ) {
    const newline = text.lastIndexOf(NEWLINE, at - 1);
    if (newline < 0) break;
    yield newline + 1;
    at = newline;
  }
  if (fromFileStart) yield 0;
}

/** Whether the entry that begins at `at` completes a line; a partial one is continued by the next. */
function endsLine(text: Buffer, at: number): boolean {
  const head = text.subarray(at, at + HEAD_BYTES);
  const newline = head.indexOf(NEWLINE);
  return parseCriLogLine(newline < 0 ? head : head.subarray(0, newline))?.isPartial === false;
}

async function readBlock(file: Pick<FileHandle, "read">, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, position + filled);
    // The file was cut while it was read; what is missing reads as empty entries.
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer;
}
