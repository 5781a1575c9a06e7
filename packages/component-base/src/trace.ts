// The correlation id that follows one piece of work through requests, writes and logs (W3C trace context).
import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";

const storage = new AsyncLocalStorage<string>();

/** Runs `work` under a trace id (32 hex digits); everything it awaits sees the same id. */
export function withTrace<T>(traceId: string, work: () => T): T {
  return storage.run(traceId, work);
}

/** The id of the work that calls, 32 hex digits; undefined outside of any. */
export function currentTraceId(): string | undefined {
  return storage.getStore();
}

/** 32 hex digits, random. Taken at the start of each pass of a control loop and of each request without one. */
export function newTraceId(): string {
  return randomBytes(16).toString("hex");
}

/** The value of the `traceparent` header for a request made under `traceId`; each request is a span of its own. */
export function formatTraceparent(traceId: string): string {
  return `00-${traceId}-${randomBytes(8).toString("hex")}-01`;
}

/** The trace id of a `traceparent` header; undefined when the header is absent or malformed. */
export function parseTraceparent(header: string | undefined): string | undefined {
  return header?.match(/^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/)?.[1];
}
