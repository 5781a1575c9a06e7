// pods/resize: changes what the containers of a pod may use while they run, and nothing else.
import type { Container, Pod, PodSpec, ResourceRequirements } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import type { WriteRules } from "../../kind.ts";
import { computeQos, podQos } from "../../scheduling/qos.ts";
import { isSidecar } from "../../scheduling/resources.ts";
import { deepEqual } from "../../validation/deep-equal.ts";
import { type FieldPath, forbiddenField, invalidValue, root } from "../../validation/path.ts";
import { isMirrorPod } from "./validate-annotations.ts";
import { validatePodSpec } from "./validate-spec.ts";

/** What `kubectl patch --subresource resize` writes through; the kubelet then applies it, or says why it cannot. */
export const resizeRules: WriteRules<Pod> = {
  prepareForUpdate(next, previous) {
    const { name, namespace, resourceVersion } = next.metadata;
    const containers = resized(next.spec.containers, previous.spec.containers);
    const initContainers = resized(next.spec.initContainers ?? [], previous.spec.initContainers ?? []);
    next.metadata = { ...previous.metadata, name, namespace, resourceVersion };
    if (previous.status) next.status = previous.status;
    // Left as they came, containers that were added, renamed or moved are refused by the validation.
    next.spec = { ...previous.spec, containers, ...(initContainers.length > 0 ? { initContainers } : {}) };
    if (!deepEqual(next.spec, previous.spec)) next.metadata.generation = (previous.metadata.generation ?? 0) + 1;
  },
  validateUpdate: (next, previous) => {
    const refused = whyNever(next, previous);
    if (refused) return [forbiddenField(root(""), refused)];
    return [...validatePodSpec(next.spec, root("spec"), next.metadata), ...validateChanges(next, previous)];
  },
};

/** The old containers with the new resources and resize policies; the new ones where the two do not match. */
function resized(next: Container[], previous: readonly Container[]): Container[] {
  if (next.length !== previous.length || next.some(({ name }, i) => name !== previous[i]?.name)) return next;
  return next.map(({ resources, resizePolicy }, i) => {
    const { resizePolicy: _, ...before } = previous[i] as Container;
    return { ...before, ...(resources ? { resources } : {}), ...(resizePolicy ? { resizePolicy } : {}) };
  });
}

/** Reasons that lie in the pod and not in the change. */
function whyNever(next: Readonly<Pod>, previous: Readonly<Pod>): string | undefined {
  const hasOwnResources = ({ spec: { resources } }: Readonly<Pod>) =>
    Object.keys({ ...resources?.requests, ...resources?.limits }).length > 0;
  if (hasOwnResources(next) || hasOwnResources(previous)) return "pods with pod-level resources cannot be resized";
  if (isMirrorPod(previous)) return "static pods cannot be resized";
  return previous.spec.os?.name === "windows" ? "windows pods cannot be resized" : undefined;
}

function validateChanges(next: Readonly<Pod>, previous: Readonly<Pod>): FieldError[] {
  const path = root("spec");
  const errors: FieldError[] = [];
  // The class decides under which cgroup the pod runs, and when it is evicted.
  if (podQos(previous) !== computeQos(next)) {
    const detail = "Pod QOS Class may not change as a result of resizing";
    errors.push(invalidValue(path, next.status?.qosClass ?? "", detail));
  }
  if (!canNodeResize(previous)) errors.push(forbiddenField(path, "Pod running on node without support for resize"));
  const order = [
    ...sameOrder(next.spec, previous.spec, "containers", path),
    ...sameOrder(next.spec, previous.spec, "initContainers", path),
  ];
  // The checks below compare by position.
  if (order.length > 0) return [...errors, ...order];
  return [...errors, ...keptErrors(next.spec, previous.spec, path), ...mutableErrors(next.spec, previous.spec, path)];
}

/** A kubelet that can resize shows what its containers have. */
function canNodeResize({ status }: Readonly<Pod>): boolean {
  const running = (status?.containerStatuses ?? []).find(({ state }) => state?.running);
  return running === undefined || running.resources !== undefined;
}

type ListName = "containers" | "initContainers";

function sameOrder(next: PodSpec, previous: PodSpec, list: ListName, path: FieldPath): FieldError[] {
  const after = next[list] ?? [];
  const before = previous[list] ?? [];
  if (after.length !== before.length) {
    return [forbiddenField(path.child(list), `${list} may not be added or removed on resize`)];
  }
  return before.flatMap(({ name }, i) => {
    if (after[i]?.name === name) return [];
    const detail = `${list} may not be renamed or reordered on resize`;
    return [forbiddenField(path.child(list).index(i).child("name"), detail)];
  });
}

/** What is requested or limited stays so, if at another amount. */
function keptErrors(next: PodSpec, previous: PodSpec, path: FieldPath): FieldError[] {
  const check = (list: ListName, isChecked: (container: Container) => boolean) =>
    (previous[list] ?? []).flatMap((before, i) => {
      if (!isChecked(before)) return [];
      const at = path.child(list).index(i).child("resources");
      return (["requests", "limits"] as const).flatMap((what) => {
        const after = next[list]?.[i]?.resources?.[what] ?? {};
        const isKept = Object.keys(before.resources?.[what] ?? {}).every((name) => Object.hasOwn(after, name));
        return isKept ? [] : [forbiddenField(at.child(what), `resource ${what} cannot be removed`)];
      });
    });
  return [...check("initContainers", isSidecar), ...check("containers", () => true)];
}

/** Init containers that are no sidecars have run, or run once: there is nothing to resize. */
function mutableErrors(next: PodSpec, previous: PodSpec, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  next.containers.forEach((container, i) => {
    const before = previous.containers[i];
    if (before && !deepEqual(withCpuAndMemoryOf(container, before), before)) {
      errors.push(forbiddenField(path, "only cpu and memory resources are mutable"));
    }
  });
  (next.initContainers ?? []).forEach((container, i) => {
    const before = previous.initContainers?.[i];
    if (!before) return;
    if (!isSidecar(container)) {
      if (deepEqual(container, before)) return;
      errors.push(forbiddenField(path, "resources for non-sidecar init containers are immutable"));
    } else if (!deepEqual(withCpuAndMemoryOf(container, before), before)) {
      errors.push(forbiddenField(path, "only cpu and memory resources for sidecar containers are mutable"));
    }
  });
  return errors;
}

/** The container as it would be had neither CPU nor memory changed. */
function withCpuAndMemoryOf(container: Container, previous: Container): Container {
  const merged: ResourceRequirements = { ...container.resources };
  for (const what of ["requests", "limits"] as const) {
    const { cpu: _cpu, memory: _memory, ...others } = container.resources?.[what] ?? {};
    const { cpu, memory } = previous.resources?.[what] ?? {};
    merged[what] = { ...others, ...(cpu !== undefined && { cpu }), ...(memory !== undefined && { memory }) };
  }
  return { ...container, resources: merged };
}
