// The failure of a request that never got an answer: refused, reset, timed out, unreadable.

/** What the server did with a write that ended so is unknown: read before you repeat it. */
export class ConnectionError extends Error {
  /** The system's or the HTTP library's code: `ECONNREFUSED`, `UND_ERR_SOCKET` … */
  readonly code: string;

  constructor(message: string, code: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ConnectionError";
    this.code = code;
  }
}

/** The codes of a connection that the other side closed, as happens to idle keep-alive connections. */
const RESET_CODES: ReadonlySet<string> = new Set(["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"]);

/** Whether a request may have met a connection that was closed before the server read it. */
export function wasReset(error: unknown): boolean {
  return error instanceof ConnectionError && RESET_CODES.has(error.code);
}

/** The other side said nothing for longer than the request allows. */
export function wasIdle(error: unknown): boolean {
  return error instanceof ConnectionError && error.code === "UND_ERR_BODY_TIMEOUT";
}

/** Wraps what the network or undici threw while doing `what`. Callers look for an abort of theirs first. */
export function toConnectionError(error: unknown, what: string): ConnectionError {
  if (error instanceof ConnectionError) return error;
  const code = codeOf(error);
  const why = error instanceof Error ? error.message || code : String(error);
  return new ConnectionError(`${what}: ${why}`, code, { cause: error });
}

function codeOf(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  // Happy-eyeballs failures hide the codes one level down.
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  return "UNKNOWN";
}
