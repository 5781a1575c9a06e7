// ClusterRoleBinding: who gets a role everywhere.

import type { ClusterRoleBinding } from "../../generated/types.ts";
import { clusterRoleBindings } from "../resource-ref.ts";
import { isPathSegmentName } from "../validation/names.ts";
import { defineKind } from "./define-kind.ts";
import { sameAs } from "./older/same.ts";
import { bindingColumns, defaultBinding, validateBinding, validateBindingUpdate } from "./rbac-rules.ts";

/** It may name ClusterRoles alone: a Role means nothing outside of its namespace. */
export const clusterRoleBindingKind = defineKind<ClusterRoleBinding>({
  ref: clusterRoleBindings,
  otherVersions: [sameAs("v1beta1", "V1beta1ClusterRoleBinding", "v1.17", "v1.22")],
  validateName: isPathSegmentName,
  applyDefaults: defaultBinding,
  validate: (binding) => validateBinding(binding, ["ClusterRole"], false),
  validateUpdate: validateBindingUpdate,
  columns: bindingColumns("ClusterRoleBinding"),
});
