// Looks at all nodes every few seconds: who fell silent, which pods are not ready for it, which zones are in trouble.
import { isPodReady } from "@skiff/api/conditions.ts";
import { isConflict, isNotFound } from "@skiff/api/errors.ts";
import { nodes as nodesRef, pods as podsRef } from "@skiff/api/resource-ref.ts";
import type { Lease, Node, Pod } from "@skiff/api/types.ts";
import type { Lister } from "@skiff/client/informer.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import type { ControllerContext } from "../controller-definition.ts";
import { BY_NODE } from "../shared-informers.ts";
import type { HealthRecord, Now } from "./node-health.ts";
import { isSilent, observeHeartbeat, readyCondition, silentConditions } from "./node-health.ts";
import type { ZoneHealth, ZoneState } from "./zones.ts";
import { zoneOf, zoneStateOf } from "./zones.ts";

/** Caches; Leases are those of kube-node-lease. */
export interface MonitorListers {
  readonly nodes: Lister<Node>;
  readonly leases: Lister<Lease>;
  readonly pods: Lister<Pod>;
}

/** How many of a zone's nodes are ready, and what that makes of it. */
export interface Zone {
  readonly health: ZoneHealth;
  readonly state: ZoneState;
}

/** Nodes looked at side by side: upstream's nodeUpdateWorkerSize. Only silent nodes cost a request. */
const WORKERS = 8;
const NODE_LEASES = "kube-node-lease";
/** Nodes with this label say nothing about the health of their zone. */
const NOT_COUNTED = "node.kubernetes.io/exclude-disruption";

/** What is remembered of one node between looks. */
interface NodeRecord {
  readonly node: Readonly<Node>;
  readonly health: HealthRecord;
  /** The status of its Ready condition after the last look, which the cache may not show yet. */
  ready: string | undefined;
  /** Its pods were marked not ready since it last was ready. */
  podsMarked: boolean;
}

/**
 * Remembers heartbeats only; after a restart every node gets a full grace period: that nothing was heard while nobody listened
 * proves nothing.
 */
export class NodeMonitor {
  private readonly records = new Map<string, NodeRecord>();
  private readonly listers: MonitorListers;
  private readonly context: ControllerContext;

  constructor(listers: MonitorListers, context: ControllerContext) {
    this.listers = listers;
    this.context = context;
  }

  /** One look; the answer is the state of every zone that has nodes. */
  async pass(signal: AbortSignal): Promise<Map<string, Zone>> {
    const nodes = this.listers.nodes.list();
    this.forgetDeleted(nodes);
    const readiness = new Map<string, boolean>();
    const rest = [...nodes];
    const worker = async () => {
      for (let node = rest.pop(); node; node = rest.pop()) {
        readiness.set(node.metadata.name, await this.look(node, signal));
      }
    };
    await Promise.all(Array.from({ length: Math.min(WORKERS, nodes.length) }, worker));
    return zonesOf(nodes, readiness, this.context.config.nodeHealth.unhealthyZoneThreshold);
  }

  /** After a time in which nobody could be heard, everybody gets a full grace period. */
  forgiveSilence(): void {
    const seenMs = this.context.clock.monotonic();
    for (const [name, record] of this.records) {
      this.records.set(name, { ...record, health: { ...record.health, seenMs } });
    }
  }

  private forgetDeleted(nodes: readonly Readonly<Node>[]): void {
    const uids = new Set(nodes.map((node) => node.metadata.uid));
    for (const [name, { node }] of this.records) {
      if (uids.has(node.metadata.uid)) continue;
      this.records.delete(name);
      this.record(node, "RemovingNode", `Node ${name} event: Removing Node ${name} from Controller`);
    }
  }

  /** Whether the node is ready after this look. A failure is logged: the next look comes soon. */
  private async look(node: Readonly<Node>, signal: AbortSignal): Promise<boolean> {
    const { name } = node.metadata;
    const { clock, config, log } = this.context;
    const now: Now = { wallMs: clock.now(), monotonicMs: clock.monotonic() };
    const known = this.records.get(name);
    const health = observeHeartbeat(known?.health, node, this.listers.leases.get(NODE_LEASES, name), now);
    const before = known ? known.ready : readyCondition(node)?.status;
    const record: NodeRecord = { node, health, ready: before, podsMarked: known?.podsMarked ?? false };
    // Before the first await: what was seen counts even if the write below fails.
    this.records.set(name, record);
    if (!known) this.record(node, "RegisteredNode", `Node ${name} event: Registered Node ${name} in Controller`);
    try {
      const silent = isSilent(health, node, config.nodeHealth, now) ? silentConditions(node, now) : undefined;
      if (silent) await this.context.client.of(nodesRef).updateStatus(withConditions(node, silent), { signal });
      record.ready = silent ? "Unknown" : readyCondition(node)?.status;
      await this.followReadiness(record, before, signal);
      return record.ready === "True";
    } catch (error) {
      if (signal.aborted) throw error;
      // A conflict means that the kubelet has just written: it is not silent after all.
      if (!isConflict(error)) log.warn({ node: name, err: error }, "node could not be updated, retrying");
      return readyCondition(node)?.status === "True";
    }
  }

  private async followReadiness(record: NodeRecord, before: string | undefined, signal: AbortSignal): Promise<void> {
    const { node, ready } = record;
    if (ready === "True" || ready === undefined) {
      record.podsMarked = false;
      return;
    }
    if (before === "True") {
      this.record(node, "NodeNotReady", `Node ${node.metadata.name} status is now: NodeNotReady`);
      this.context.log.info({ node: node.metadata.name, ready }, "node is not ready");
    }
    // Once: the kubelet of a node that is not ready may be alive and report its pods itself, and must not be fought.
    if (record.podsMarked) return;
    await this.markPodsNotReady(node, signal);
    record.podsMarked = true;
  }

  /** Takes the pods out of their Services long before they are evicted. A failure leaves `podsMarked` unset, so the next look repeats it. */
  private async markPodsNotReady(node: Readonly<Node>, signal: AbortSignal): Promise<void> {
    for (const pod of this.listers.pods.byIndex(BY_NODE, node.metadata.name)) {
      if (!isPodReady(pod)) continue;
      const lastTransitionTime = formatTime(this.context.clock.now());
      const conditions = (pod.status?.conditions ?? []).map((condition) =>
        condition.type === "Ready" ? { ...condition, status: "False", lastTransitionTime } : condition,
      );
      try {
        await this.context.client
          .of(podsRef)
          .updateStatus({ ...pod, status: { ...pod.status, conditions } }, { signal });
        this.context.recorder.record({ ref: podsRef, object: pod }, "Warning", "NodeNotReady", "Node is not ready");
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
  }

  private record(node: Readonly<Node>, reason: string, message: string): void {
    this.context.recorder.record({ ref: nodesRef, object: node }, "Normal", reason, message);
  }
}

function withConditions(node: Readonly<Node>, conditions: NonNullable<Node["status"]>["conditions"]): Node {
  return { ...node, status: { ...node.status, conditions } };
}

function zonesOf(
  nodes: readonly Readonly<Node>[],
  readiness: ReadonlyMap<string, boolean>,
  threshold: number,
): Map<string, Zone> {
  const zones = new Map<string, Zone>();
  const counted = nodes.filter((node) => node.metadata.labels?.[NOT_COUNTED] === undefined);
  for (const [key, members] of Map.groupBy(counted, zoneOf)) {
    const ready = members.filter((node) => readiness.get(node.metadata.name)).length;
    const health = { ready, notReady: members.length - ready };
    zones.set(key, { health, state: zoneStateOf(health, threshold) });
  }
  return zones;
}
