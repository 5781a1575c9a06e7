// One FlowSchema as requests meet it: whether they belong to it, where they go, and what became of them.
import type { FlowSchema } from "@skiff/api/types.ts";
import { keptLabels, type Labels } from "@skiff/component-base/metrics.ts";
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
  /** Of its series. */
  readonly labels: Labels;
  readonly running = { readOnly: 0, mutating: 0 };
  runningSeats = 0;
  readonly waiting = { readOnly: 0, mutating: 0 };
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
    this.labels = keptLabels({ flow_schema: schema.metadata.name, priority_level: level.name });
    // Counters go on when the schema changes.
    this.dispatched = former?.dispatched ?? 0;
    if (former) Object.assign(this.rejected, former.rejected);
  }

  /** Waiting requests of both kinds. */
  get waitingCount(): number {
    return this.waiting.readOnly + this.waiting.mutating;
  }

  get runningCount(): number {
    return this.running.readOnly + this.running.mutating;
  }
}
