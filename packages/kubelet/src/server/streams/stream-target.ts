// What the path and query of a streaming request ask of the container runtime. Pure.
import { HttpError } from "../http-error.ts";

interface Target {
  readonly namespace: string;
  readonly pod: string;
  readonly uid: string | undefined;
}

/** Which call of the runtime, with its arguments. */
export type StreamTarget =
  | (Target & { readonly kind: "exec"; readonly container: string; readonly cmd: string[]; readonly streams: Streams })
  | (Target & { readonly kind: "attach"; readonly container: string; readonly streams: Streams })
  | (Target & { readonly kind: "portForward"; readonly ports: number[] });

/** Which of a process' streams the client wants. */
export interface Streams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

const STREAM_ROOT = /^\/(exec|attach|portForward)\//;

/** Whether an upgrade may be asked for at this path. */
export function isStreamPath(url: string): boolean {
  return STREAM_ROOT.test(url);
}

/** Throws HttpError 404 for a path of another form, 400 for a query that asks for nothing. */
export function parseStreamTarget(path: string, query: URLSearchParams, isWebSocket: boolean): StreamTarget {
  const [kind, namespace, pod, ...rest] = path.split("/").slice(1).map(decodePart);
  if (!namespace || !pod) throw notFound();
  if (kind === "portForward") {
    if (rest.length > 1) throw notFound();
    return { kind, namespace, pod, uid: rest[0], ports: isWebSocket ? parsePorts(query.getAll("port")) : [] };
  }
  const container = rest.at(-1);
  if (!container || rest.length > 2) throw notFound();
  const target = { namespace, pod, container, uid: rest.length === 2 ? rest[0] : undefined };
  const streams = parseStreams(query);
  if (kind === "attach") return { ...target, kind, streams };
  if (kind === "exec") return { ...target, kind, cmd: query.getAll("command"), streams };
  throw notFound();
}

function parseStreams(query: URLSearchParams): Streams {
  const has = (name: string) => ["1", "true"].includes(query.get(name) ?? "");
  const tty = has("tty");
  // A terminal has one output.
  const streams = { stdin: has("input"), stdout: has("output"), stderr: has("error") && !tty, tty };
  if (streams.stdin || streams.stdout || streams.stderr) return streams;
  throw new HttpError(400, "you must specify at least 1 of stdin, stdout, stderr");
}

/** A WebSocket client names its ports beforehand; SPDY names them per stream. */
function parsePorts(texts: readonly string[]): number[] {
  if (texts.length === 0) throw new HttpError(400, 'query parameter "port" is required');
  return texts
    .flatMap((text) => text.split(","))
    .map((text) => {
      const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
      if (port >= 1 && port <= 65_535) return port;
      throw new HttpError(400, `unable to parse "${text}" as a port`);
    });
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new HttpError(400, "the path is not properly encoded");
  }
}

function notFound(): HttpError {
  return new HttpError(404, "404 page not found");
}
