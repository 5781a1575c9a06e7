// A small state file that survives the kubelet: replaced as a whole, one write at a time, the newest state always.
import { mkdirSync, renameSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Each write goes to a file beside it, is flushed, and takes its place: a crash leaves the old state or the new one.
 * A failed write goes to `onError`, and the next save tries again.
 */
export class CheckpointFile {
  private readonly path: string;
  private readonly onError: (error: unknown) => void;
  private pending: string | undefined;
  private last: string | undefined;
  private writing: Promise<void> | undefined;

  constructor(path: string, onError: (error: unknown) => void) {
    this.path = path;
    this.onError = onError;
  }

  /** What the file holds; undefined where there is none. */
  async read(): Promise<string | undefined> {
    try {
      this.last = await readFile(this.path, "utf8");
      return this.last;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Returns at once. What was to be written when a newer text comes is skipped. */
  save(text: string): void {
    this.pending = text;
    this.writing ??= this.drain().finally(() => {
      this.writing = undefined;
    });
  }

  /** Resolves once everything that was saved is on disk, or has failed. */
  async flushed(): Promise<void> {
    await this.writing;
  }

  private async drain(): Promise<void> {
    while (this.pending !== undefined) {
      const text = this.pending;
      this.pending = undefined;
      if (text === this.last) continue;
      try {
        await this.replace(text);
        this.last = text;
      } catch (error) {
        this.onError(error);
      }
    }
  }

  private async replace(text: string): Promise<void> {
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o750 });
    const temporary = `${this.path}.tmp`;
    await writeFile(temporary, text, { mode: 0o600, flush: true });
    renameSync(temporary, this.path);
  }
}
