// Whether the node can grant a resize now, later or never, in upstream's words. Pure.
import { quantityMilliValue, quantityValue } from "@skiff/api/quantity.ts";
import { podQos } from "@skiff/api/scheduling/qos.ts";
import { podRequests, resourceAmount } from "@skiff/api/scheduling/resources.ts";
import type { Pod, ResourceRequirements } from "@skiff/api/types.ts";
import type { Admission } from "../admit-pod.ts";
import { isStaticPod } from "../static-pods/annotations.ts";
import { resizableContainers } from "./allocated-pod.ts";

/**
 * Deferred is asked again when something else ends; Infeasible stays until the spec changes. Both show as the reason
 * of the pod's PodResizePending condition.
 */
export type ResizeDecision =
  | { readonly fits: true }
  | { readonly fits: false; readonly reason: "Deferred" | "Infeasible"; readonly message: string };

/** What of the node decides about a resize. */
export interface ResizeFacts {
  readonly allocatable: Readonly<Record<string, string>>;
  /** Policies that bind resources of guaranteed pods for good. */
  readonly cpuManagerPolicy: string;
  readonly memoryManagerPolicy: string;
  /** Whether pods may swap, so that a limit on memory means more than its number. */
  readonly isSwapping: boolean;
  /** The node's check of whether the pod still has room beside the others. */
  admit(pod: Readonly<Pod>): Admission;
}

/** `pod` as its spec wants it, `allocated` as the node has granted it. */
export function decideResize(pod: Readonly<Pod>, allocated: Readonly<Pod>, facts: ResizeFacts): ResizeDecision {
  const never = whyNever(pod, allocated, facts);
  if (never) return { fits: false, reason: "Infeasible", message: never };
  const answer = facts.admit(pod);
  return answer.admitted ? { fits: true } : { fits: false, reason: "Deferred", message: answer.message };
}

/**
 * Why this node can never grant it. Exclusive CPUs and NUMA memory were picked at admission and are not picked again.
 */
function whyNever(pod: Readonly<Pod>, allocated: Readonly<Pod>, facts: ResizeFacts): string | undefined {
  if (isStaticPod(pod)) return "In-place resize of static-pods is not supported";
  const changes = (name: "cpu" | "memory") => podRequests(pod)[name] !== podRequests(allocated)[name];
  if (facts.isSwapping && podQos(pod) === "Burstable" && changes("memory")) {
    return "In-place resize of containers with swap is not supported.";
  }
  if (podQos(pod) === "Guaranteed") {
    if (facts.cpuManagerPolicy === "static" && anyChanges(pod, allocated, "cpu")) {
      return 'Resize is infeasible for Guaranteed Pods alongside CPU Manager policy "static"';
    }
    if (facts.memoryManagerPolicy === "Static" && anyChanges(pod, allocated, "memory")) {
      return 'Resize is infeasible for Guaranteed Pods alongside Memory Manager policy "Static"';
    }
  }
  return beyondNode(pod, facts.allocatable);
}

/** Whether any container would get another amount, also where the pod's sum stays: each may have its own. */
function anyChanges(pod: Readonly<Pod>, allocated: Readonly<Pod>, name: "cpu" | "memory"): boolean {
  const held = new Map(resizableContainers(allocated).map((container) => [container.name, container.resources]));
  const amount = (resources: ResourceRequirements | undefined) =>
    resources?.requests?.[name] === undefined ? undefined : resourceAmount(name, resources.requests[name]);
  return resizableContainers(pod).some((one) => amount(one.resources) !== amount(held.get(one.name)));
}

function beyondNode(pod: Readonly<Pod>, allocatable: Readonly<Record<string, string>>): string | undefined {
  const { cpu = 0, memory = 0 } = podRequests(pod);
  const bytes = quantityValue(allocatable.memory ?? "0");
  const milli = quantityMilliValue(allocatable.cpu ?? "0");
  const say = (what: string) => `Node didn't have enough capacity: ${what}`;
  if (memory > bytes) return say(`memory, requested: ${memory}, capacity: ${bytes}`);
  return cpu > milli ? say(`cpu, requested: ${cpu}, capacity: ${milli}`) : undefined;
}
