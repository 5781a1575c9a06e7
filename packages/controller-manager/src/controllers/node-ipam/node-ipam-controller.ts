// The node IPAM controller: gives each node its subnet of the cluster's pod range.
import { isNotFound } from "@skiff/api/errors.ts";
import { nodes as nodesRef } from "@skiff/api/resource-ref.ts";
import type { ControllerDefinition } from "../controller-definition.ts";
import { runReconciler } from "../run-reconciler.ts";
import { podCidrsOf, RangeAllocator } from "./range-allocator.ts";

/** One at a time: an allocation is a short step in memory, and order makes it predictable. */
const WORKERS = 1;

/** Does nothing without --allocate-node-cidrs. */
export const nodeIpamController = {
  name: "node-ipam-controller",
  aliases: ["nodeipam"],
  component: "cidrAllocator",
  serviceAccount: "node-controller",
  async run(context, signal) {
    const { config, log } = context;
    if (!config.allocateNodeCidrs) return;
    const nodes = context.informers.nodes();
    const allocator = new RangeAllocator(config.nodeRanges);
    await nodes.synced(signal);
    // All that is held must be known before anything is given away.
    for (const node of nodes.lister.list()) allocator.observe(node);
    using queue = context.newQueue();
    using _nodes = nodes.addHandler({
      onAdd: (node) => queue.add(node.metadata.name),
      onUpdate: (node) => queue.add(node.metadata.name),
      onDelete: (node) => queue.add(node.metadata.name),
    });
    const sync = async (name: string, stop: AbortSignal) => {
      const node = nodes.lister.get("", name);
      if (!node) return allocator.release(name);
      if (podCidrsOf(node).length > 0) return allocator.observe(node);
      const cidrs = allocator.allocate(name);
      if (!cidrs) {
        const message = `Node ${name} status is now: CIDRNotAvailable`;
        context.recorder.record({ ref: nodesRef, object: node }, "Normal", "CIDRNotAvailable", message);
        throw new Error(`no pod subnet is left for node ${name}`);
      }
      // The server lets the subnet be set once and never changed, so two allocators cannot both give one.
      const body = { metadata: { uid: node.metadata.uid }, spec: { podCIDR: cidrs[0], podCIDRs: cidrs } };
      try {
        await context.client.of(nodesRef).patch("", name, "strategic", body, { signal: stop });
        log.info({ node: name, podCIDRs: cidrs }, "pod subnet assigned");
      } catch (error) {
        // What was allocated stays reserved for the node: the write may have gone through, and the next pass offers the same.
        if (!isNotFound(error)) throw error;
      }
    };
    await runReconciler(queue, WORKERS, sync, { signal, log, name: this.name });
  },
} satisfies ControllerDefinition;
