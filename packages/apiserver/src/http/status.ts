// Every error as the Status that clients see.
import { STATUS_CODES } from "node:http";
import { ApiError, internalError } from "@skiff/api/errors.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { DEADLINE_EXCEEDED, GrpcError } from "@skiff/grpc/grpc-error.ts";
import type { Answer } from "./endpoint.ts";

/** The answer for anything thrown. What is not an ApiError is logged here, once, and shown without its insides. */
export function answerOfError(error: unknown, log: Logger): Answer {
  const known = toApiError(error, log);
  const retry = known.retryAfterSeconds;
  return {
    code: known.code,
    object: known.toStatus(),
    ...(retry ? { headers: { "retry-after": String(retry) } } : {}),
  };
}

/** Whether an error is a mistake of ours: neither the client's nor that of etcd. */
export function isCrash(error: unknown): boolean {
  return !(error instanceof ApiError || error instanceof GrpcError || error instanceof RangeError);
}

function toApiError(error: unknown, log: Logger): ApiError {
  if (error instanceof ApiError) return error;
  const etcd = etcdError(error);
  if (etcd) {
    log.warn({ err: error }, "etcd request failed");
    return etcd;
  }
  log.error({ err: error }, "request failed");
  return internalError(error instanceof RangeError ? "the object is too deeply nested" : "unexpected error", error);
}

/** Failures of etcd in the words of upstream's storage layer. */
function etcdError(error: unknown): ApiError | undefined {
  if (!(error instanceof GrpcError)) return undefined;
  const { code, message } = error;
  // The second are the words of its gRPC layer, which refuses the largest before etcd sees them.
  if (message.includes("request is too large") || message.includes("message larger than max")) {
    return new ApiError(413, "RequestEntityTooLarge", "etcdserver: request is too large");
  }
  if (code === DEADLINE_EXCEEDED || message.includes("request timed out")) {
    return new ApiError(504, "Timeout", "Timeout: etcdserver: request timed out", { retryAfterSeconds: 1 });
  }
  if (message.includes("database space exceeded")) {
    return new ApiError(507, "InsufficientStorage", "etcdserver: mvcc: database space exceeded");
  }
  return new ApiError(503, "ServiceUnavailable", "etcd is not available", { retryAfterSeconds: 1 });
}

/** An error's answer as text, for sockets that have no response object. */
export function rawResponse(answer: Answer): string {
  const body = JSON.stringify("object" in answer ? answer.object : {});
  const more = Object.entries(answer.headers ?? {}).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `HTTP/1.1 ${answer.code} ${STATUS_CODES[answer.code] ?? ""}\r\ncontent-type: application/json\r\n${more.join("")}`;
  return `${head}content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`;
}
