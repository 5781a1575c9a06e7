// Whether the node takes a pod in: the last check, after the scheduler's, with upstream's reasons. Pure.

import { quantityMilliValue, quantityValue } from "@skiff/api/quantity.ts";
import { findPortConflict, hostPortsOf } from "@skiff/api/scheduling/host-ports.ts";
import { matchesNodeSelectorAndAffinity } from "@skiff/api/scheduling/node-affinity.ts";
import { podQos } from "@skiff/api/scheduling/qos.ts";
import { podRequests } from "@skiff/api/scheduling/resources.ts";
import { findUntolerated, tolerates } from "@skiff/api/scheduling/taints.ts";
import type { Node, Pod } from "@skiff/api/types.ts";
import type { Shortage } from "./preemption/plan-preemption.ts";
import { isCriticalPod, isStaticPod } from "./static-pods/annotations.ts";
import { forbiddenSysctl } from "./sysctls.ts";

/**
 * The answer to a pod. A refused one becomes Failed with this reason and message: kubectl shows the reason as its
 * status, and its controller makes another pod.
 */
export type Admission =
  | { readonly admitted: true }
  | {
      readonly admitted: false;
      readonly reason: string;
      readonly message: string;
      /** Everything that is missing, where room is all that is missing. */
      readonly shortages?: readonly Shortage[];
    };

/** What the node offers, and what it refuses. */
export interface AdmissionFacts {
  /** The pods that the node runs already. */
  readonly others: readonly Readonly<Pod>[];
  /** Unknown right after the start. */
  readonly node: Readonly<Node> | undefined;
  readonly allocatable: Readonly<Record<string, string>>;
  /** What the node is short of, such as MemoryPressure. */
  readonly pressures: readonly string[];
  readonly allowedSysctls: readonly string[];
  /** Whether a resource is given out by a manager that counts exactly. */
  isCounted?(resource: string): boolean;
  /** Whether the kernel enforces AppArmor profiles; taken for granted when absent. */
  readonly hasAppArmor?: boolean;
  /** A graceful shutdown of the machine has begun. */
  readonly isShuttingDown?: boolean;
}

/**
 * The first reason to turn the pod away. The scheduler decided on what it knew then; two of them, a static pod or a
 * pod bound by hand can make this node's picture another.
 */
export function admitPod(pod: Readonly<Pod>, facts: AdmissionFacts): Admission {
  const { others, node } = facts;
  return checkNodeState(pod, facts) ?? checkPlace(pod, node) ?? checkPorts(pod, others) ?? checkResources(pod, facts);
}

type Refusal = Extract<Admission, { admitted: false }>;

function checkNodeState(pod: Readonly<Pod>, facts: AdmissionFacts): Refusal | undefined {
  if (facts.isShuttingDown) return refuse("NodeShutdown", "Pod was rejected as the node is shutting down.");
  const sysctl = forbiddenSysctl(pod, facts.allowedSysctls);
  if (sysctl) return refuse("SysctlForbidden", sysctl);
  if (facts.hasAppArmor === false && wantsAppArmor(pod)) {
    return refuse("AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host");
  }
  const os = pod.spec?.os?.name;
  if (os && os !== "linux") {
    return refuse("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS");
  }
  // A pod that would be the first to be evicted again had better not start; what the cluster cannot do without must.
  if (facts.pressures.length === 0 || isCriticalPod(pod) || standsMemoryPressure(pod, facts.pressures))
    return undefined;
  return refuse("Evicted", `The node had condition: [${facts.pressures.join(" ")}]. `);
}

function wantsAppArmor({ spec }: Readonly<Pod>): boolean {
  const all = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
  const profiles = [spec?.securityContext, ...all.map((container) => container.securityContext)];
  return profiles.some((context) => context?.appArmorProfile && context.appArmorProfile.type !== "Unconfined");
}

/** Memory alone may be short for pods that asked for some, or that tolerate it. */
function standsMemoryPressure(pod: Readonly<Pod>, pressures: readonly string[]): boolean {
  if (pressures.length !== 1 || pressures[0] !== "MemoryPressure") return false;
  if (podQos(pod) !== "BestEffort") return true;
  const taint = { key: "node.kubernetes.io/memory-pressure", effect: "NoSchedule" };
  return (pod.spec?.tolerations ?? []).some((toleration) => tolerates(toleration, taint));
}

/** Whether what the node's object says turns the pod away: its labels, its taints, its abilities. */
export function isMisplaced(pod: Readonly<Pod>, node: Readonly<Node> | undefined): boolean {
  return checkPlace(pod, node) !== undefined;
}

function checkPlace(pod: Readonly<Pod>, node: Readonly<Node> | undefined): Refusal | undefined {
  if (!node) return undefined;
  // Else the groups that the image's /etc/group adds would come along unseen.
  const isStrict = pod.spec?.securityContext?.supplementalGroupsPolicy === "Strict";
  if (isStrict && !node.status?.features?.supplementalGroupsPolicy) {
    const message = "SupplementalGroupsPolicy=Strict is not supported in this node";
    return refuse("SupplementalGroupsPolicyNotSupported", message);
  }
  if (!matchesNodeSelectorAndAffinity(pod, node)) {
    return refuse("NodeAffinity", "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector");
  }
  // NoSchedule is the scheduler's to heed: a taint that came after the pod was bound must not end it. Static pods are
  // the node's own and stand every taint.
  const untolerated = findUntolerated(node.spec?.taints ?? [], pod.spec?.tolerations ?? [], ["NoExecute"]);
  if (!untolerated || isStaticPod(pod)) return undefined;
  return refuse("TaintToleration", "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate");
}

function checkPorts(pod: Readonly<Pod>, others: readonly Readonly<Pod>[]): Refusal | undefined {
  if (!findPortConflict(hostPortsOf(pod), others.flatMap(hostPortsOf))) return undefined;
  return refuse("NodePorts", "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports");
}

function checkResources(pod: Readonly<Pod>, { others, node, allocatable, isCounted }: AdmissionFacts): Admission {
  const used = others.map(podRequests);
  const refusals: Refusal[] = [];
  for (const [name, requested] of [["pods", 1] as const, ...Object.entries(podRequests(pod))]) {
    if (isCounted?.(name)) continue;
    // Extended resources may be in the node's status alone, put there by somebody who patched it.
    const known = name.includes("/") ? { ...node?.status?.allocatable, ...allocatable } : allocatable;
    // As upstream: one that the node says nothing of is somebody else's to count.
    if (name.includes("/") && known[name] === undefined) continue;
    const taken = name === "pods" ? others.length : used.reduce((sum, requests) => sum + (requests[name] ?? 0), 0);
    const total = amountOf(name, known);
    if (requested > 0 && requested + taken > total) refusals.push(outOf(name, requested, taken, total));
  }
  const [first] = refusals;
  return first ? { ...first, shortages: refusals.flatMap(({ shortages = [] }) => shortages) } : { admitted: true };
}

function amountOf(name: string, amounts: Readonly<Record<string, string>>): number {
  const text = amounts[name] ?? "0";
  return name === "cpu" ? quantityMilliValue(text) : quantityValue(text);
}

function outOf(name: string, requested: number, used: number, capacity: number): Refusal {
  // Controllers and people grep for these words. CPU is in millicores, everything else in whole units.
  const message = `Node didn't have enough resource: ${name}, requested: ${requested}, used: ${used}, capacity: ${capacity}`;
  const shortage = { resource: name, amount: requested + used - capacity };
  return { ...refuse(`OutOf${name}`, message), shortages: [shortage] };
}

function refuse(reason: string, message: string): Refusal {
  return { admitted: false, reason, message };
}
