// Whether the node takes a pod in: the last check, after the scheduler's, with upstream's reasons. Pure.

import { quantityMilliValue, quantityValue } from "@skiff/api/quantity.ts";
import { findPortConflict, hostPortsOf } from "@skiff/api/scheduling/host-ports.ts";
import { matchesNodeSelectorAndAffinity } from "@skiff/api/scheduling/node-affinity.ts";
import { podRequests } from "@skiff/api/scheduling/resources.ts";
import type { Node, Pod } from "@skiff/api/types.ts";

export type Admission =
  | { readonly admitted: true }
  | { readonly admitted: false; readonly reason: string; readonly message: string };

/** `others` are the pods that the node runs already; `node` may be unknown right after the start. */
export function admitPod(
  pod: Readonly<Pod>,
  others: readonly Readonly<Pod>[],
  node: Readonly<Node> | undefined,
  allocatable: Readonly<Record<string, string>>,
): Admission {
  if (node && !matchesNodeSelectorAndAffinity(pod, node)) {
    return refuse(
      "NodeAffinity",
      "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
    );
  }
  if (findPortConflict(hostPortsOf(pod), others.flatMap(hostPortsOf))) {
    return refuse(
      "NodePorts",
      "Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
    );
  }
  return checkResources(pod, others, allocatable);
}

function checkResources(
  pod: Readonly<Pod>,
  others: readonly Readonly<Pod>[],
  allocatable: Readonly<Record<string, string>>,
): Admission {
  const capacity = amountOf("pods", allocatable);
  if (others.length + 1 > capacity) return outOf("pods", 1, others.length, capacity);
  const used = others.map(podRequests);
  for (const [name, requested] of Object.entries(podRequests(pod))) {
    const total = amountOf(name, allocatable);
    const taken = used.reduce((sum, requests) => sum + (requests[name] ?? 0), 0);
    if (requested > 0 && requested + taken > total) return outOf(name, requested, taken, total);
  }
  return { admitted: true };
}

function amountOf(name: string, amounts: Readonly<Record<string, string>>): number {
  const text = amounts[name] ?? "0";
  return name === "cpu" ? quantityMilliValue(text) : quantityValue(text);
}

function outOf(name: string, requested: number, used: number, capacity: number): Admission {
  const message = `Pod was rejected: Node didn't have enough resource: ${name}, requested: ${requested}, used: ${used}, capacity: ${capacity}`;
  return refuse(`OutOf${name}`, message);
}

function refuse(reason: string, message: string): Admission {
  return { admitted: false, reason, message };
}
