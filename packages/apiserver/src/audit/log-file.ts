// Where audit events go on disk: one JSON line each, in a file that is put aside when it is full.

import { createReadStream, createWriteStream } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { mkdir, open, readdir, rename, stat, unlink } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import type { Clock } from "@skiff/component-base/clock.ts";

/** Where the log is and when it is put aside: --audit-log-*. */
export interface LogFileOptions {
  /** `-` is standard output. */
  readonly path: string;
  readonly maxBytes: number;
  /** Files put aside that are kept; 0 keeps all. */
  readonly maxBackups: number;
  /** How old they may become; 0 keeps them for ever. */
  readonly maxAgeDays: number;
  /** Whether files put aside become .gz files. */
  readonly compress: boolean;
}

/** One writer at a time: rotation counts on it. */
export class LogFile {
  private readonly options: LogFileOptions;
  private readonly clock: Clock;
  private file: FileHandle | undefined;
  private size = 0;

  constructor(options: LogFileOptions, clock: Clock) {
    this.options = options;
    this.clock = clock;
  }

  /** Rejects when the file cannot be had. */
  async open(): Promise<void> {
    if (this.options.path === "-") return;
    await mkdir(dirname(this.options.path), { recursive: true });
    // Who reads it reads what every user did.
    this.file = await open(this.options.path, "a", 0o600);
    this.size = (await this.file.stat()).size;
  }

  async write(lines: readonly string[]): Promise<void> {
    const bytes = Buffer.from(`${lines.join("\n")}\n`);
    if (this.options.path === "-") return void process.stdout.write(bytes);
    if (this.size > 0 && this.size + bytes.length > this.options.maxBytes) await this.rotate();
    if (!this.file) await this.open();
    // Counted before it is written: a write that breaks off half-way has grown the file as well.
    this.size += bytes.length;
    await this.file?.writeFile(bytes);
  }

  async close(): Promise<void> {
    await this.file?.close();
    this.file = undefined;
  }

  private async rotate(): Promise<void> {
    await this.close();
    const backup = backupName(this.options.path, this.clock.now());
    // Somebody else may have moved the file, as logrotate does.
    await rename(this.options.path, backup).catch(ignoreMissing);
    await this.open();
    if (this.options.compress) await compressFile(backup).catch(ignoreMissing);
    await this.removeOld();
  }

  private async removeOld(): Promise<void> {
    const { path, maxBackups, maxAgeDays } = this.options;
    const backups = (await readdir(dirname(path))).filter(backupTest(path)).sort().reverse();
    const tooMany = maxBackups > 0 ? backups.slice(maxBackups) : [];
    const oldest = this.clock.now() - maxAgeDays * DAY_MS;
    for (const name of backups) {
      const file = join(dirname(path), name);
      const isOld = maxAgeDays > 0 && (await stat(file)).mtimeMs < oldest;
      if (isOld || tooMany.includes(name)) await unlink(file).catch(ignoreMissing);
    }
  }
}

/** Under another name until it is whole. */
async function compressFile(path: string): Promise<void> {
  const partial = `${path}.gz.partial`;
  await pipeline(createReadStream(path), createGzip(), createWriteStream(partial, { mode: 0o600 }));
  await rename(partial, `${path}.gz`);
  await unlink(path);
}

const DAY_MS = 86_400_000;

/** `audit-2026-01-02T03-04-05.678.log`, as upstream's are called. */
export function backupName(path: string, nowMs: number): string {
  const ending = extname(path);
  const time = new Date(nowMs).toISOString().slice(0, -1).replaceAll(":", "-");
  return join(dirname(path), `${basename(path, ending)}-${time}${ending}`);
}

function backupTest(path: string): (name: string) => boolean {
  const ending = extname(path);
  const start = `${basename(path, ending)}-`;
  return (name) => {
    const plain = name.replace(/\.gz$/, "");
    const time = plain.slice(start.length, plain.length - ending.length);
    return plain.startsWith(start) && plain.endsWith(ending) && TIME.test(time);
  };
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}$/;

function ignoreMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
}
