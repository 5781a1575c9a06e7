// Security contexts of pods and containers.
import type {
  AppArmorProfile,
  PodSecurityContext,
  PodSpec,
  SeccompProfile,
  SecurityContext,
  Sysctl,
} from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { isUserId } from "../../validation/names.ts";
import {
  allErrors,
  duplicate,
  type FieldPath,
  invalidAll,
  invalidValue,
  itemErrors,
  notSupported,
  required,
} from "../../validation/path.ts";
import { validateLocalPath } from "./validate-paths.ts";

/** Checks what one container asks for; the pod's own context is judged by `validatePodSecurity`. */
export function validateSecurityContext(context: SecurityContext | undefined, path: FieldPath): FieldError[] {
  if (!context) return [];
  return allErrors(
    validateIds(context, path),
    validateSeccomp(context.seccompProfile, path.child("seccompProfile")),
    validateAppArmor(context.appArmorProfile, path.child("appArmorProfile")),
    validateProcMount(context.procMount, path.child("procMount")),
    validateEscalation(context, path),
  );
}

const PROC_MOUNTS = ["Default", "Unmasked"];

function validateProcMount(type: string | undefined, path: FieldPath): FieldError[] {
  return type === undefined || PROC_MOUNTS.includes(type) ? [] : [notSupported(path, type, PROC_MOUNTS)];
}

/**
 * `allowPrivilegeEscalation: false` sets no_new_privs on the process. One that is privileged or has CAP_SYS_ADMIN
 * has all there is to gain, so that the promise would be empty.
 */
function validateEscalation(context: SecurityContext, path: FieldPath): FieldError[] {
  if (context.allowPrivilegeEscalation !== false) return [];
  const errors: FieldError[] = [];
  const cannot = "cannot set `allowPrivilegeEscalation` to false and";
  if (context.privileged) errors.push(invalidValue(path, context, `${cannot} \`privileged\` to true`));
  if (context.capabilities?.add?.includes("CAP_SYS_ADMIN")) {
    errors.push(invalidValue(path, context, `${cannot} \`capabilities.Add\` CAP_SYS_ADMIN`));
  }
  return errors;
}

/** Zero is root, and may be asked for: refusing it is for `runAsNonRoot` and for admission. */
function validateIds(context: Pick<SecurityContext, "runAsUser" | "runAsGroup">, path: FieldPath): FieldError[] {
  return (["runAsUser", "runAsGroup"] as const).flatMap((field) => {
    const id = context[field];
    return id === undefined ? [] : invalidAll(path.child(field), id, isUserId(id));
  });
}

// AppArmor knows the same three, with the same words.
const SECCOMP_TYPES = ["Localhost", "RuntimeDefault", "Unconfined"];

/** A profile that comes with the runtime, none, or a file on the node. */
function validateSeccomp(profile: SeccompProfile | undefined, path: FieldPath): FieldError[] {
  if (!profile) return [];
  const file = profile.localhostProfile;
  const at = path.child("localhostProfile");
  if (profile.type === "Localhost") {
    // The path is below the kubelet's seccomp directory and must not lead out of it.
    return file ? validateLocalPath(file, at) : [required(at, "must be set when seccomp type is Localhost")];
  }
  const errors: FieldError[] = [];
  if (file !== undefined) errors.push(invalidValue(at, profile, "can only be set when seccomp type is Localhost"));
  if (!profile.type) errors.push(required(path.child("type"), "type is required when seccompProfile is set"));
  else if (!SECCOMP_TYPES.includes(profile.type)) {
    errors.push(notSupported(path.child("type"), profile.type, SECCOMP_TYPES));
  }
  return errors;
}

function validateAppArmor(profile: AppArmorProfile | undefined, path: FieldPath): FieldError[] {
  if (!profile) return [];
  const name = profile.localhostProfile;
  const at = path.child("localhostProfile");
  if (profile.type === "Localhost") {
    if (name === undefined) return [required(at, "must be set when AppArmor type is Localhost")];
    // An AppArmor profile is the name of one that is loaded on the node, not a path.
    if (name.trim() !== name) return [invalidValue(at, name, "must not be padded with whitespace")];
    return name ? [] : [required(at, "must be set when AppArmor type is Localhost")];
  }
  const errors: FieldError[] = [];
  if (name !== undefined) errors.push(invalidValue(at, name, "can only be set when AppArmor type is Localhost"));
  if (!profile.type) errors.push(required(path.child("type"), "type is required when appArmorProfile is set"));
  else if (!SECCOMP_TYPES.includes(profile.type)) {
    errors.push(notSupported(path.child("type"), profile.type, SECCOMP_TYPES));
  }
  return errors;
}

/** Checks the pod's security context, which its containers inherit, and the namespaces that it shares. */
export function validatePodSecurity(spec: PodSpec, specPath: FieldPath): FieldError[] {
  const context = spec.securityContext;
  const errors: FieldError[] = [];
  // One process namespace cannot be both the pod's and the host's.
  if (spec.shareProcessNamespace && spec.hostPID) {
    const detail = "ShareProcessNamespace and HostPID cannot both be enabled";
    errors.push(invalidValue(specPath.child("securityContext", "shareProcessNamespace"), true, detail));
  }
  errors.push(...validateUnmasked(spec, specPath));
  if (!context) return errors;
  const path = specPath.child("securityContext");
  return allErrors(
    errors,
    validateIds(context, path),
    validateGroups(context, path),
    validateSeccomp(context.seccompProfile, path.child("seccompProfile")),
    validateAppArmor(context.appArmorProfile, path.child("appArmorProfile")),
    validateSysctls(context.sysctls ?? [], spec, path.child("sysctls")),
  );
}

/** All of /proc is for those alone whose root is nobody on the node. */
function validateUnmasked(spec: PodSpec, path: FieldPath): FieldError[] {
  if (spec.hostUsers === false) return [];
  return (["initContainers", "containers", "ephemeralContainers"] as const).flatMap((list) =>
    (spec[list] ?? []).flatMap(({ securityContext }, index) => {
      const at = path.child(list).index(index).child("securityContext", "procMount");
      const isUnmasked = securityContext?.procMount === "Unmasked";
      return isUnmasked ? [invalidValue(at, "Unmasked", "`hostUsers` must be false to use `Unmasked`")] : [];
    }),
  );
}

// How much work an fsGroup makes at start, whose groups count besides, and how SELinux labels get onto files.
const CHOICES = {
  fsGroupChangePolicy: ["Always", "OnRootMismatch"],
  supplementalGroupsPolicy: ["Merge", "Strict"],
  seLinuxChangePolicy: ["MountOption", "Recursive"],
} as const;

/** Groups that own volumes and that processes are in, and how those come about. */
function validateGroups(context: PodSecurityContext, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (context.fsGroup !== undefined) {
    errors.push(...invalidAll(path.child("fsGroup"), context.fsGroup, isUserId(context.fsGroup)));
  }
  for (const [i, id] of (context.supplementalGroups ?? []).entries()) {
    errors.push(...invalidAll(path.child("supplementalGroups").index(i), id, isUserId(id)));
  }
  for (const field of Object.keys(CHOICES) as (keyof typeof CHOICES)[]) {
    const value = context[field];
    const valid: readonly string[] = CHOICES[field];
    if (value !== undefined && !valid.includes(value)) errors.push(notSupported(path.child(field), value, valid));
  }
  return errors;
}

// Both separators are the kernel's: `net.ipv4.ip_forward` and `net/ipv4/ip_forward` are the same setting.
const SYSCTL = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?([\\./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*";
const SYSCTL_RE = new RegExp(`^(?:${SYSCTL})$`);

function validateSysctls(sysctls: readonly Sysctl[], spec: PodSpec, path: FieldPath): FieldError[] {
  const seen = new Set<string>();
  return itemErrors(sysctls, ({ name }, i) => {
    const at = path.index(i).child("name");
    if (!name) return [required(at)];
    if (name.length > 253 || !SYSCTL_RE.test(name)) {
      return [invalidValue(at, name, `must have at most 253 characters and match regex ^${SYSCTL}$`)];
    }
    if (seen.has(name)) return [duplicate(at, name)];
    seen.add(name);
    return validateHostSysctl(name, spec, at);
  });
}

/** On the host's namespaces a sysctl would be the host's. */
function validateHostSysctl(name: string, spec: PodSpec, path: FieldPath): FieldError[] {
  const dotted = name.replaceAll("/", ".");
  if (spec.hostNetwork && dotted.startsWith("net.")) {
    return [invalidValue(path, name, "may not be specified when 'hostNetwork' is true")];
  }
  const ipc = ["kernel.shm", "kernel.msg", "fs.mqueue."].some((p) => dotted.startsWith(p)) || dotted === "kernel.sem";
  return spec.hostIPC && ipc ? [invalidValue(path, name, "may not be specified when 'hostIPC' is true")] : [];
}
