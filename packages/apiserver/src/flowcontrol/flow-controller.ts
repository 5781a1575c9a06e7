// Priority and fairness: FlowSchemas sort requests into priority levels, which have seats of their own and lend them to each other.
import type { Unsaved } from "@skiff/api/object.ts";
import { flowSchemas, priorityLevelConfigurations } from "@skiff/api/resource-ref.ts";
import type { FlowSchema, PriorityLevelConfiguration } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { PerKind, RequestLimit } from "../filters/in-flight.ts";
import type { Exchange } from "../http/exchange.ts";
import type { RequestInfo } from "../http/request-info.ts";
import type { ObjectReader } from "../registry/object-access.ts";
import { LEVELS, MANDATORY, SCHEMAS } from "./bootstrap-objects.ts";
import { divideConcurrency, lendSeats } from "./concurrency.ts";
import { estimateWork, heldSeats, type StoredSize, type WorkEstimate } from "./estimate-work.ts";
import { Flow, type Place, type RequestKind } from "./flow.ts";
import { FlowMetrics } from "./flow-metrics.ts";
import { byPrecedence, distinguisherOf } from "./match-flow.ts";
import { observeFlows } from "./observe-flows.ts";
import { PriorityLevel } from "./priority-level.ts";
import { WatchTracker } from "./watch-tracker.ts";

export interface FlowOptions {
  /** Seats of this server. */
  readonly concurrency: number;
  /** How long a request without a deadline may wait for one. */
  readonly waitLimitMs: number;
}

interface FlowDeps {
  readonly reader: ObjectReader;
  readonly clock: Clock;
  readonly metrics: MetricsRegistry;
  /** How many objects of a resource there are, and how big. */
  sizeOf(info: RequestInfo): StoredSize;
}

const READ_VERBS: ReadonlySet<string> = new Set(["get", "list", "watch", "head", "options"]);
const LEND_EVERY_MS = 10_000;
/** However long a request may take. */
const MAX_WAIT_MS = 60_000;

export class FlowController implements RequestLimit {
  readonly takesWatches = true;
  private readonly options: FlowOptions;
  private readonly deps: FlowDeps;
  private readonly metrics: FlowMetrics;
  private readonly watches = new WatchTracker();
  private flows: readonly Flow[] = [];
  private active: readonly PriorityLevel[] = [];
  /** Levels that are configured no more, while requests of theirs wait or run. */
  private quiescing: readonly PriorityLevel[] = [];
  private isStale = true;
  fairFraction = 1;

  constructor(options: FlowOptions, deps: FlowDeps) {
    this.options = options;
    this.deps = deps;
    this.metrics = new FlowMetrics(deps.metrics, deps.clock, options.concurrency);
    observeFlows(deps.metrics, this);
    this.configure();
  }

  /** The levels and their schemas, for metrics and dumps. */
  get levels(): readonly PriorityLevel[] {
    return [...this.active, ...this.quiescing];
  }

  get schemas(): readonly Flow[] {
    return this.flows;
  }

  isQuiescing(level: PriorityLevel): boolean {
    return this.quiescing.includes(level);
  }

  enter(exchange: Exchange): Place | Promise<Place> {
    if (this.isStale) this.configure();
    const { info, user, query } = exchange;
    for (const flow of this.flows) {
      if (!flow.matches(info, user)) continue;
      exchange.flowHeaders = flow.headers;
      const kind: RequestKind = READ_VERBS.has(info.verb) ? "readOnly" : "mutating";
      const estimate = this.estimate(flow, info, query);
      const request = { flow, kind, isWatch: info.verb === "watch", estimate, info, user };
      const place = flow.level.enterAtOnce(request);
      if (place) return place;
      const distinguisher = distinguisherOf(flow.schema, info, user);
      const waitLimitMs = this.waitLimitOf(exchange);
      return flow.level.enterQueue({ ...request, distinguisher, waitLimitMs, signal: exchange.signal });
    }
    // Everybody is in one of the two groups of catch-all, so this is somebody who took himself out of both.
    return NOWHERE;
  }

  watchBegan({ info, query }: Exchange): () => void {
    return this.watches.register(info, query);
  }

  /** A quarter of the time that the request has, which its client may have shortened. */
  private waitLimitOf({ timeoutMs }: Exchange): number {
    return Math.min(timeoutMs === undefined ? this.options.waitLimitMs : timeoutMs / 4, MAX_WAIT_MS);
  }

  private estimate(flow: Flow, info: RequestInfo, query: URLSearchParams): WorkEstimate {
    const { sizeOf } = this.deps;
    const watchersOf = () => {
      const count = this.watches.interestedIn(info);
      this.metrics.watchersCounted(flow, count);
      return count;
    };
    const estimate = estimateWork(info, query, { sizeOf, watchersOf, maxSeats: flow.level.maxSeats });
    this.metrics.estimated(flow, heldSeats(estimate));
    return estimate;
  }

  current(): PerKind {
    return this.metrics.highest("executing");
  }

  inQueue(): PerKind {
    return this.metrics.highest("waiting");
  }

  /** Follows the objects, and lends seats every ten seconds, until the signal aborts. `onFollowing` is called once it does. */
  async run(signal: AbortSignal, onFollowing: () => void): Promise<void> {
    const { reader, clock } = this.deps;
    const onChange = () => {
      this.isStale = true;
    };
    using _schemas = reader.observe(flowSchemas, onChange);
    using _levels = reader.observe(priorityLevelConfigurations, onChange);
    onFollowing();
    while (!signal.aborted) {
      await clock.sleep(LEND_EVERY_MS, signal).catch(() => {});
      if (!signal.aborted) this.lend();
    }
  }

  /** Levels that have the objects' names go on as they are: requests wait and run in them. */
  private configure(): void {
    this.isStale = false;
    const { reader } = this.deps;
    const configurations = withMandatory(reader.list(priorityLevelConfigurations), LEVELS);
    const schemas = withMandatory(reader.list(flowSchemas), SCHEMAS).toSorted(byPrecedence);
    const known = new Map(this.levels.map((level) => [level.name, level]));
    const former = new Map(this.flows.map((flow) => [flow.schema.metadata.name, flow]));
    const levels = new Map(configurations.map((object) => [object.metadata.name, this.levelOf(object, known)]));
    this.flows = schemas.flatMap((schema) => {
      const level = levels.get(schema.spec?.priorityLevelConfiguration?.name ?? "");
      return level ? [flowOf(schema, level, former.get(schema.metadata.name))] : [];
    });
    this.active = [...levels.values()];
    this.quiescing = [...known.values()].filter(
      (level) => !levels.has(level.name) && (level.fair.waiting > 0 || level.seatsInUse > 0),
    );
    this.metrics.setCapacity(this.active.reduce((sum, { queueCapacity }) => sum + queueCapacity, 0));
    const limits = divideConcurrency(
      this.options.concurrency,
      this.active.map(({ shares }) => shares),
    );
    for (const [i, level] of this.active.entries()) {
      const before = level.limits;
      level.limits = limits[i] ?? before;
      if (level.limits.nominal !== before.nominal) level.setLimit(level.limits.nominal);
    }
  }

  private levelOf(
    object: Readonly<PriorityLevelConfiguration>,
    known: ReadonlyMap<string, PriorityLevel>,
  ): PriorityLevel {
    const { name } = object.metadata;
    const { clock } = this.deps;
    const level = known.get(name) ?? new PriorityLevel(name, { clock, metrics: this.metrics });
    level.configure(object);
    return level;
  }

  private lend(): void {
    for (const level of this.active) level.review();
    const { limits, targets, fairFraction } = lendSeats(
      this.active.map(({ isExempt, limits: own, demand, smoothed }) => ({
        ...own,
        isExempt,
        highWatermark: demand.highWatermark,
        smoothed,
      })),
    );
    this.fairFraction = fairFraction;
    for (const [i, level] of this.active.entries()) {
      // Only a level without shares may be left without a seat: it is there to hold requests back.
      const least = level.limits.nominal > 0 ? 1 : 0;
      level.target = targets[i] ?? 0;
      level.setLimit(Math.max(least, limits[i] ?? level.limit));
    }
    this.quiescing = this.quiescing.filter((level) => level.fair.waiting > 0 || level.seatsInUse > 0);
  }
}

const NOWHERE: Place = { leave() {} };

/** Until their objects are there, the two that everything needs stand in from memory. */
function withMandatory<T extends FlowSchema | PriorityLevelConfiguration>(
  objects: readonly Readonly<T>[],
  defaults: readonly Unsaved<T>[],
): readonly Readonly<T>[] {
  const names = new Set(objects.map(({ metadata }) => metadata.name));
  const missing = defaults.filter(({ metadata: { name = "" } }) => MANDATORY.has(name) && !names.has(name));
  const made = missing.map((object) => {
    const metadata = { name: "", uid: "", resourceVersion: "", creationTimestamp: "", ...object.metadata };
    return { ...object, metadata } as T;
  });
  return [...objects, ...made];
}

/** The same flow while neither the schema nor its level changed: requests that run count in it. */
function flowOf(schema: Readonly<FlowSchema>, level: PriorityLevel, former: Flow | undefined): Flow {
  const isSame =
    former?.level === level &&
    former.schema.metadata.resourceVersion === schema.metadata.resourceVersion &&
    former.schema.metadata.uid === schema.metadata.uid &&
    former.headers["x-kubernetes-pf-prioritylevel-uid"] === level.uid;
  return isSame ? former : new Flow(schema, level, former);
}
