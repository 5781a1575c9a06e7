// NodePorts: two pods cannot have the same host port of a node.
import { findPortConflict } from "@skiff/api/scheduling/host-ports.ts";
import type { FilterPlugin, PreFilterPlugin } from "../framework/plugin.ts";
import { FITS, refuse } from "../framework/plugin.ts";

export const nodePorts = {
  name: "NodePorts",
  hints: [
    { event: "Node/Add" },
    {
      event: "AssignedPod/Delete",
      // Only a pod that held one of the wanted ports makes a difference.
      isWorthATry: ({ ports }, { pod }) => findPortConflict(ports, pod?.ports ?? []) !== undefined,
    },
  ],
  preFilter(_state, { ports }) {
    return ports.length > 0 ? FITS : { skip: true };
  },
  filter({ ports }, node) {
    if (!findPortConflict(ports, node.ports)) return FITS;
    return refuse("node(s) didn't have free ports for the requested pod ports");
  },
} satisfies PreFilterPlugin & FilterPlugin;
