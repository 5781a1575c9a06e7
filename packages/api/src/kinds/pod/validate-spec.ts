// Whether a pod's spec makes sense, in pods and in templates alike.
import type { HostAlias, ObjectMeta, PodSpec } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { isDns1123Label, isDns1123Subdomain, isInRange, isQualifiedName, isValidIp } from "../../validation/names.ts";
import { validateLabels } from "../../validation/object-meta.ts";
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
import { validateAffinity } from "./validate-affinity.ts";
import { validateContainers, validateEphemeralContainers, validateInitContainers } from "./validate-containers.ts";
import { validateDns } from "./validate-dns.ts";
import { validateHostname, validateHostUsers, validateResourceClaims } from "./validate-identity.ts";
import { validateHostPorts } from "./validate-ports.ts";
import { validateOverhead, validatePodResources } from "./validate-resources.ts";
import { validatePodSecurity } from "./validate-security.ts";
import { validateTolerations } from "./validate-tolerations.ts";
import { validateTopologySpread } from "./validate-topology-spread.ts";
import { validateVolumes } from "./validate-volumes.ts";

// Each list in the order in which upstream's message names the values.
const RESTART_POLICIES = ["Always", "OnFailure", "Never"];
const DNS_POLICIES = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
const PREEMPTION_POLICIES = ["PreemptLowerPriority", "Never"];
const OPERATING_SYSTEMS = ["linux", "windows"];

/** `meta` is the pod's own, absent for templates. */
export function validatePodSpec(spec: PodSpec, path: FieldPath, meta?: Readonly<ObjectMeta>): FieldError[] {
  const volumes = validateVolumes(spec.volumes ?? [], path.child("volumes"), meta);
  // What containers refer to by name lies in the pod, so that it is gathered once.
  const context = {
    volumes: volumes.byName,
    graceSeconds: spec.terminationGracePeriodSeconds ?? 0,
    isRunOnce: spec.restartPolicy === "Never",
    claims: new Set((spec.resourceClaims ?? []).map((claim) => claim.name)),
    ownPod: meta !== undefined,
  };
  return allErrors(
    volumes.errors,
    validateContainers(spec.containers ?? [], context, path.child("containers")),
    validateInitContainers(spec, context, path.child("initContainers")),
    validateEphemeralContainers(spec, context, path.child("ephemeralContainers")),
    validateHostPorts(spec, path),
    validatePodResources(spec, path.child("resources")),
    oneOf(spec.restartPolicy, RESTART_POLICIES, path.child("restartPolicy")),
    oneOf(spec.dnsPolicy, DNS_POLICIES, path.child("dnsPolicy")),
    validateLabels(spec.nodeSelector, path.child("nodeSelector")),
    validatePodSecurity(spec, path),
    validateAffinity(spec.affinity, path.child("affinity")),
    validateDns(spec, path.child("dnsConfig")),
    validateGates(spec, path),
    validateTopologySpread(spec.topologySpreadConstraints ?? [], path.child("topologySpreadConstraints")),
    validateNames(spec, path),
    validateHostname(spec, path),
    validateHostUsers(spec, path),
    validateResourceClaims(spec.resourceClaims ?? [], path.child("resourceClaims")),
    validateTolerations(spec.tolerations ?? [], path.child("tolerations")),
    validateHostAliases(spec.hostAliases ?? [], path.child("hostAliases")),
    validateOverhead(spec.overhead, path.child("overhead")),
    validateDeadline(spec, path),
  );
}

/** Defaults have filled these in, and an absent one was taken away. */
function oneOf(value: string | undefined, valid: readonly string[], path: FieldPath): FieldError[] {
  if (!value) return [required(path)];
  return valid.includes(value) ? [] : [notSupported(path, value, valid)];
}

function validateNames(spec: PodSpec, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const check = (field: keyof PodSpec & string, rule: (text: string) => string[]) => {
    const value = spec[field];
    // Behind a pointer, the empty text is a name that was given.
    const isGiven = value !== "" || field === "runtimeClassName";
    if (typeof value === "string" && isGiven) errors.push(...invalidAll(path.child(field), value, rule(value)));
  };
  check("serviceAccountName", isDns1123Subdomain);
  check("nodeName", isDns1123Subdomain);
  // Both become one part each of the pod's DNS name, `HOSTNAME.SUBDOMAIN.NAMESPACE.svc`.
  check("hostname", isDns1123Label);
  check("subdomain", isDns1123Label);
  check("priorityClassName", isDns1123Subdomain);
  check("runtimeClassName", isDns1123Subdomain);
  if (spec.preemptionPolicy !== undefined) {
    errors.push(...oneOf(spec.preemptionPolicy, PREEMPTION_POLICIES, path.child("preemptionPolicy")));
  }
  // The kubelet of another system refuses the pod; the field lets admission judge the right rules.
  if (spec.os && !OPERATING_SYSTEMS.includes(spec.os.name)) {
    errors.push(
      spec.os.name
        ? notSupported(path.child("os", "name"), spec.os.name, OPERATING_SYSTEMS)
        : required(path.child("os", "name"), "cannot be empty"),
    );
  }
  return errors;
}

/** Seconds that fit a 32-bit integer. */
function validateDeadline(spec: PodSpec, path: FieldPath): FieldError[] {
  const seconds = spec.activeDeadlineSeconds;
  if (seconds === undefined) return [];
  return invalidAll(path.child("activeDeadlineSeconds"), seconds, isInRange(seconds, 1, 2 ** 31 - 1));
}

/** Readiness gates are conditions that others set; scheduling gates are names that others take away. */
function validateGates(spec: PodSpec, path: FieldPath): FieldError[] {
  const readiness = itemErrors(spec.readinessGates ?? [], ({ conditionType }, i) => {
    const at = path.child("readinessGates").index(i).child("conditionType");
    return invalidAll(at, conditionType ?? "", isQualifiedName(conditionType ?? ""));
  });
  const seen = new Set<string>();
  const scheduling = itemErrors(spec.schedulingGates ?? [], ({ name }, i) => {
    const at = path.child("schedulingGates").index(i);
    const errors = invalidAll(at.child("name"), name ?? "", isQualifiedName(name ?? ""));
    if (seen.has(name)) errors.push(duplicate(at, name));
    seen.add(name);
    return errors;
  });
  return [...readiness, ...scheduling];
}

/** Lines that the kubelet adds to the container's /etc/hosts. */
function validateHostAliases(aliases: readonly HostAlias[], path: FieldPath): FieldError[] {
  return itemErrors(aliases, ({ ip, hostnames }, i) => {
    const at = path.index(i);
    const errors = isValidIp(ip ?? "").map((message) => invalidValue(at.child("ip"), ip ?? "", message));
    for (const [j, name] of (hostnames ?? []).entries()) {
      errors.push(...invalidAll(at.child("hostnames").index(j), name, isDns1123Subdomain(name)));
    }
    return errors;
  });
}
