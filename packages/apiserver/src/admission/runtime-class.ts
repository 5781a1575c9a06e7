// RuntimeClass: pods get their class's overhead, node selector and tolerations, and none that their class does not say.
import { isDeepStrictEqual } from "node:util";
import { compareQuantities } from "@skiff/api/quantity.ts";
import { runtimeClasses } from "@skiff/api/resource-ref.ts";
import type { Pod, RuntimeClass, Toleration } from "@skiff/api/types.ts";
import type { ObjectReader } from "../registry/object-access.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./admission.ts";
import { concerns, refuse } from "./refusal.ts";

/**
 * Overhead is what the sandbox itself takes; scheduler and kubelet add it to the pod's requests, so nobody may invent
 * one.
 */
export function createRuntimeClassPlugin(reader: ObjectReader): AdmissionPlugin {
  return {
    name: "RuntimeClass",
    async admit(request, signal) {
      if (request.operation !== "CREATE" || !concerns(request, "pods")) return;
      const pod = request.object as Pod;
      const found = await classOf(request, pod, reader, signal);
      setOverhead(request, pod, found);
      setScheduling(request, pod, found);
    },
    // Once more after all others: what they changed must still be what the class says.
    async validate(request, signal) {
      if (request.operation !== "CREATE" || !concerns(request, "pods")) return;
      const pod = request.object as Pod;
      const overhead = (await classOf(request, pod, reader, signal))?.overhead;
      if (overhead && !areSameAmounts(overhead.podFixed, pod.spec.overhead)) throw refuse(request, MISMATCH);
      if (!overhead && pod.spec.overhead) {
        throw refuse(request, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead");
      }
    },
  };
}

const MISMATCH = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";

/** Read from etcd when the cache lacks it: a class and its first pod may be made in one breath. */
async function classOf(
  request: AdmissionRequest,
  { spec }: Pod,
  reader: ObjectReader,
  signal: AbortSignal,
): Promise<Readonly<RuntimeClass> | undefined> {
  const name = spec.runtimeClassName;
  if (name === undefined) return undefined;
  const found = await reader.getLatest(runtimeClasses, "", name, signal);
  if (!found) throw refuse(request, `pod rejected: RuntimeClass ${JSON.stringify(name)} not found`);
  return found;
}

function setOverhead(request: AdmissionRequest, pod: Pod, found: Readonly<RuntimeClass> | undefined): void {
  if (!found?.overhead) return;
  const { podFixed } = found.overhead;
  if (pod.spec.overhead && !areSameAmounts(podFixed, pod.spec.overhead)) throw refuse(request, MISMATCH);
  if (podFixed) pod.spec.overhead = { ...podFixed };
}

type Amounts = Readonly<Record<string, string>>;

/** Equal whatever the spelling: `1` is `1000m`. */
function areSameAmounts(a: Amounts = {}, b: Amounts = {}): boolean {
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => b[name] !== undefined && compareQuantities(a[name] ?? "", b[name]) === 0);
}

/** Only some nodes can run the class; a pod that asks for others at the same time could never be placed. */
function setScheduling(request: AdmissionRequest, pod: Pod, found: Readonly<RuntimeClass> | undefined): void {
  if (!found?.scheduling) return;
  const { nodeSelector = {}, tolerations = [] } = found.scheduling;
  const own = pod.spec.nodeSelector ?? {};
  for (const [key, value] of Object.entries(nodeSelector)) {
    if (own[key] === undefined || own[key] === value) continue;
    const sides = `runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own[key]}`;
    throw refuse(request, `conflict: ${sides}`);
  }
  if (Object.keys(nodeSelector).length > 0) pod.spec.nodeSelector = { ...own, ...nodeSelector };
  if (tolerations.length > 0) pod.spec.tolerations = mergeTolerations(pod.spec.tolerations ?? [], tolerations);
}

/** Both lists without what another entry covers; of equal ones the first stays. */
function mergeTolerations(own: readonly Toleration[], more: readonly Toleration[]): Toleration[] {
  const all = [...own, ...more];
  const merged: Toleration[] = [];
  for (const [at, one] of all.entries()) {
    const later = all.slice(at + 1).filter((other) => !isDeepStrictEqual(one, other));
    if (![...merged, ...later].some((other) => covers(other, one))) merged.push(structuredClone(one));
  }
  return merged;
}

/** Whether every taint that `narrow` tolerates is tolerated by `wide`, and at least as long. */
function covers(wide: Toleration, narrow: Toleration): boolean {
  if (isDeepStrictEqual(wide, narrow)) return true;
  const anyKey = !wide.key && wide.operator === "Exists";
  if (wide.key !== narrow.key && !anyKey) return false;
  if (wide.effect && wide.effect !== narrow.effect) return false;
  if (wide.effect === "NoExecute" && wide.tolerationSeconds !== undefined) {
    if (narrow.tolerationSeconds === undefined || narrow.tolerationSeconds > wide.tolerationSeconds) return false;
  }
  if (wide.operator === "Exists") return true;
  const isEqual = (operator: string | undefined) => operator === undefined || operator === "Equal";
  return isEqual(wide.operator) && isEqual(narrow.operator) && (wide.value ?? "") === (narrow.value ?? "");
}
