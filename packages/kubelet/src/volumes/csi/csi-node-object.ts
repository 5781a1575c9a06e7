// The CSINode object, which tells schedulers and attachers of this node's drivers, and the node's topology labels.
import { isDeepStrictEqual } from "node:util";
import { isApiError, isNotFound } from "@skiff/api/errors.ts";
import { csiNodes, nodes } from "@skiff/api/resource-ref.ts";
import type { CSINode, CSINodeDriver, Node } from "@skiff/api/types.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { NodeInfo, Strings } from "./csi-client.ts";

/** Two writers at once are rare: another driver's registration, somebody's repair. */
const TRIES = 5;

/** Owned by the Node, so the garbage collector removes it with the node. */
export class CsiNodeObject {
  private readonly nodeName: string;
  private readonly client: Pick<RestClient, "of">;

  constructor(nodeName: string, client: Pick<RestClient, "of">) {
    this.nodeName = nodeName;
    this.client = client;
  }

  /** Makes the object where it is missing. */
  async ensure(node: Readonly<Node>, signal: AbortSignal): Promise<void> {
    await this.change((drivers) => drivers, node, signal);
  }

  /** Labels come first: a scheduler that sees the driver must find the topology it speaks of. */
  async install(driver: string, info: NodeInfo, signal: AbortSignal): Promise<void> {
    if (info.nodeId === "") throw new Error("error adding CSI driver node info: driver nodeID must not be empty");
    const node = await this.client.of(nodes).get("", this.nodeName, { signal });
    await this.label(node, info.accessibleTopology?.segments ?? {}, signal);
    await this.change((drivers) => withDriver(drivers, driverEntry(driver, info)), node, signal);
  }

  /** Labels stay, as upstream: volumes may still name them. */
  async uninstall(driver: string, signal: AbortSignal): Promise<void> {
    await this.change((drivers) => drivers.filter(({ name }) => name !== driver), undefined, signal);
  }

  private async label(node: Node, topology: Strings, signal: AbortSignal): Promise<void> {
    const labels = missingLabels(node.metadata.labels ?? {}, topology);
    if (Object.keys(labels).length === 0) return;
    await this.client.of(nodes).patch("", this.nodeName, "strategic", { metadata: { labels } }, { signal });
  }

  /** Without `owner` an object that is not there stays so. */
  private async change(
    edit: (drivers: readonly CSINodeDriver[]) => readonly CSINodeDriver[],
    owner: Readonly<Node> | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.changeOnce(edit, owner, signal);
      } catch (error) {
        const lost = isApiError(error, "Conflict") || isApiError(error, "AlreadyExists");
        if (!lost || attempt === TRIES) throw error;
      }
    }
  }

  private async changeOnce(
    edit: (drivers: readonly CSINodeDriver[]) => readonly CSINodeDriver[],
    owner: Readonly<Node> | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const client = this.client.of(csiNodes);
    const known = await client.get("", this.nodeName, { signal }).catch((error) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    const before = known?.spec.drivers ?? [];
    const drivers = [...edit(before)];
    if (!known) {
      if (owner) await client.create("", newObject(owner, drivers), { signal });
      return;
    }
    if (isDeepStrictEqual(before, drivers)) return;
    await client.update({ ...known, spec: { drivers } }, { signal });
  }
}

function newObject(
  { metadata }: Readonly<Node>,
  drivers: CSINodeDriver[],
): Pick<CSINode, "spec"> & { metadata: object } {
  const owner = { apiVersion: "v1", kind: "Node", name: metadata.name, uid: metadata.uid ?? "" };
  return { metadata: { name: metadata.name, ownerReferences: [owner] }, spec: { drivers } };
}

function driverEntry(name: string, { nodeId, maxVolumesPerNode, accessibleTopology }: NodeInfo): CSINodeDriver {
  const topologyKeys = Object.keys(accessibleTopology?.segments ?? {}).sort();
  // The API's field is a 32-bit number; 0 means that the driver knows no limit.
  const count = Math.min(Number(maxVolumesPerNode), 2 ** 31 - 1);
  return {
    name,
    nodeID: nodeId,
    ...(topologyKeys.length > 0 ? { topologyKeys } : {}),
    ...(count > 0 ? { allocatable: { count } } : {}),
  };
}

/** A driver that registers again keeps its place unless it has changed. */
function withDriver(drivers: readonly CSINodeDriver[], entry: CSINodeDriver): readonly CSINodeDriver[] {
  const known = drivers.find(({ name }) => name === entry.name);
  if (known && isDeepStrictEqual(known, entry)) return drivers;
  return [...drivers.filter(({ name }) => name !== entry.name), entry];
}

/** Throws where a driver places the node elsewhere than its labels do. */
export function missingLabels(labels: Strings, topology: Strings): Record<string, string> {
  const missing: Record<string, string> = {};
  for (const [key, value] of Object.entries(topology)) {
    const present = labels[key];
    if (present === undefined) missing[key] = value;
    else if (present !== value) {
      throw new Error(
        `detected topology value collision: driver reported ${JSON.stringify(key)}:${JSON.stringify(value)} but existing label is ${JSON.stringify(key)}:${JSON.stringify(present)}`,
      );
    }
  }
  return missing;
}
