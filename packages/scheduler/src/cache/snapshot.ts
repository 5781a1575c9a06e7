// The nodes as one scheduling cycle sees them: nothing in it changes while the cycle runs.
import type { NodeInfo } from "./node-info.ts";

const ZONE = "topology.kubernetes.io/zone";
const REGION = "topology.kubernetes.io/region";

/** Built by the cache; `places` finds a node's index so that replacing one costs the same in any size of cluster. */
export class Snapshot {
  /** Nodes that exist, those of different zones taking turns. */
  nodes: NodeInfo[] = [];
  /** How many nodes have an image; kept by the cache. */
  private readonly imageNodes: ReadonlyMap<string, ReadonlySet<string>>;
  private readonly places = new Map<string, number>();

  constructor(imageNodes: ReadonlyMap<string, ReadonlySet<string>> = new Map()) {
    this.imageNodes = imageNodes;
  }

  get(name: string): NodeInfo | undefined {
    const place = this.places.get(name);
    return place === undefined ? undefined : this.nodes[place];
  }

  nodesWithImage(image: string): number {
    return this.imageNodes.get(image)?.size ?? 0;
  }

  /** Takes over a newer copy of a node that is in the snapshot. */
  replace(node: NodeInfo): void {
    const place = this.places.get(node.name);
    if (place !== undefined) this.nodes[place] = node;
  }

  /** Takes over another set of nodes. */
  rebuild(nodes: readonly NodeInfo[]): void {
    this.nodes = interleaveZones(nodes);
    this.places.clear();
    this.nodes.forEach((node, place) => {
      this.places.set(node.name, place);
    });
  }
}

/** One node of each zone, then the next of each: a search that stops early has then seen all zones. */
function interleaveZones(nodes: readonly NodeInfo[]): NodeInfo[] {
  const zones = [...Map.groupBy(nodes, zoneOf).values()];
  const longest = Math.max(0, ...zones.map((zone) => zone.length));
  const order: NodeInfo[] = [];
  for (let turn = 0; turn < longest; turn++) {
    for (const zone of zones) {
      const node = zone[turn];
      if (node) order.push(node);
    }
  }
  return order;
}

export function zoneOf(node: NodeInfo): string {
  const labels = node.node?.metadata.labels;
  return `${labels?.[REGION] ?? ""}:${labels?.[ZONE] ?? ""}`;
}
