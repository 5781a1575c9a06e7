// pods/resize: changes what a running pod and its containers may use, and nothing else.
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
    const { resources: _, ...before } = previous.spec;
    const own = next.spec.resources;
    next.spec = {
      ...before,
      containers,
      ...(initContainers.length > 0 ? { initContainers } : {}),
      ...(own ? { resources: own } : {}),
    };
    if (!deepEqual(next.spec, previous.spec)) next.metadata.generation = (previous.metadata.generation ?? 0) + 1;
  },
  validateUpdate: (next, previous) => {
    const refused = whyNever(previous);
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
function whyNever(previous: Readonly<Pod>): string | undefined {
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
  errors.push(...ownResourcesErrors(next.spec, previous.spec, path));
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

/** Resources of the pod as a whole may come, and change by amount; what is set there stays. */
function ownResourcesErrors(next: PodSpec, previous: PodSpec, path: FieldPath): FieldError[] {
  const [after, before] = [next.resources, previous.resources];
  if (!hasOwn(after) && !hasOwn(before)) return [];
  const at = path.child("resources");
  if (!after) return [forbiddenField(at, "pod-level resources cannot be removed")];
  const errors = (["requests", "limits"] as const).flatMap((what) =>
    keeps(after, before, what) ? [] : [forbiddenField(at.child(what), `pod-level resource ${what} cannot be removed`)],
  );
  if (!deepEqual(withCpuAndMemory(after, before), before ?? {})) {
    errors.push(forbiddenField(path, "only cpu and memory resources are mutable at pod-level"));
  }
  return errors;
}

function hasOwn(resources: ResourceRequirements | undefined): boolean {
  return Object.keys({ ...resources?.requests, ...resources?.limits }).length > 0;
}

function keeps(
  after: ResourceRequirements | undefined,
  before: ResourceRequirements | undefined,
  what: "requests" | "limits",
): boolean {
  return Object.keys(before?.[what] ?? {}).every((name) => Object.hasOwn(after?.[what] ?? {}, name));
}

/** What is requested or limited stays so, if at another amount. */
function keptErrors(next: PodSpec, previous: PodSpec, path: FieldPath): FieldError[] {
  return (["initContainers", "containers"] as const).flatMap((list) =>
    (previous[list] ?? []).flatMap((before, i) => {
      const at = path.child(list).index(i).child("resources");
      return (["requests", "limits"] as const).flatMap((what) => {
        if (keeps(next[list]?.[i]?.resources, before.resources, what)) return [];
        return [forbiddenField(at.child(what), `resource ${what} cannot be removed`)];
      });
    }),
  );
}

/** An init container that is no sidecar takes what it was granted at its next start, or while it runs. */
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
    const at = path.child("initContainers").index(i);
    if (!deepEqual(withCpuAndMemoryOf(container, before), before)) {
      errors.push(forbiddenField(at, "only cpu and memory resources for init or sidecar containers are mutable"));
    }
    const restarts = (container.resizePolicy ?? []).some(({ restartPolicy }) => restartPolicy === "RestartContainer");
    if (restarts && !isSidecar(container) && !deepEqual(container, before)) {
      const detail = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized";
      errors.push(forbiddenField(at, detail));
    }
  });
  return errors;
}

/** The container as it would be had neither CPU nor memory changed. */
function withCpuAndMemoryOf(container: Container, previous: Container): Container {
  return { ...container, resources: withCpuAndMemory(container.resources, previous.resources) };
}

function withCpuAndMemory(
  resources: ResourceRequirements | undefined,
  previous: ResourceRequirements | undefined,
): ResourceRequirements {
  const merged: ResourceRequirements = { ...resources };
  for (const what of ["requests", "limits"] as const) {
    const { cpu: _cpu, memory: _memory, ...others } = resources?.[what] ?? {};
    const { cpu, memory } = previous?.[what] ?? {};
    merged[what] = { ...others, ...(cpu !== undefined && { cpu }), ...(memory !== undefined && { memory }) };
  }
  return merged;
}
