// APIService: a group and version that another server answers for.
import type { APIService } from "../../generated/types.ts";
import { findCondition } from "../conditions.ts";
import type { FieldError } from "../errors.ts";
import { apiServices } from "../resource-ref.ts";
import { isDns1035Label, isDns1123Subdomain, isPathSegmentName } from "../validation/names.ts";
import { type FieldPath, invalidAll, invalidValue, required, root } from "../validation/path.ts";
import { ageColumn, column, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";

/** The group versions of this server itself are registered as well, as "Local": discovery lists one kind of thing. */
export const apiServiceKind = defineKind<APIService>({
  ref: apiServices,
  categories: ["api-extensions"],
  hasStatus: true,
  hasGeneration: false,
  validateName: isPathSegmentName,
  applyDefaults({ spec }) {
    // Another server is reached over HTTPS through its Service.
    if (spec?.service) spec.service.port ??= 443;
  },
  prepareForCreate(service) {
    // What this server answers itself is there at once.
    if (!service.spec?.service) service.status = { conditions: [localCondition(service)] };
  },
  validate,
  columns: [
    nameColumn,
    column("Service", "The reference to the service that hosts this API endpoint.", ({ spec }) =>
      spec?.service ? `${spec.service.namespace ?? ""}/${spec.service.name ?? ""}` : "Local",
    ),
    column("Available", "Whether this service is available.", ({ status }) => {
      const condition = findCondition(status?.conditions, "Available");
      if (!condition) return "Unknown";
      return condition.status === "True" ? "True" : `${condition.status} (${condition.reason ?? ""})`;
    }),
    ageColumn,
  ],
});

/** What the availability controller of upstream writes for its own groups. */
function localCondition({ metadata }: APIService) {
  return {
    type: "Available",
    status: "True",
    reason: "Local",
    message: "Local APIServices are always available",
    lastTransitionTime: metadata.creationTimestamp,
  };
}

/** The name `VERSION.GROUP` makes two answers for one group version impossible. */
function validate({ metadata, spec }: APIService): FieldError[] {
  const path = root("spec");
  const { group = "", version = "", service } = spec ?? {};
  const expected = `${version}.${group}`;
  const errors: FieldError[] = [];
  if (metadata.name !== expected) {
    const detail = `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(expected)}`;
    errors.push(invalidValue(root("metadata").child("name"), metadata.name, detail));
  }
  if (group) errors.push(...invalidAll(path.child("group"), group, isDns1123Subdomain(group)));
  // The core group has no name, and one version.
  else if (version !== "v1") {
    errors.push(required(path.child("group"), "only v1 may have an empty group and it better be legacy kube"));
  }
  errors.push(...invalidAll(path.child("version"), version, isDns1035Label(version)));
  errors.push(...validatePriorities(spec, path));
  if (!service) return [...errors, ...validateLocal(spec, path)];
  if (!service.namespace) errors.push(required(path.child("service", "namespace")));
  if (!service.name) errors.push(required(path.child("service", "name")));
  // Whoever gives certificates to check with means them to be checked.
  if (spec?.insecureSkipTLSVerify && spec.caBundle) {
    const detail = "may not be true if caBundle is present";
    errors.push(invalidValue(path.child("insecureSkipTLSVerify"), true, detail));
  }
  return errors;
}

/** They order groups and versions in discovery, where clients take the first version of a group that they know. */
function validatePriorities(spec: APIService["spec"], path: FieldPath): FieldError[] {
  const { groupPriorityMinimum: group = 0, versionPriority: version = 0 } = spec ?? {};
  const errors: FieldError[] = [];
  if (group <= 0 || group > 20_000) {
    errors.push(invalidValue(path.child("groupPriorityMinimum"), group, "must be positive and less than 20000"));
  }
  if (version <= 0 || version > 1000) {
    errors.push(invalidValue(path.child("versionPriority"), version, "must be positive and less than 1000"));
  }
  return errors;
}

/** Without a service there is no connection, and so nothing to verify. */
function validateLocal(spec: APIService["spec"], path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (spec?.caBundle)
    errors.push(
      invalidValue(
        path.child("caBundle"),
        `${Buffer.byteLength(spec.caBundle, "base64")} bytes`,
        "local APIServices may not have a caBundle",
      ),
    );
  if (spec?.insecureSkipTLSVerify) {
    const detail = "local APIServices may not have insecureSkipTLSVerify";
    errors.push(invalidValue(path.child("insecureSkipTLSVerify"), true, detail));
  }
  return errors;
}
