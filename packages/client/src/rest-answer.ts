// What an answer of 400 or more means: the error it stands for, and whether to ask again.
import { ApiError, errorFromStatus } from "@skiff/api/errors.ts";
import type { Status } from "@skiff/api/types.ts";
import type { Method, RestAnswer } from "./rest-client.ts";

/** The ApiError of an answer, also of one that a proxy made and that holds no Status. */
export function errorOfAnswer(answer: RestAnswer): ApiError {
  if (isStatus(answer.body)) return errorFromStatus(answer.body);
  const reason = REASONS[answer.status] ?? (answer.status >= 500 ? "InternalError" : "Unknown");
  const text = typeof answer.body === "string" ? answer.body.trim().slice(0, 300) : "";
  const message = text || `the server answered ${answer.status} without saying why`;
  const retryAfterSeconds = retryAfterOf(answer);
  const details = retryAfterSeconds === undefined ? undefined : { retryAfterSeconds };
  return new ApiError(answer.status, reason, message, details);
}

/** How long the server asks to wait before the same request is worth another try; undefined when it must not be sent again. */
export function retryDelayMs(method: Method, answer: RestAnswer): number | undefined {
  const seconds = retryAfterOf(answer);
  if (seconds === undefined) return undefined;
  // 429 and 503 were turned away unread; what a server did before another 5xx is unknown, so only reads go again.
  const safe = answer.status === 429 || answer.status === 503 || (answer.status >= 500 && method === "GET");
  return safe ? seconds * 1000 : undefined;
}

/** Whole seconds only; the HTTP date form is never sent by an apiserver. */
function retryAfterOf(answer: RestAnswer): number | undefined {
  const header = answer.headers["retry-after"];
  return typeof header === "string" && /^\d{1,5}$/.test(header) ? Number(header) : undefined;
}

function isStatus(body: unknown): body is Status {
  return typeof body === "object" && body !== null && (body as Status).kind === "Status";
}

/** Upstream's reasons for bare HTTP codes, as its NewGenericServerResponse gives them. */
const REASONS: Readonly<Record<number, string>> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  405: "MethodNotAllowed",
  406: "NotAcceptable",
  409: "Conflict",
  410: "Gone",
  413: "RequestEntityTooLarge",
  415: "UnsupportedMediaType",
  422: "Invalid",
  429: "TooManyRequests",
  503: "ServiceUnavailable",
  504: "Timeout",
};
