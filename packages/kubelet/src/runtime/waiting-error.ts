// Why a container cannot start yet: becomes its `waiting` state and, later, another try.

/** The message is what kubectl shows beside the reason. */
export class WaitingError extends Error {
  /** Upstream's CamelCase reason. */
  readonly reason: string;
  /** When another try makes sense. */
  readonly retryMs: number;

  constructor(reason: string, message: string, options: { retryMs: number; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.reason = reason;
    this.retryMs = options.retryMs;
  }
}
