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
/** The server knows no better. */
export const UNKNOWN = 2;
/** The call took too long; whether the server did what it was asked for is not known. */
export const DEADLINE_EXCEEDED = 4;
/** What the call names is not there. */
export const NOT_FOUND = 5;
/** Some bound was met. */
export const RESOURCE_EXHAUSTED = 8;
/** Another call was in the way. */
export const ABORTED = 10;
/** The server does not know the call. */
export const UNIMPLEMENTED = 12;
/** The connection is to blame; whether the server did what it was asked for is not known. */
export const UNAVAILABLE = 14;

/** As Go prints it: `DeadlineExceeded`. */
export function codeName(code: number): string {
  return CODE_NAMES[code] ?? `Code(${code})`;
}

/** By number. */
const CODE_NAMES: readonly string[] = [
  "OK",
  "Canceled",
  "Unknown",
  "InvalidArgument",
  "DeadlineExceeded",
  "NotFound",
  "AlreadyExists",
  "PermissionDenied",
  "ResourceExhausted",
  "FailedPrecondition",
  "Aborted",
  "OutOfRange",
  "Unimplemented",
  "Internal",
  "Unavailable",
  "DataLoss",
  "Unauthenticated",
];
