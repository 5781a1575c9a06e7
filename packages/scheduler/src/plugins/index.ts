// The plugins in force, in the order in which they are asked, with upstream's weights.
import type { PluginEntry } from "../framework/framework.ts";
import { defaultBinder } from "./default-binder.ts";
import { imageLocality } from "./image-locality.ts";
import { nodeAffinity } from "./node-affinity.ts";
import { nodeName } from "./node-name.ts";
import { nodePorts } from "./node-ports.ts";
import { nodeResourcesBalancedAllocation } from "./node-resources-balanced-allocation.ts";
import { nodeResourcesFit } from "./node-resources-fit.ts";
import { nodeUnschedulable } from "./node-unschedulable.ts";
import { prioritySort } from "./priority-sort.ts";
import { schedulingGates } from "./scheduling-gates.ts";
import { taintToleration } from "./taint-toleration.ts";

/** Upstream's order (getDefaultPlugins). The first refusal of a node is the last question about it, so it shows in messages. */
export const DEFAULT_PLUGINS: readonly PluginEntry[] = [
  { plugin: schedulingGates },
  { plugin: prioritySort },
  { plugin: nodeUnschedulable },
  { plugin: nodeName },
  { plugin: taintToleration, weight: 3 },
  { plugin: nodeAffinity, weight: 2 },
  { plugin: nodePorts },
  { plugin: nodeResourcesFit },
  { plugin: nodeResourcesBalancedAllocation },
  { plugin: imageLocality },
  { plugin: defaultBinder },
];
