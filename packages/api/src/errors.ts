// The one error family that crosses program boundaries, and its form on the wire (metav1.Status).
import type { Status, StatusCause, StatusDetails } from "../generated/types.ts";

/** An expected refusal by the API: `code` is the HTTP status, `reason` upstream's machine-readable word (empty where it has none). */
export class ApiError extends Error {
  readonly code: number;
  readonly reason: string;
  readonly details: StatusDetails | undefined;
  /** Seconds to wait, sent as Retry-After. */
  readonly retryAfterSeconds: number | undefined;

  constructor(code: number, reason: string, message: string, details?: StatusDetails, options?: ErrorOptions) {
    super(message, options);
    this.name = "ApiError";
    this.code = code;
    this.reason = reason;
    this.details = details;
    this.retryAfterSeconds = details?.retryAfterSeconds;
  }

  toStatus(): Status {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: this.message,
      ...(this.reason ? { reason: this.reason } : {}),
      ...(this.details ? { details: this.details } : {}),
      code: this.code,
    };
  }
}

/** The error that a Status answer stands for: what the server threw and the client throws are the same. */
export function errorFromStatus(status: Status): ApiError {
  return new ApiError(
    status.code ?? 500,
    status.reason ?? "Unknown",
    status.message ?? "unknown error",
    status.details,
  );
}

/** By the reason, which says more than the code: 409 is Conflict or AlreadyExists. */
export function isApiError(error: unknown, reason: string): error is ApiError {
  return error instanceof ApiError && error.reason === reason;
}

/** 404: the object, its resource or its namespace is not there. */
export const isNotFound = (error: unknown) => isApiError(error, "NotFound");
/** 409: somebody else has written in between; read again and retry. */
export const isConflict = (error: unknown) => isApiError(error, "Conflict");
/** 409: the name is taken, which a retry of one's own create may find too. */
export const isAlreadyExists = (error: unknown) => isApiError(error, "AlreadyExists");
/** Its reasons are Expired (a version or continue token too old) and Gone. */
export const isGone = (error: unknown) => error instanceof ApiError && error.code === 410;

/** What an error is about: the resource as `deployments` and its group as `apps`. */
export interface ErrorSubject {
  readonly group: string;
  readonly plural: string;
}

/** `deployments.apps`, as kubectl's users know it. */
function qualified({ group, plural }: ErrorSubject): string {
  return group ? `${plural}.${group}` : plural;
}

function detailsOf(subject: ErrorSubject, name: string): StatusDetails {
  return { ...(name ? { name } : {}), ...(subject.group ? { group: subject.group } : {}), kind: subject.plural };
}

/** 404 in the words that kubectl shows: `pods "x" not found`. */
export function notFound(subject: ErrorSubject, name: string): ApiError {
  return new ApiError(404, "NotFound", `${qualified(subject)} "${name}" not found`, detailsOf(subject, name));
}

/** A create under a name that is taken. */
export function alreadyExists(subject: ErrorSubject, name: string): ApiError {
  return new ApiError(409, "AlreadyExists", `${qualified(subject)} "${name}" already exists`, detailsOf(subject, name));
}

/** A write on a version that is no longer the newest, or under a precondition that does not hold. */
export function conflict(subject: ErrorSubject, name: string, why: string): ApiError {
  const message = `Operation cannot be fulfilled on ${qualified(subject)} "${name}": ${why}`;
  return new ApiError(409, "Conflict", message, detailsOf(subject, name));
}

/** The words of a lost compare-and-swap, which clients match. */
export const OBJECT_MODIFIED =
  "the object has been modified; please apply your changes to the latest version and try again";

/** 403: authorization or admission refused. Without a resource the subject is left out of the text. */
export function forbidden(subject: ErrorSubject, name: string, why: string): ApiError {
  const what = subject.plural ? `${qualified(subject)}${name ? ` "${name}"` : ""} is forbidden: ` : "forbidden: ";
  return new ApiError(403, "Forbidden", `${what}${why}`, detailsOf(subject, name));
}

/** Validation failures of an object of `kind` (as in `Pod "x" is invalid: …`). */
export function invalid(group: string, kind: string, name: string, errors: readonly FieldError[]): ApiError {
  const causes = causesOf(errors);
  const lines = causes.map(({ field, message }) => (field === undefined ? message : `${field}: ${message}`));
  const list = lines.length === 1 ? lines[0] : `[${lines.join(", ")}]`;
  const details = { ...(name ? { name } : {}), ...(group ? { group } : {}), kind, causes };
  return new ApiError(422, "Invalid", `${group ? `${kind}.${group}` : kind} "${name}" is invalid: ${list}`, details);
}

/** Each error may quote a large part of the object, and there may be one for each of its thousands of items. */
function causesOf(errors: readonly FieldError[]): StatusCause[] {
  const causes: StatusCause[] = [];
  let room = MAX_CAUSES_TEXT;
  for (const [at, error] of errors.entries()) {
    if (room <= 0)
      return [...causes, { reason: "FieldValueTooMany", message: `and ${errors.length - at} more errors` }];
    const message = fieldErrorBody(error);
    room -= message.length + error.field.length;
    causes.push({ reason: error.type, message, field: error.field });
  }
  return causes;
}

// In characters; a Status has to be smaller than the object that it complains of.
const MAX_CAUSES_TEXT = 256 * 1024;

/** 400: the request makes no sense, whatever is stored. */
export const badRequest = (message: string) => new ApiError(400, "BadRequest", message);
/** 401: nobody knows who asks; the text says no more, so that it helps no guesser. */
export const unauthorized = () => new ApiError(401, "Unauthorized", "Unauthorized");
/** 410: the version to watch or continue from has been compacted; clients list again. */
export const gone = (message: string) => new ApiError(410, "Expired", message);
/** 500 for what should not happen; `cause` is for the log and is not sent. */
export const internalError = (message: string, cause?: unknown) =>
  new ApiError(500, "InternalError", `Internal error occurred: ${message}`, { causes: [{ message }] }, { cause });
/** 415: the body's Content-Type. */
export const unsupportedMediaType = (accepted: readonly string[]) =>
  new ApiError(
    415,
    "UnsupportedMediaType",
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(", ")}`,
  );
/** 406: none of the Accept header's types can be served. */
export const notAcceptable = (accepted: readonly string[]) =>
  new ApiError(406, "NotAcceptable", `only the following media types are accepted: ${accepted.join(", ")}`);
/** 413; `limit` in bytes. */
export const requestEntityTooLarge = (limit: number) =>
  new ApiError(413, "RequestEntityTooLarge", `Request entity too large: limit is ${limit}`);
/** 405: the resource is there and knows no such verb. */
export const methodNotAllowed = () =>
  new ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {});
/** 429: come back later. client-go waits for as long as it says. */
export const tooManyRequests = (message: string, retryAfterSeconds: number) =>
  new ApiError(429, "TooManyRequests", message, { retryAfterSeconds });
/** 504: the server gave up waiting; the write may still happen. */
export const timeout = (message: string) => new ApiError(504, "Timeout", `Timeout: ${message}`);

/** Upstream's kinds of field error. */
export type FieldErrorType =
  | "FieldValueNotFound"
  | "FieldValueRequired"
  | "FieldValueDuplicate"
  | "FieldValueInvalid"
  | "FieldValueNotSupported"
  | "FieldValueForbidden"
  | "FieldValueTooLong"
  | "FieldValueTooMany"
  | "InternalError"
  | "FieldValueTypeInvalid";

/** One thing that is wrong in an object; a 422 carries them all. */
export interface FieldError {
  readonly type: FieldErrorType;
  /** As upstream writes it: `spec.containers[0].name`, `metadata.labels[a/b]`. */
  readonly field: string;
  readonly value?: unknown;
  readonly detail: string;
}

const TITLES: Record<FieldErrorType, string> = {
  FieldValueNotFound: "Not found",
  FieldValueRequired: "Required value",
  FieldValueDuplicate: "Duplicate value",
  FieldValueInvalid: "Invalid value",
  FieldValueNotSupported: "Unsupported value",
  FieldValueForbidden: "Forbidden",
  FieldValueTooLong: "Too long",
  FieldValueTooMany: "Too many",
  InternalError: "Internal error",
  FieldValueTypeInvalid: "Invalid value",
};

// The value is absent, beside the point or too large to be shown.
const WITHOUT_VALUE: ReadonlySet<FieldErrorType> = new Set([
  "FieldValueRequired",
  "FieldValueForbidden",
  "FieldValueTooLong",
  "InternalError",
]);

/** As the value of a field error: an object too large to be shown. */
export const OMITTED_VALUE = Symbol("omitted");

/** `Invalid value: "x": must be …`, without the field's path. */
export function fieldErrorBody(error: FieldError): string {
  const title = TITLES[error.type];
  const value =
    WITHOUT_VALUE.has(error.type) || error.value === OMITTED_VALUE
      ? ""
      : `: ${typeof error.value === "string" ? JSON.stringify(error.value) : JSON.stringify(error.value ?? null)}`;
  return `${title}${value}${error.detail ? `: ${error.detail}` : ""}`;
}
