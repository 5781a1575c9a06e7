// How many seats a request takes: lists by what they read, writes by the watchers that they wake, everything else one.
import type { RequestInfo } from "../http/request-info.ts";

/** Seats while the request runs, and seats that stay taken for a while after it for what it set off. */
export interface WorkEstimate {
  readonly seats: number;
  readonly finalSeats: number;
  readonly lingerMs: number;
}

/** What of a resource the cost of its lists depends on. */
export interface StoredSize {
  readonly objects: number;
  readonly averageBytes: number;
}

/** What the estimate knows besides the request; each is asked only where it matters. */
export interface WorkFacts {
  sizeOf(info: RequestInfo): StoredSize;
  /** Watches that an event of this write may reach. */
  watchersOf(info: RequestInfo): number;
  /** The most that the priority level gives to one request. */
  readonly maxSeats: number;
}

// Upstream's figures.
const BYTES_PER_SEAT = 100_000;
/** A list is streamed, so that however long it is, no more of it is in memory at once. */
const MAX_LIST_BYTES = 1_000_000;
const WATCHERS_PER_SEAT = 10;
const EVENT_MS = 5;
/** Of every write, whatever its level allows. */
const MAX_WRITE_SEATS = 10;

const ONE_SEAT: WorkEstimate = { seats: 1, finalSeats: 0, lingerMs: 0 };
const WRITES: ReadonlySet<string> = new Set(["create", "update", "patch", "delete"]);

/** `deletecollection` takes one seat, as upstream: nobody knows how much it will delete. */
export function estimateWork(info: RequestInfo, query: URLSearchParams, facts: WorkFacts): WorkEstimate {
  if (info.verb === "list" || info.verb === "watch") return estimateList(info, query, facts);
  return WRITES.has(info.verb) ? estimateWrite(info, facts) : ONE_SEAT;
}

function estimateList(info: RequestInfo, query: URLSearchParams, facts: WorkFacts): WorkEstimate {
  // A list of one object by its name is a get.
  if (info.name !== "" || (info.verb === "watch" && !sendsState(query))) return ONE_SEAT;
  const { objects, averageBytes } = facts.sizeOf(info);
  const limit = Number(query.get("limit")) || Number.POSITIVE_INFINITY;
  const bytes = Math.min(Math.min(objects, limit) * averageBytes, MAX_LIST_BYTES);
  const seats = Math.min(facts.maxSeats, Math.max(1, Math.ceil(bytes / BYTES_PER_SEAT)));
  return seats === 1 ? ONE_SEAT : { seats, finalSeats: 0, lingerMs: 0 };
}

/** Those watches begin with a list: the streaming ones, and those of old that name no revision. */
function sendsState(query: URLSearchParams): boolean {
  const revision = query.get("resourceVersion") ?? "";
  return query.get("sendInitialEvents") === "true" || revision === "" || revision === "0";
}

/**
 * Each ten watchers are a seat for 5 ms once the write is done. Beyond the level's most the seats become fewer and last
 * longer: the work stays the same.
 */
function estimateWrite(info: RequestInfo, facts: WorkFacts): WorkEstimate {
  // A token is made and not stored, so nobody hears of it.
  if (info.resource === "serviceaccounts" && info.subresource === "token") return ONE_SEAT;
  const watchers = facts.watchersOf(info);
  if (watchers < WATCHERS_PER_SEAT) return ONE_SEAT;
  const wanted = Math.ceil(watchers / WATCHERS_PER_SEAT);
  const finalSeats = Math.min(wanted, facts.maxSeats, MAX_WRITE_SEATS);
  return { seats: 1, finalSeats, lingerMs: (wanted * EVENT_MS) / finalSeats };
}

/** What it takes all the while: seats cannot be added to a request that runs. */
export function heldSeats({ seats, finalSeats }: WorkEstimate): number {
  return Math.max(seats, finalSeats);
}
