// How a gRPC call fails.

/** `code` is gRPC's status: the server's own, or one of those below. The text is the server's, or says what broke. */
export class GrpcError extends Error {
  readonly code: number;

  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "GrpcError";
    this.code = code;
  }
}

/** Its caller gave the call up. */
export const CANCELLED = 1;
/** The call took too long; whether the server did what it was asked for is not known. */
export const DEADLINE_EXCEEDED = 4;
/** The server does not know the call. */
export const UNIMPLEMENTED = 12;
/** The connection is to blame; whether the server did what it was asked for is not known. */
export const UNAVAILABLE = 14;
