// Writes of a pod's status, by its kubelet above all.
import type { ContainerStatus, Pod } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { parseIp } from "../../ip.ts";
import { isDns1123Subdomain, isQualifiedName, isValidIp } from "../../validation/names.ts";
import {
  duplicate,
  type FieldPath,
  forbiddenField,
  IMMUTABLE,
  invalidAll,
  invalidValue,
  root,
} from "../../validation/path.ts";
import { validateMirrorUpdate } from "./validate-annotations.ts";

/** Keeps what a kubelet that does not know a field would otherwise wipe out with its whole-object write. */
export function prepareStatusUpdate(next: Pod, previous: Readonly<Pod>): void {
  // Kubelets send whole pods and must not touch who owns them.
  if (previous.metadata.ownerReferences) next.metadata.ownerReferences = previous.metadata.ownerReferences;
  else delete next.metadata.ownerReferences;
  next.status ??= {};
  if (!next.status.qosClass && previous.status?.qosClass) next.status.qosClass = previous.status.qosClass;
  const observed = previous.status?.observedGeneration;
  if (!next.status.observedGeneration && observed) next.status.observedGeneration = observed;
}

/** The class of service is fixed at creation: eviction order and cgroups were derived from it. */
export function validateStatusUpdate(next: Pod, previous: Readonly<Pod>): FieldError[] {
  const path = root("status");
  const status = next.status ?? {};
  const before = previous.status ?? {};
  const policy = next.spec.restartPolicy ?? "Always";
  const nominated = status.nominatedNodeName === before.nominatedNodeName ? "" : status.nominatedNodeName;
  return [
    ...validateMirrorUpdate(next, previous, root("metadata").child("annotations")),
    ...(status.qosClass === before.qosClass
      ? []
      : [invalidValue(path.child("qosClass"), status.qosClass ?? "", IMMUTABLE)]),
    ...(nominated ? invalidAll(path.child("nominatedNodeName"), nominated, isDns1123Subdomain(nominated)) : []),
    ...validateTransitions(status.containerStatuses, before.containerStatuses, policy, path.child("containerStatuses")),
    ...validateTransitions(
      withoutSidecars(next, status.initContainerStatuses),
      withoutSidecars(next, before.initContainerStatuses),
      policy,
      path.child("initContainerStatuses"),
    ),
    ...validateTransitions(
      status.ephemeralContainerStatuses,
      before.ephemeralContainerStatuses,
      // Kubelets start them once and never again.
      "Never",
      path.child("ephemeralContainerStatuses"),
    ),
    // The wrong parent is upstream's.
    ...validateConditionTypes(status.conditions ?? [], root("metadata").child("conditions")),
    ...validatePodIps(next, path.child("podIPs")),
  ];
}

/** Sidecars are restarted whatever the pod's policy says. */
function withoutSidecars(pod: Readonly<Pod>, statuses: readonly ContainerStatus[] | undefined) {
  const sidecars = new Set(
    (pod.spec.initContainers ?? []).filter((c) => c.restartPolicy === "Always").map((c) => c.name),
  );
  return (statuses ?? []).filter((status) => !sidecars.has(status.name));
}

/** A container that ended for good stays ended. */
function validateTransitions(
  next: readonly ContainerStatus[] | undefined,
  previous: readonly ContainerStatus[] | undefined,
  restartPolicy: string,
  path: FieldPath,
): FieldError[] {
  if (restartPolicy === "Always") return [];
  const errors: FieldError[] = [];
  for (const [i, before] of (previous ?? []).entries()) {
    const ended = before.state?.terminated;
    // OnFailure restarts what failed; success is for good.
    if (!ended || (ended.exitCode !== 0 && restartPolicy === "OnFailure")) continue;
    for (const status of next ?? []) {
      if (status.name !== before.name || status.state?.terminated) continue;
      errors.push(forbiddenField(path.index(i).child("state"), "may not be transitioned to non-terminated state"));
    }
  }
  return errors;
}

/** Kubernetes' own types have no domain; those that others add are qualified names. */
function validateConditionTypes(conditions: NonNullable<NonNullable<Pod["status"]>["conditions"]>, path: FieldPath) {
  const system = new Set(["PodScheduled", "Ready", "Initialized"]);
  return conditions.flatMap(({ type }, i) =>
    system.has(type) ? [] : invalidAll(path.index(i).child("Type"), type ?? "", isQualifiedName(type ?? "")),
  );
}

/** One address, or one of each family in a dual-stack cluster. */
function validatePodIps({ status }: Readonly<Pod>, path: FieldPath): FieldError[] {
  const ips = (status?.podIPs ?? []).map(({ ip }) => ip);
  const errors = ips.flatMap((ip, i) => invalidAll(path.index(i), ip, isValidIp(ip ?? "")));
  if (errors.length || ips.length < 2) return errors;
  const families = new Set(ips.map((ip) => parseIp(ip)?.version));
  if (ips.length > 2 || families.size < 2) {
    errors.push(invalidValue(path, status?.podIPs, "may specify no more than one IP for each IP family"));
  }
  ips.forEach((ip, i) => {
    if (ips.indexOf(ip) < i) errors.push(duplicate(path.index(i), { ip }));
  });
  return errors;
}
