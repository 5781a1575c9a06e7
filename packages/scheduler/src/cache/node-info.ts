// A node with the sums over its pods, kept as pods come and go.
import type { HostPort } from "@skiff/api/scheduling/host-ports.ts";
import type { ResourceAmounts } from "@skiff/api/scheduling/resources.ts";
import { resourceAmounts } from "@skiff/api/scheduling/resources.ts";
import type { Node } from "@skiff/api/types.ts";
import type { PodInfo } from "../framework/pod-info.ts";

/** Sums are exact because what a pod added is remembered with it and taken off again. */
export class NodeInfo {
  readonly name: string;
  /** Absent while only pods of it are known. */
  node: Readonly<Node> | undefined;
  /** CPU in thousandths, everything else in whole units; as are `requested` and `nonZero`. */
  allocatable: Readonly<ResourceAmounts> = {};
  /** Image name to bytes. */
  images: ReadonlyMap<string, number> = NO_IMAGES;
  readonly requested: ResourceAmounts = {};
  /** For scores alone: containers without requests count a little (see pod-info.ts). */
  readonly nonZero = { cpu: 0, memory: 0 };
  ports: readonly HostPort[] = [];
  readonly pods = new Map<string, PodInfo>();

  constructor(name: string) {
    this.name = name;
  }

  setNode(node: Readonly<Node>): void {
    const before = this.node?.status;
    this.node = node;
    if (!before || before.allocatable !== node.status?.allocatable) {
      this.allocatable = resourceAmounts(node.status?.allocatable);
    }
    this.images = imagesOf(node);
  }

  removeNode(): void {
    this.node = undefined;
    this.allocatable = {};
    this.images = NO_IMAGES;
  }

  addPod(pod: PodInfo): void {
    this.pods.set(pod.key, pod);
    this.count(pod, 1);
    // Replaced, not changed: clones share the list.
    if (pod.ports.length > 0) this.ports = [...this.ports, ...pod.ports];
  }

  /** The pod is found by its key, and what was counted for it is what is taken off. */
  removePod(key: string): void {
    const pod = this.pods.get(key);
    if (!pod) return;
    this.pods.delete(key);
    this.count(pod, -1);
    if (pod.ports.length > 0) this.ports = this.ports.filter((port) => !pod.ports.includes(port));
  }

  /** A copy that later changes of this one do not reach. What is never changed in place is shared: nodes, pods, image maps. */
  clone(): NodeInfo {
    const copy = new NodeInfo(this.name);
    copy.node = this.node;
    copy.allocatable = this.allocatable;
    copy.images = this.images;
    copy.ports = this.ports;
    Object.assign(copy.requested, this.requested);
    Object.assign(copy.nonZero, this.nonZero);
    for (const [key, pod] of this.pods) copy.pods.set(key, pod);
    return copy;
  }

  private count(pod: PodInfo, sign: 1 | -1): void {
    for (const name in pod.requests) {
      this.requested[name] = (this.requested[name] ?? 0) + sign * (pod.requests[name] ?? 0);
    }
    this.nonZero.cpu += sign * pod.nonZero.cpu;
    this.nonZero.memory += sign * pod.nonZero.memory;
  }
}

const NO_IMAGES: ReadonlyMap<string, number> = new Map();

function imagesOf(node: Readonly<Node>): ReadonlyMap<string, number> {
  const images = new Map<string, number>();
  for (const { names, sizeBytes } of node.status?.images ?? []) {
    for (const name of names ?? []) images.set(name, sizeBytes ?? 0);
  }
  return images;
}
