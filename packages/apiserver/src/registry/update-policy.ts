// How upstream's kinds differ in what PUT may do: make an object that is missing, and write without a resourceVersion.
import type { StorageKind } from "../storage/stored-object.ts";

/** Whether a PUT to a name that does not exist creates the object. */
export function allowsCreateOnUpdate(kind: StorageKind): boolean {
  return CREATED_BY_PUT.has(kind.directory);
}

/** Whether a PUT without a resourceVersion overwrites whatever is there. */
export function allowsUnconditionalUpdate(kind: StorageKind): boolean {
  return !VERSION_REQUIRED.has(kind.directory);
}

const RBAC = "rbac.authorization.k8s.io";

/** Kinds whose strategies upstream answer AllowCreateOnUpdate with true. */
const CREATED_BY_PUT: ReadonlySet<string> = new Set([
  "endpoints",
  "events",
  "limitranges",
  "podtemplates",
  "services",
  "coordination.k8s.io/leases",
  `${RBAC}/roles`,
  `${RBAC}/rolebindings`,
  `${RBAC}/clusterroles`,
  `${RBAC}/clusterrolebindings`,
]);

/** Kinds whose strategies upstream answer AllowUnconditionalUpdate with false. */
const VERSION_REQUIRED: ReadonlySet<string> = new Set([
  "coordination.k8s.io/leases",
  "policy/poddisruptionbudgets",
  "node.k8s.io/runtimeclasses",
  "apiextensions.k8s.io/customresourcedefinitions",
  "apiregistration.k8s.io/apiservices",
  ...["csidrivers", "csinodes", "csistoragecapacities", "volumeattachments"].map((name) => `storage.k8s.io/${name}`),
  ...["validatingwebhookconfigurations", "mutatingwebhookconfigurations"].map(inAdmission),
  ...["validatingadmissionpolicies", "validatingadmissionpolicybindings"].map(inAdmission),
  ...["mutatingadmissionpolicies", "mutatingadmissionpolicybindings"].map(inAdmission),
]);

function inAdmission(plural: string): string {
  return `admissionregistration.k8s.io/${plural}`;
}
