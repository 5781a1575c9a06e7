// How many seats a request takes: lists by what they go through, everything else one.
import type { RequestInfo } from "../http/request-info.ts";

const OBJECTS_PER_SEAT = 100;
const MAX_SEATS = 10;

/** `countOf` tells how many objects of a resource there are; it is asked for lists only. */
export function seatsOf(info: RequestInfo, query: URLSearchParams, countOf: (info: RequestInfo) => number): number {
  if (!readsMany(info, query)) return 1;
  const limit = Number(query.get("limit")) || Number.POSITIVE_INFINITY;
  const objects = Math.min(countOf(info), limit);
  return Math.min(MAX_SEATS, Math.max(1, Math.ceil(objects / OBJECTS_PER_SEAT)));
}

function readsMany({ verb, name }: RequestInfo, query: URLSearchParams): boolean {
  if (name !== "") return false;
  return verb === "list" || (verb === "watch" && query.get("sendInitialEvents") === "true");
}
