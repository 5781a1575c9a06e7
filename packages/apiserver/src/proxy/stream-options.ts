// Query parameters of log, exec, attach and port-forward, as the kubelet wants them.

import type { FieldError } from "@skiff/api/errors.ts";
import { badRequest, invalid } from "@skiff/api/errors.ts";
import { forbiddenField, invalidValue, notSupported, root } from "@skiff/api/validation/path.ts";

/** Upstream's conversion: present means true unless it says `false` or `0`. */
export function isSet(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && value.toLowerCase() !== "false" && value !== "0";
}

/** For exec and attach; the kubelet calls the streams input, output and error. */
export function streamQuery(query: URLSearchParams, withCommand: boolean): URLSearchParams {
  const out = new URLSearchParams();
  if (withCommand) for (const part of query.getAll("command")) out.append("command", part);
  if (isSet(query, "stdin")) out.set("input", "1");
  if (isSet(query, "stdout")) out.set("output", "1");
  if (isSet(query, "stderr")) out.set("error", "1");
  if (isSet(query, "tty")) out.set("tty", "1");
  return out;
}

/** WebSocket clients name their ports in the query, SPDY clients in their streams. */
export function portForwardQuery(query: URLSearchParams): URLSearchParams {
  const ports = query.getAll("ports");
  return ports.length > 0 ? new URLSearchParams({ port: ports.join(",") }) : new URLSearchParams();
}

/** The smallest value of each: `--tail=0` shows only what is new, while no bytes or no seconds make no sense. */
const COUNTS = { tailLines: 0, limitBytes: 1, sinceSeconds: 1 } as const;
/** PodLogOptions.stream; apart from each other they cannot be cut to a number of lines. */
const STREAMS = ["All", "Stdout", "Stderr"];

/** Throws Invalid for options that make no sense. */
export function logQuery(query: URLSearchParams, pod: string): URLSearchParams {
  const errors: FieldError[] = [];
  const out = new URLSearchParams();
  for (const flag of ["follow", "previous", "timestamps"]) if (isSet(query, flag)) out.set(flag, "true");
  for (const [name, least] of Object.entries(COUNTS)) {
    const text = query.get(name);
    if (!text) continue;
    if (!/^-?\d{1,18}$/.test(text))
      throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
    if (Number(text) < least) {
      const why = least === 0 ? "must be greater than or equal to 0" : "must be greater than 0";
      errors.push(invalidValue(root(name), Number(text), why));
    } else out.set(name, text);
  }
  collectSince(query, out, errors);
  collectStream(query, out, errors);
  if (errors.length > 0) throw invalid("", "PodLogOptions", pod, errors);
  return out;
}

function collectSince(query: URLSearchParams, out: URLSearchParams, errors: FieldError[]): void {
  const sinceTime = query.get("sinceTime");
  if (!sinceTime) return;
  if (query.get("sinceSeconds")) {
    errors.push(forbiddenField(root(), "at most one of `sinceTime` or `sinceSeconds` may be specified"));
  } else if (Number.isNaN(Date.parse(sinceTime))) {
    errors.push(invalidValue(root("sinceTime"), sinceTime, "must be a time in RFC 3339 format"));
  } else out.set("sinceTime", sinceTime);
}

function collectStream(query: URLSearchParams, out: URLSearchParams, errors: FieldError[]): void {
  const stream = query.get("stream");
  if (!stream) return;
  if (!STREAMS.includes(stream)) errors.push(notSupported(root("stream"), stream, STREAMS));
  else if (stream !== "All" && query.get("tailLines")) {
    errors.push(forbiddenField(root(), "`tailLines` and specific `stream` are mutually exclusive for now"));
  } else out.set("stream", stream);
}
