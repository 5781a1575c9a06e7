// ClusterRole: what may be done everywhere, possibly gathered from other ClusterRoles by label.

import type { ClusterRole } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { clusterRoles } from "../resource-ref.ts";
import { validateLabelSelector } from "../validation/label-selector.ts";
import { isPathSegmentName } from "../validation/names.ts";
import { required, root } from "../validation/path.ts";
import { createdAtColumn, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { sameAs } from "./older/same.ts";
import { validateRules } from "./rbac-rules.ts";

/** Names may have colons (`system:node`), as those of all RBAC kinds: a path segment is all they must be. */
export const clusterRoleKind = defineKind<ClusterRole>({
  ref: clusterRoles,
  otherVersions: [sameAs("v1beta1", "V1beta1ClusterRole", "v1.17", "v1.22")],
  validateName: isPathSegmentName,
  validate: (role) => [...validateRules(role.rules, false), ...validateAggregation(role)],
  columns: [nameColumn, createdAtColumn],
});

/** A controller writes the rules of such a role; without selectors it would write none. */
function validateAggregation({ aggregationRule }: ClusterRole): FieldError[] {
  if (!aggregationRule) return [];
  const path = root("aggregationRule").child("clusterRoleSelectors");
  const selectors = aggregationRule.clusterRoleSelectors ?? [];
  if (selectors.length === 0) {
    return [required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")];
  }
  return selectors.flatMap((selector, i) => validateLabelSelector(selector, path.index(i)));
}
