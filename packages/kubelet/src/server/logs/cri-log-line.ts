// One line of a container's log file as CRI runtimes write it: `TIME STREAM TAGS CONTENT`.

/** One entry. A line of the container that is longer than 16 KiB is several of them. */
export interface CriLogLine {
  /** RFC 3339 with up to nine fractional digits, as the runtime wrote it. */
  readonly time: string;
  readonly stream: "stdout" | "stderr";
  /** The runtime cut the container's line here; the next entry of the stream continues it. */
  readonly isPartial: boolean;
  /** Without the newline. */
  readonly content: Buffer;
}

const SPACE = 0x20;

/** Undefined for a line that no runtime wrote whole: after a crash of the machine there may be such. */
export function parseCriLogLine(line: Buffer): CriLogLine | undefined {
  const timeEnd = line.indexOf(SPACE);
  const streamEnd = line.indexOf(SPACE, timeEnd + 1);
  if (timeEnd < 1 || streamEnd < 0) return undefined;
  const found = line.indexOf(SPACE, streamEnd + 1);
  // An empty content may come without the space before it.
  const tagsEnd = found < 0 ? line.length : found;
  const time = line.toString("latin1", 0, timeEnd);
  const stream = line.toString("latin1", timeEnd + 1, streamEnd);
  if (stream !== "stdout" && stream !== "stderr") return undefined;
  if (!/^\d{4}-\d\d-\d\dT/.test(time)) return undefined;
  // Tags are joined by colons; only the first has a meaning so far.
  const [tag] = line.toString("latin1", streamEnd + 1, tagsEnd).split(":");
  return { time, stream, isPartial: tag === "P", content: line.subarray(Math.min(tagsEnd + 1, line.length)) };
}

/** The time with nine fractional digits, so that prefixes of all lines are equally long. */
export function padTime(time: string): string {
  const parts = time.match(/^([^.Z+]{19})(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/);
  return parts ? `${parts[1]}.${(parts[2] ?? "").padEnd(9, "0")}${parts[3]}` : time;
}
