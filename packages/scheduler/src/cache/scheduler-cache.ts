// What is known of nodes and their pods, including pods whose binding is under way ("assumed").
import type { Node } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { PodInfo } from "../framework/pod-info.ts";
import { NodeInfo } from "./node-info.ts";
import { Snapshot, zoneOf } from "./snapshot.ts";

/**
 * An assumed pod whose binding succeeded but is never seen is given up after this long. Upstream's
 * durationToExpireAssumedPod, as it was before it became "never": a lost confirmation then cost the room until a restart.
 */
const ASSUMED_TTL_MS = 15 * 60_000;

interface PlacedPod {
  readonly info: PodInfo;
  readonly nodeName: string;
  /** Not yet seen as bound through the watch. */
  readonly assumed: boolean;
  /** Of assumed pods, once bound. */
  readonly expiresAt?: number;
}

/** Every change costs the changed node only; a snapshot copies the nodes that changed since the last one. */
export class SchedulerCache {
  private readonly clock: Pick<Clock, "monotonic">;
  private readonly nodes = new Map<string, NodeInfo>();
  private readonly pods = new Map<string, PlacedPod>();
  private readonly assumed = new Set<string>();
  /** Image name to the nodes that have it: ImageLocality would else look at every node for every pod. */
  private readonly imageNodes = new Map<string, Set<string>>();
  /** Nodes whose copy in the snapshot is out of date. */
  private readonly changed = new Set<string>();
  /** Also when a node changed its zone: the order of the snapshot depends on it. */
  private nodeSetChanged = false;
  private readonly shared = new Snapshot(this.imageNodes);

  constructor(clock: Pick<Clock, "monotonic">) {
    this.clock = clock;
  }

  /** The current state; the same object each time, brought up to date. Use it within one cycle only. */
  snapshot(): Snapshot {
    if (this.nodeSetChanged) {
      const copies: NodeInfo[] = [];
      for (const info of this.nodes.values()) {
        if (info.node) copies.push((!this.changed.has(info.name) && this.shared.get(info.name)) || info.clone());
      }
      this.shared.rebuild(copies);
    } else {
      for (const name of this.changed) {
        const info = this.nodes.get(name);
        if (info?.node) this.shared.replace(info.clone());
      }
    }
    this.nodeSetChanged = false;
    this.changed.clear();
    return this.shared;
  }

  get nodeCount(): number {
    return this.nodes.size;
  }

  get podCount(): number {
    return this.pods.size;
  }

  get assumedCount(): number {
    return this.assumed.size;
  }

  setNode(node: Readonly<Node>): void {
    const info = this.infoOf(node.metadata.name);
    const zone = info.node && zoneOf(info);
    this.forgetImages(info);
    info.setNode(node);
    for (const image of info.images.keys()) this.imageHolders(image).add(info.name);
    if (zone !== zoneOf(info)) this.nodeSetChanged = true;
    this.changed.add(info.name);
  }

  removeNode(name: string): void {
    const info = this.nodes.get(name);
    if (!info) return;
    this.forgetImages(info);
    // Its pods may be reported for a while yet, and the node may come back to them.
    info.removeNode();
    this.nodeSetChanged = true;
    this.dropIfEmpty(info);
  }

  /** Counts the pod on the node before the apiserver has confirmed it. */
  assume(info: PodInfo, nodeName: string): void {
    this.place({ info, nodeName, assumed: true });
  }

  /** The binding was accepted: from now on the watch must confirm it in time. */
  finishBinding(key: string): void {
    const placed = this.pods.get(key);
    if (placed?.assumed) this.pods.set(key, { ...placed, expiresAt: this.clock.monotonic() + ASSUMED_TTL_MS });
  }

  /** The binding failed. A pod that the watch has confirmed meanwhile stays. */
  forget(key: string): void {
    if (this.assumed.has(key)) this.removePod(key);
  }

  /** A bound pod, as the watch shows it; confirms an assumed one, whatever node that was assumed on. */
  setPod(info: PodInfo, nodeName: string): void {
    this.place({ info, nodeName, assumed: false });
  }

  removePod(key: string): void {
    const placed = this.pods.get(key);
    if (!placed) return;
    this.pods.delete(key);
    this.assumed.delete(key);
    const node = this.nodes.get(placed.nodeName);
    if (!node) return;
    node.removePod(key);
    this.changed.add(node.name);
    this.dropIfEmpty(node);
  }

  isAssumed(key: string): boolean {
    return this.assumed.has(key);
  }

  /** Gives up assumed pods that were never confirmed; returns their keys. */
  expireAssumed(): string[] {
    const now = this.clock.monotonic();
    const expired = [...this.assumed].filter(
      (key) => (this.pods.get(key)?.expiresAt ?? Number.POSITIVE_INFINITY) <= now,
    );
    for (const key of expired) this.removePod(key);
    return expired;
  }

  /** Wherever the pod counted before, it counts in this place alone from now on. */
  private place(placed: PlacedPod): void {
    const { key } = placed.info;
    this.removePod(key);
    this.pods.set(key, placed);
    if (placed.assumed) this.assumed.add(key);
    this.infoOf(placed.nodeName).addPod(placed.info);
    this.changed.add(placed.nodeName);
  }

  private infoOf(name: string): NodeInfo {
    let info = this.nodes.get(name);
    if (!info) {
      info = new NodeInfo(name);
      this.nodes.set(name, info);
    }
    return info;
  }

  private dropIfEmpty(info: NodeInfo): void {
    if (!info.node && info.pods.size === 0) this.nodes.delete(info.name);
  }

  private imageHolders(image: string): Set<string> {
    let holders = this.imageNodes.get(image);
    if (!holders) {
      holders = new Set();
      this.imageNodes.set(image, holders);
    }
    return holders;
  }

  private forgetImages(info: NodeInfo): void {
    for (const image of info.images.keys()) {
      const holders = this.imageNodes.get(image);
      holders?.delete(info.name);
      if (holders?.size === 0) this.imageNodes.delete(image);
    }
  }
}
