// Turns raw log lines into what the client asked for: since when, which stream, with times or not, how many bytes.
import { padTime, parseCriLogLine } from "./cri-log-line.ts";

/** The part of v1.PodLogOptions that changes each line, rather than which lines there are. */
export interface LogFormat {
  /** Lines before this time (milliseconds since the epoch) are left out. */
  readonly sinceMs?: number | undefined;
  readonly stream?: "stdout" | "stderr" | undefined;
  readonly timestamps?: boolean | undefined;
  /** The output ends after so many bytes. */
  readonly limitBytes?: number | undefined;
}

const NEWLINE = Buffer.from("\n");

/** One per answer, as the byte limit and continued lines go across batches. */
export class LogFormatter {
  private readonly format: LogFormat;
  private remaining: number;
  /** By stream: the next entry continues a line that has its time already. */
  private readonly continues = { stdout: false, stderr: false };

  constructor(format: LogFormat) {
    this.format = format;
    this.remaining = format.limitBytes ?? Number.POSITIVE_INFINITY;
  }

  /** The byte limit is reached: nothing more will come. */
  get isFull(): boolean {
    return this.remaining <= 0;
  }

  /** Adds the output of one raw line (without its newline) to `out`; returns how many bytes. */
  push(raw: Buffer, out: Buffer[]): number {
    const line = parseCriLogLine(raw);
    if (!line) return 0;
    const { sinceMs, stream, timestamps } = this.format;
    if (stream && line.stream !== stream) return 0;
    if (sinceMs !== undefined && Date.parse(line.time) < sinceMs) return 0;
    const isContinued = this.continues[line.stream];
    this.continues[line.stream] = line.isPartial;
    let size = 0;
    if (timestamps && !isContinued) size += this.add(Buffer.from(`${padTime(line.time)} `), out);
    size += this.add(line.content, out);
    return line.isPartial ? size : size + this.add(NEWLINE, out);
  }

  private add(piece: Buffer, out: Buffer[]): number {
    const taken = piece.length > this.remaining ? piece.subarray(0, this.remaining) : piece;
    this.remaining -= taken.length;
    if (taken.length > 0) out.push(taken);
    return taken.length;
  }
}
