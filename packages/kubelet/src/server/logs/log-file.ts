// An open log file that is read entry by entry from where the last read ended.

import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { findTail } from "./find-tail.ts";

/** What is held of a log at a time. */
const CHUNK_BYTES = 64 * 1024;
/** Runtimes cut lines at 16 KiB; what is longer than this is no log and is skipped. */
const MAX_ENTRY_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;

/** Holds the file open: after a rotation it still reads the old one to its end. */
export class LogFile implements AsyncDisposable {
  readonly inode: number;
  private readonly file: FileHandle;
  private position: number;
  /** The beginning of an entry whose end has not been written yet. */
  private pending: Buffer = Buffer.alloc(0);

  private constructor(file: FileHandle, inode: number, position: number) {
    this.file = file;
    this.inode = inode;
    this.position = position;
  }

  /** With `tailLines` reading starts so many lines before the end. */
  static async open(path: string, tailLines?: number): Promise<LogFile> {
    const file = await open(path, "r");
    try {
      const { ino, size } = await file.stat();
      return new LogFile(file, ino, tailLines === undefined ? 0 : await findTail(file, size, tailLines));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Batches of whole entries, without their newlines, up to the present end. They are valid until the next batch. */
  async *entries(): AsyncGenerator<Buffer[]> {
    await this.rewindWhenCut();
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    for (;;) {
      const { bytesRead } = await this.file.read(chunk, 0, CHUNK_BYTES, this.position);
      if (bytesRead === 0) return;
      this.position += bytesRead;
      const { entries, rest } = splitEntries(Buffer.concat([this.pending, chunk.subarray(0, bytesRead)]));
      this.pending = rest.length > MAX_ENTRY_BYTES ? Buffer.alloc(0) : rest;
      if (entries.length > 0) yield entries;
    }
  }

  /** What stands behind the last newline once no more will be written. */
  takeRest(): Buffer {
    const rest = this.pending;
    this.pending = Buffer.alloc(0);
    return rest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.file.close();
  }

  private async rewindWhenCut(): Promise<void> {
    // Some rotate by copying the file and emptying it.
    if ((await this.file.stat()).size >= this.position) return;
    this.position = 0;
    this.pending = Buffer.alloc(0);
  }
}

function splitEntries(text: Buffer): { entries: Buffer[]; rest: Buffer } {
  const entries: Buffer[] = [];
  let from = 0;
  for (let at = text.indexOf(NEWLINE); at >= 0; at = text.indexOf(NEWLINE, from)) {
    entries.push(text.subarray(from, at));
    from = at + 1;
  }
  return { entries, rest: text.subarray(from) };
}
