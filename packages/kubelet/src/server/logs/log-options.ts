// The query of a log request (v1.PodLogOptions), checked as upstream's kubelet checks it. Pure.
import { HttpError } from "../http-error.ts";
import type { LogFormat } from "./log-formatter.ts";

/** `tailLines` is undefined for the whole log. */
export interface LogOptions extends LogFormat {
  readonly follow: boolean;
  readonly previous: boolean;
  readonly tailLines: number | undefined;
}

/** The API's words for the streams. */
const STREAMS: Readonly<Record<string, LogFormat["stream"]>> = { All: undefined, Stdout: "stdout", Stderr: "stderr" };

/** Throws HttpError 400 for what cannot be read and 422 for what makes no sense. */
export function parseLogOptions(query: URLSearchParams, nowMs: number): LogOptions {
  const stream = query.get("stream") || "All";
  const tailLines = parseCount(query.get("tailLines"), 0);
  if (!(stream in STREAMS)) throw invalid();
  // As upstream: the tail is counted over both streams.
  if (tailLines !== undefined && stream !== "All") throw invalid();
  return {
    follow: parseFlag(query.get("follow")),
    previous: parseFlag(query.get("previous")),
    timestamps: parseFlag(query.get("timestamps")),
    tailLines,
    limitBytes: parseCount(query.get("limitBytes"), 1),
    sinceMs: parseSince(query, nowMs),
    stream: STREAMS[stream],
  };
}

function parseFlag(text: string | null): boolean {
  // Go's query decoding takes any other word for true as well, the empty one included.
  return text !== null && text !== "false" && text !== "0";
}

function parseCount(text: string | null, least: number): number | undefined {
  if (text === null || text === "") return undefined;
  if (!/^[+-]?\d{1,19}$/.test(text)) throw new HttpError(400, '{"message": "Unable to decode query."}');
  const value = Number(text);
  if (value < least) throw invalid();
  return value;
}

function parseSince(query: URLSearchParams, nowMs: number): number | undefined {
  const seconds = parseCount(query.get("sinceSeconds"), 1);
  const time = query.get("sinceTime");
  if (seconds !== undefined && time) throw invalid();
  if (seconds !== undefined) return nowMs - seconds * 1000;
  if (!time) return undefined;
  const sinceMs = Date.parse(time);
  if (Number.isNaN(sinceMs)) throw new HttpError(400, '{"message": "Unable to decode query."}');
  return sinceMs;
}

function invalid(): HttpError {
  return new HttpError(422, '{"message": "Invalid request."}');
}
