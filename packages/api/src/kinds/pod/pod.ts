// Pod: containers that share a node, an address and volumes.
import type { Pod, PodStatus } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import type { SubresourceDefinition, Verb } from "../../kind.ts";
import { pods } from "../../resource-ref.ts";
import { computeQos } from "../../scheduling/qos.ts";
import { allErrors, forbiddenField, root } from "../../validation/path.ts";
import { defineKind, proxySubresource } from "../define-kind.ts";
import { applyAppArmorAnnotations } from "./apparmor-annotations.ts";
import { podColumns, podRowConditions } from "./columns.ts";
import { defaultPod } from "./defaults.ts";
import { ephemeralContainerRules } from "./ephemeral-containers.ts";
import { mergeLabelKeys } from "./match-label-keys.ts";
import { resizeRules } from "./resize.ts";
import { prepareStatusUpdate, validateStatusUpdate } from "./status.ts";
import { validatePodAnnotations } from "./validate-annotations.ts";
import { validatePodSpec } from "./validate-spec.ts";
import { validatePodUpdate } from "./validate-update.ts";
import { podWarnings } from "./warnings.ts";

// Clients open streams with POST, and with GET where a WebSocket begins.
const CONNECT: readonly Verb[] = ["create", "get"];

// The paths below a pod, of which `rules` are writes of the pod itself; handlers in the apiserver serve the others.
const subresources: readonly SubresourceDefinition[] = [
  { name: "attach", kind: "PodAttachOptions", verbs: CONNECT },
  { name: "binding", kind: "Binding", verbs: ["create"] },
  { name: "ephemeralcontainers", kind: "Pod", verbs: ["get", "patch", "update"], rules: ephemeralContainerRules },
  { name: "eviction", kind: "Eviction", group: "policy", version: "v1", verbs: ["create"] },
  { name: "exec", kind: "PodExecOptions", verbs: CONNECT },
  { name: "log", kind: "Pod", verbs: ["get"] },
  { name: "portforward", kind: "PodPortForwardOptions", verbs: CONNECT },
  proxySubresource("PodProxyOptions"),
  { name: "resize", kind: "Pod", verbs: ["get", "patch", "update"], rules: resizeRules },
];

/** The Pod kind: its defaults, rules, subresources and the columns of `kubectl get pods`. */
export const podKind = defineKind<Pod>({
  ref: pods,
  shortNames: ["po"],
  categories: ["all"],
  hasStatus: true,
  applyDefaults: defaultPod,
  prepareForCreate(pod) {
    // Admission may have added an account, volumes or containers.
    defaultPod(pod);
    mergeLabelKeys(pod);
    applyAppArmorAnnotations(pod);
    pod.status = initialStatus(pod);
  },
  validate: (pod) =>
    allErrors(
      validatePodAnnotations(pod, root("metadata").child("annotations")),
      validatePodSpec(pod.spec, root("spec"), pod.metadata),
    ),
  validateCreate,
  validateUpdate: validatePodUpdate,
  prepareForStatusUpdate: prepareStatusUpdate,
  validateStatusUpdate,
  subresources,
  deletionGrace,
  // Kubelets watch `spec.nodeName=` their own name; the others are upstream's list too.
  selectableFields: {
    "spec.nodeName": (pod) => pod.spec.nodeName ?? "",
    "spec.restartPolicy": (pod) => pod.spec.restartPolicy ?? "",
    "spec.schedulerName": (pod) => pod.spec.schedulerName ?? "",
    "spec.serviceAccountName": (pod) => pod.spec.serviceAccountName ?? "",
    "spec.hostNetwork": (pod) => String(pod.spec.hostNetwork ?? false),
    "status.phase": (pod) => pod.status?.phase ?? "",
    "status.podIP": (pod) => pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP ?? "",
    "status.nominatedNodeName": (pod) => pod.status?.nominatedNodeName ?? "",
  },
  columns: podColumns,
  warnings: podWarnings,
  rowConditions: podRowConditions,
});

/** The scheduler leaves a gated pod alone, so that the reason has to be written here. */
function initialStatus(pod: Readonly<Pod>): PodStatus {
  const status: PodStatus = { phase: "Pending", qosClass: computeQos(pod) };
  if (!pod.spec.schedulingGates?.length) return status;
  const message = "Scheduling is blocked due to non-empty scheduling gates";
  return {
    ...status,
    conditions: [{ type: "PodScheduled", status: "False", reason: "SchedulingGated", message }],
  };
}

/** Rules that only a new pod is held to; answers 422. */
function validateCreate({ spec }: Pod): FieldError[] {
  const path = root("spec");
  const errors: FieldError[] = [];
  if (spec.ephemeralContainers?.length) {
    errors.push(forbiddenField(path.child("ephemeralContainers"), "cannot be set on create"));
  }
  if (spec.nodeName && spec.schedulingGates?.length) {
    const detail = "cannot be set until all schedulingGates have been cleared";
    errors.push(forbiddenField(path.child("nodeName"), detail));
  }
  return errors;
}

/** Nobody has to wait for a pod that runs nowhere or no longer. A negative grace means "at once, but say so". */
function deletionGrace(pod: Readonly<Pod>, requestedSeconds: number | undefined): number {
  const phase = pod.status?.phase;
  if (!pod.spec.nodeName || phase === "Failed" || phase === "Succeeded") return 0;
  const seconds = requestedSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 0;
  // Upstream treats a negative period as one second: the container still gets its SIGTERM.
  return seconds < 0 ? 1 : seconds;
}
