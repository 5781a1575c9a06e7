// Containers, init containers and ephemeral containers of a pod.
import type { Container, EphemeralContainer, PodSpec, Volume } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { isDns1123Label } from "../../validation/names.ts";
import {
  duplicate,
  type FieldPath,
  forbiddenField,
  invalidAll,
  invalidValue,
  notFoundValue,
  notSupported,
  required,
} from "../../validation/path.ts";
import { validateEnv, validateEnvFrom } from "./validate-env.ts";
import { validateContainerPorts } from "./validate-ports.ts";
import { validateLifecycle, validateProbes } from "./validate-probes.ts";
import { validateResources } from "./validate-resources.ts";
import { validateRestartPolicy } from "./validate-restart-rules.ts";
import { validateSecurityContext } from "./validate-security.ts";
import { validateVolumeDevices, validateVolumeMounts } from "./validate-volume-mounts.ts";

/** What of its pod a container depends on. */
export interface ContainerContext {
  readonly volumes: ReadonlyMap<string, Volume>;
  readonly graceSeconds: number;
  /** The pod's restart policy is Never. */
  readonly isRunOnce: boolean;
  /** Names of the pod's resource claims. */
  readonly claims: ReadonlySet<string>;
  /** False inside the templates of workloads, which are held to a little less. */
  readonly ownPod: boolean;
}

export function validateContainers(
  containers: readonly Container[],
  context: ContainerContext,
  path: FieldPath,
): FieldError[] {
  if (containers.length === 0) return [required(path)];
  const names = new Set<string>();
  return containers.flatMap((container, i) => {
    const at = path.index(i);
    return [
      ...validateCommon(container, context, at),
      ...uniqueName(container.name, names, at),
      ...validateLifecycle(container.lifecycle, context.graceSeconds, at.child("lifecycle")),
      ...validateProbes(container, at),
      ...validateRestartPolicy(container, at),
    ];
  });
}

/** Init containers run to completion one by one; those with restartPolicy Always are sidecars and may have probes. */
export function validateInitContainers(spec: PodSpec, context: ContainerContext, path: FieldPath): FieldError[] {
  const names = new Set<string>((spec.containers ?? []).map((container) => container.name));
  return (spec.initContainers ?? []).flatMap((container, i) => {
    const at = path.index(i);
    const errors = [...validateCommon(container, context, at), ...uniqueName(container.name, names, at)];
    errors.push(...validateRestartPolicy(container, at));
    if (container.restartPolicy !== "Always") return [...errors, ...forbidLifecycle(container, at)];
    return [
      ...errors,
      ...validateLifecycle(container.lifecycle, context.graceSeconds, at.child("lifecycle")),
      ...validateProbes(container, at),
    ];
  });
}

function forbidLifecycle(container: Container, path: FieldPath): FieldError[] {
  const fields = ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] as const;
  return fields
    .filter((field) => container[field] !== undefined)
    .map((field) =>
      forbiddenField(path.child(field), "may not be set for init containers without restartPolicy=Always"),
    );
}

/** Containers added to a running pod for a look inside: nothing that would need planning. */
export function validateEphemeralContainers(spec: PodSpec, context: ContainerContext, path: FieldPath): FieldError[] {
  const others = [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map((container) => container.name);
  const names = new Set<string>(others);
  return (spec.ephemeralContainers ?? []).flatMap((container, i) => {
    const at = path.index(i);
    return [
      ...validateCommon(container, context, at),
      ...uniqueName(container.name, names, at),
      ...validateTarget(container, others, at.child("targetContainerName")),
      ...forbidEphemeral(container, at),
    ];
  });
}

const NOT_EPHEMERAL = [
  "ports",
  "livenessProbe",
  "readinessProbe",
  "startupProbe",
  "lifecycle",
  "resizePolicy",
  "restartPolicy",
] as const satisfies readonly (keyof EphemeralContainer)[];

function forbidEphemeral(container: EphemeralContainer, path: FieldPath): FieldError[] {
  const forbidden: string[] = NOT_EPHEMERAL.filter((field) => {
    const value = container[field];
    return Array.isArray(value) ? value.length > 0 : value !== undefined;
  });
  const { limits, requests, claims } = container.resources ?? {};
  if ([limits, requests].some((list) => Object.keys(list ?? {}).length) || claims?.length) forbidden.push("resources");
  const errors = forbidden.map((field) =>
    forbiddenField(path.child(field), "cannot be set for an Ephemeral Container"),
  );
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    for (const field of ["subPath", "subPathExpr"] as const) {
      if (!mount[field]) continue;
      const at = path.child("volumeMounts").index(i).child(field);
      errors.push(forbiddenField(at, "cannot be set for an Ephemeral Container"));
    }
  }
  return errors;
}

function validateTarget(
  { targetContainerName: target }: EphemeralContainer,
  names: readonly string[],
  path: FieldPath,
) {
  return target && !names.includes(target) ? [notFoundValue(path, target)] : [];
}

function uniqueName(name: string, names: Set<string>, path: FieldPath): FieldError[] {
  const taken = Boolean(name) && names.has(name);
  names.add(name);
  return taken ? [duplicate(path.child("name"), name)] : [];
}

function validateCommon(container: Container, context: ContainerContext, path: FieldPath): FieldError[] {
  return [
    ...validateName(container, path.child("name")),
    ...validateImage(container, context, path.child("image")),
    ...validateMessagePolicy(container.terminationMessagePolicy, path.child("terminationMessagePolicy")),
    ...validateContainerPorts(container.ports ?? [], path.child("ports")),
    ...validateEnv(container.env ?? [], path.child("env")),
    ...validateEnvFrom(container.envFrom ?? [], path.child("envFrom")),
    ...validateVolumeMounts(container, context.volumes, path.child("volumeMounts")),
    ...validateVolumeDevices(container, context.volumes, path.child("volumeDevices")),
    ...validatePullPolicy(container.imagePullPolicy, path.child("imagePullPolicy")),
    ...validateResources(container.resources ?? {}, path.child("resources"), context.claims),
    ...validateResizePolicy(container, context, path.child("resizePolicy")),
    ...validateSecurityContext(container.securityContext, path.child("securityContext")),
  ];
}

function validateName({ name }: Container, path: FieldPath): FieldError[] {
  return name ? invalidAll(path, name, isDns1123Label(name)) : [required(path)];
}

function validateImage({ image = "" }: Container, context: ContainerContext, path: FieldPath): FieldError[] {
  if (!image) return [required(path)];
  if (!context.ownPod || image === image.trim()) return [];
  return [invalidValue(path, image, "must not have leading or trailing whitespace")];
}

function validateMessagePolicy(policy: string | undefined, path: FieldPath): FieldError[] {
  const detail = "must be 'File' or 'FallbackToLogsOnError'";
  if (!policy) return [required(path, detail)];
  return policy === "File" || policy === "FallbackToLogsOnError" ? [] : [invalidValue(path, policy, detail)];
}

const PULL_POLICIES = ["Always", "IfNotPresent", "Never"];

function validatePullPolicy(policy: string | undefined, path: FieldPath): FieldError[] {
  if (!policy) return [required(path)];
  return PULL_POLICIES.includes(policy) ? [] : [notSupported(path, policy, PULL_POLICIES)];
}

const RESIZABLE = ["cpu", "memory"];
const RESIZE_POLICIES = ["NotRequired", "RestartContainer"];

function validateResizePolicy(
  { resizePolicy }: Container,
  { isRunOnce }: ContainerContext,
  path: FieldPath,
): FieldError[] {
  const seen = new Set<string>();
  return (resizePolicy ?? []).flatMap(({ resourceName, restartPolicy }, i) => {
    const at = path.index(i);
    const errors: FieldError[] = seen.has(resourceName) ? [duplicate(at, resourceName)] : [];
    seen.add(resourceName);
    if (!RESIZABLE.includes(resourceName)) errors.push(notSupported(path, resourceName ?? "", RESIZABLE));
    if (!RESIZE_POLICIES.includes(restartPolicy)) errors.push(notSupported(path, restartPolicy ?? "", RESIZE_POLICIES));
    else if (isRunOnce && restartPolicy !== "NotRequired") {
      errors.push(invalidValue(path, restartPolicy, "must be 'NotRequired' when `restartPolicy` is 'Never'"));
    }
    return errors;
  });
}
