// Containers, init containers and ephemeral containers of a pod.
import type { Container, EphemeralContainer, PodSpec, Volume } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { isDns1123Label } from "../../validation/names.ts";
import {
  allErrors,
  duplicate,
  type FieldPath,
  forbiddenField,
  invalidAll,
  invalidValue,
  itemErrors,
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

/** The main containers, of which a pod needs one at least. Their names are DNS labels, unique in the whole pod. */
export function validateContainers(
  containers: readonly Container[],
  context: ContainerContext,
  path: FieldPath,
): FieldError[] {
  if (containers.length === 0) return [required(path)];
  const names = new Set<string>();
  return itemErrors(containers, (container, i) => {
    const at = path.index(i);
    return allErrors(
      validateCommon(container, context, at),
      uniqueName(container.name, names, at),
      validateLifecycle(container.lifecycle, context.graceSeconds, at.child("lifecycle")),
      validateProbes(container, at),
      validateRestartPolicy(container, at),
    );
  });
}

/** Init containers run to completion one by one; those with restartPolicy Always are sidecars and may have probes. */
export function validateInitContainers(spec: PodSpec, context: ContainerContext, path: FieldPath): FieldError[] {
  const names = new Set<string>((spec.containers ?? []).map((container) => container.name));
  return itemErrors(spec.initContainers ?? [], (container, i) => {
    const at = path.index(i);
    const errors = [...validateCommon(container, context, at), ...uniqueName(container.name, names, at)];
    errors.push(...validateRestartPolicy(container, at));
    if (container.restartPolicy !== "Always") return [...errors, ...forbidLifecycle(container, at)];
    return allErrors(
      errors,
      validateLifecycle(container.lifecycle, context.graceSeconds, at.child("lifecycle")),
      validateProbes(container, at),
    );
  });
}

/** The next init container waits for this one's end, so that a probe of its readiness would have no reader. */
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
  return itemErrors(spec.ephemeralContainers ?? [], (container, i) => {
    const at = path.index(i);
    return allErrors(
      validateCommon(container, context, at),
      uniqueName(container.name, names, at),
      validateTarget(container, others, at.child("targetContainerName")),
      forbidEphemeral(container, at),
    );
  });
}

// The scheduler has placed the pod and the kubelet admitted it: what needs resources, ports or care comes too late.
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
    // Upstream lets them mount whole volumes only.
    for (const field of ["subPath", "subPathExpr"] as const) {
      if (!mount[field]) continue;
      const at = path.child("volumeMounts").index(i).child(field);
      errors.push(forbiddenField(at, "cannot be set for an Ephemeral Container"));
    }
  }
  return errors;
}

/** The container whose process namespace it joins, so that `ps` in it shows that container's processes. */
function validateTarget(
  { targetContainerName: target }: EphemeralContainer,
  names: readonly string[],
  path: FieldPath,
) {
  return target && !names.includes(target) ? [notFoundValue(path, target)] : [];
}

/** Remembers the name. An empty one is not a duplicate: it is reported as missing already. */
function uniqueName(name: string, names: Set<string>, path: FieldPath): FieldError[] {
  const taken = Boolean(name) && names.has(name);
  names.add(name);
  return taken ? [duplicate(path.child("name"), name)] : [];
}

/** What all three sorts of containers are held to. */
function validateCommon(container: Container, context: ContainerContext, path: FieldPath): FieldError[] {
  return allErrors(
    validateName(container, path.child("name")),
    validateImage(container, context, path.child("image")),
    validateMessagePolicy(container.terminationMessagePolicy, path.child("terminationMessagePolicy")),
    validateContainerPorts(container.ports ?? [], path.child("ports")),
    validateEnv(container.env ?? [], path.child("env")),
    validateEnvFrom(container.envFrom ?? [], path.child("envFrom")),
    validateVolumeMounts(container, context.volumes, path.child("volumeMounts")),
    validateVolumeDevices(container, context.volumes, path.child("volumeDevices")),
    validatePullPolicy(container.imagePullPolicy, path.child("imagePullPolicy")),
    validateResources(container.resources ?? {}, path.child("resources"), context.claims),
    validateResizePolicy(container, context, path.child("resizePolicy")),
    validateSecurityContext(container.securityContext, path.child("securityContext")),
  );
}

function validateName({ name }: Container, path: FieldPath): FieldError[] {
  return name ? invalidAll(path, name, isDns1123Label(name)) : [required(path)];
}

/** Only emptiness and padding are wrong here; a malformed reference shows up at the kubelet as InvalidImageName. */
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

// The order is that of upstream's message: sorted by name.
const PULL_POLICIES = ["Always", "IfNotPresent", "Never"];

function validatePullPolicy(policy: string | undefined, path: FieldPath): FieldError[] {
  if (!policy) return [required(path)];
  return PULL_POLICIES.includes(policy) ? [] : [notSupported(path, policy, PULL_POLICIES)];
}

// What the kernel's control groups can change for a process that runs.
const RESIZABLE = ["cpu", "memory"];
const RESIZE_POLICIES = ["NotRequired", "RestartContainer"];

function validateResizePolicy(
  { resizePolicy }: Container,
  { isRunOnce }: ContainerContext,
  path: FieldPath,
): FieldError[] {
  const seen = new Set<string>();
  return itemErrors(resizePolicy ?? [], ({ resourceName, restartPolicy }, i) => {
    const at = path.index(i);
    const errors: FieldError[] = seen.has(resourceName) ? [duplicate(at, resourceName)] : [];
    seen.add(resourceName);
    if (!RESIZABLE.includes(resourceName)) errors.push(notSupported(path, resourceName ?? "", RESIZABLE));
    if (!RESIZE_POLICIES.includes(restartPolicy)) errors.push(notSupported(path, restartPolicy ?? "", RESIZE_POLICIES));
    // A resize must not restart what its pod has promised to run once.
    else if (isRunOnce && restartPolicy !== "NotRequired") {
      errors.push(invalidValue(path, restartPolicy, "must be 'NotRequired' when `restartPolicy` is 'Never'"));
    }
    return errors;
  });
}
