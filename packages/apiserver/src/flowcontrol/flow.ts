// One FlowSchema as requests meet it: whether they belong to it, where they go, and what became of them.
import type { FlowSchema } from "@skiff/api/types.ts";
import { compileFlowSchema, type MatchesFlow } from "./match-flow.ts";
import type { PriorityLevel } from "./priority-level.ts";

export type RequestKind = "readOnly" | "mutating";

/** A place among the running requests, given back once. */
export interface Place {
  leave(): void;
}

export type RejectReason = "queue-full" | "concurrency-limit" | "time-out" | "cancelled";

export class Flow {
  readonly schema: Readonly<FlowSchema>;
  readonly level: PriorityLevel;
  readonly matches: MatchesFlow;
  /** What the answer tells the client; the objects of a level in memory have no UID yet. */
  readonly headers: Readonly<Record<string, string>>;
  /** The places of requests that take one seat and never waited: made once, as nearly all are such. */
  readonly places: Readonly<Record<RequestKind, Place>>;
  readonly running = { readOnly: 0, mutating: 0 };
  runningSeats = 0;
  waiting = 0;
  waitingSeats = 0;
  dispatched = 0;
  readonly rejected: Record<RejectReason, number> = {
    "queue-full": 0,
    "concurrency-limit": 0,
    "time-out": 0,
    cancelled: 0,
  };

  constructor(schema: Readonly<FlowSchema>, level: PriorityLevel, former: Flow | undefined) {
    this.schema = schema;
    this.level = level;
    this.matches = compileFlowSchema(schema);
    this.headers = {
      "x-kubernetes-pf-flowschema-uid": schema.metadata.uid ?? "",
      "x-kubernetes-pf-prioritylevel-uid": level.uid,
    };
    // Counters go on when the schema changes.
    this.dispatched = former?.dispatched ?? 0;
    if (former) Object.assign(this.rejected, former.rejected);
    const oneSeat = (kind: RequestKind) => ({ leave: () => this.end(kind, 1) });
    this.places = { readOnly: oneSeat("readOnly"), mutating: oneSeat("mutating") };
  }

  begin(kind: RequestKind, seats: number): void {
    this.dispatched += 1;
    this.running[kind] += 1;
    this.runningSeats += seats;
  }

  end(kind: RequestKind, seats: number): void {
    this.running[kind] -= 1;
    this.runningSeats -= seats;
    this.level.release(seats);
  }
}
