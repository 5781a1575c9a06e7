// The node lifecycle controller: notices silent nodes, taints nodes by their conditions, and paces evictions by zone.
import { isNotFound } from "@skiff/api/errors.ts";
import { nodes as nodesRef } from "@skiff/api/resource-ref.ts";
import type { Node } from "@skiff/api/types.ts";
import type { Lister } from "@skiff/client/informer.ts";
import type { WorkQueue } from "@skiff/client/work-queue.ts";
import type { ControllerContext, ControllerDefinition } from "../controller-definition.ts";
import { runReconciler } from "../run-reconciler.ts";
import { EvictionQueue } from "./eviction-queue.ts";
import type { Zone } from "./node-monitor.ts";
import { NodeMonitor } from "./node-monitor.ts";
import type { EvictionMode } from "./plan-taints.ts";
import { planTaints } from "./plan-taints.ts";
import { evictionRate, zoneOf } from "./zones.ts";

/** Upstream's nodeUpdateWorkerSize. */
const WORKERS = 8;

/** Two loops: one looks at all nodes every few seconds, one keeps the taints of nodes that changed. */
export const nodeLifecycleController = {
  name: "node-lifecycle-controller",
  aliases: ["nodelifecycle"],
  component: "node-controller",
  serviceAccount: "node-controller",
  async run(context, signal) {
    const [nodes, leases, pods] = [context.informers.nodes(), context.informers.nodeLeases(), context.informers.pods()];
    await Promise.all([nodes.synced(signal), leases.synced(signal), pods.synced(signal)]);
    using queue = context.newQueue();
    using tainter = new NodeTainter(nodes.lister, queue, context);
    using _nodes = nodes.addHandler({
      onAdd: (node) => queue.add(node.metadata.name),
      onUpdate: (node) => queue.add(node.metadata.name),
      onDelete: (node) => tainter.forget(node),
    });
    const monitor = new NodeMonitor({ nodes: nodes.lister, leases: leases.lister, pods: pods.lister }, context);
    const watch = async () => {
      while (!signal.aborted) {
        const zones = await monitor.pass(signal).catch((error) => {
          if (!signal.aborted) throw error;
          return new Map<string, Zone>();
        });
        if (tainter.setZones(zones)) monitor.forgiveSilence();
        await context.clock.sleep(context.config.nodeHealth.monitorPeriodMs, signal).catch(() => {});
      }
    };
    const workers = runReconciler(queue, WORKERS, (name, stop) => tainter.sync(name, stop), {
      signal,
      log: context.log,
      name: this.name,
    });
    await Promise.all([watch(), workers]);
  },
} satisfies ControllerDefinition;

/** Keeps each node's taints as its conditions call for. */
class NodeTainter implements Disposable {
  private readonly lister: Lister<Node>;
  private readonly queue: WorkQueue<string>;
  private readonly context: ControllerContext;
  /** By zone. Zones are few and come back, so their queues stay. */
  private readonly evictions = new Map<string, EvictionQueue>();
  /** Nodes that the rate limit let through, until their taint is written. */
  private readonly released = new Set<string>();
  private zones: ReadonlyMap<string, Zone> = new Map();

  constructor(lister: Lister<Node>, queue: WorkQueue<string>, context: ControllerContext) {
    this.lister = lister;
    this.queue = queue;
    this.context = context;
  }

  /** Takes note of the zones' states; true when the time of total disruption has just ended. */
  setZones(zones: ReadonlyMap<string, Zone>): boolean {
    const was = isAllDisrupted(this.zones);
    const is = isAllDisrupted(zones);
    for (const [key, zone] of zones) {
      const before = this.zones.get(key)?.state;
      if (before !== zone.state) this.context.log.info({ zone: key, state: zone.state }, "zone state changed");
      this.evictionsOf(key).setRate(evictionRate(zone.state, zone.health, is, this.context.config.nodeHealth));
    }
    this.zones = zones;
    // Into total disruption all stop evicting, out of it those that still should start over.
    if (was !== is) for (const node of this.lister.list()) this.queue.add(node.metadata.name);
    return was && !is && zones.size > 0;
  }

  async sync(name: string, signal: AbortSignal): Promise<void> {
    const node = this.lister.get("", name);
    if (!node) return;
    const { taints, waitsForEviction } = planTaints(node, this.modeOf(name), this.context.clock.now());
    // A write that fails throws, and the node stays released: it need not wait for the rate limit twice.
    if (taints) await this.apply(node, taints, signal);
    this.released.delete(name);
    const evictions = this.evictionsOf(zoneOf(node));
    if (waitsForEviction) evictions.add(name);
    else evictions.remove(name);
  }

  /** The node's object is gone. */
  forget(node: Readonly<Node>): void {
    this.released.delete(node.metadata.name);
    this.evictions.get(zoneOf(node))?.remove(node.metadata.name);
  }

  [Symbol.dispose](): void {
    for (const queue of this.evictions.values()) queue[Symbol.dispose]();
  }

  private modeOf(name: string): EvictionMode {
    if (isAllDisrupted(this.zones)) return "off";
    return this.released.has(name) ? "released" : "held";
  }

  private evictionsOf(zone: string): EvictionQueue {
    const known = this.evictions.get(zone);
    if (known) return known;
    // Before the first look at the zones nobody evicts.
    const rate = this.zones.has(zone) ? this.context.config.nodeHealth.evictionRate : 0;
    const release = (name: string) => {
      this.released.add(name);
      this.queue.add(name);
    };
    const made = new EvictionQueue(rate, release, this.context.clock);
    this.evictions.set(zone, made);
    return made;
  }

  /** The version in the patch makes a write that crossed ours fail, since taints are replaced as a whole. */
  private async apply(node: Readonly<Node>, taints: readonly object[], signal: AbortSignal): Promise<void> {
    const { name, resourceVersion } = node.metadata;
    const body = { metadata: { resourceVersion }, spec: { taints } };
    try {
      await this.context.client.of(nodesRef).patch("", name, "merge", body, { signal });
      this.context.log.info({ node: name, taints }, "node taints changed");
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

function isAllDisrupted(zones: ReadonlyMap<string, Zone>): boolean {
  return zones.size > 0 && [...zones.values()].every((zone) => zone.state === "FullDisruption");
}
