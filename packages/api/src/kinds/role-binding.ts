// RoleBinding: who gets a role within its namespace.

import type { RoleBinding } from "../../generated/types.ts";
import { roleBindings } from "../resource-ref.ts";
import { isPathSegmentName } from "../validation/names.ts";
import { defineKind } from "./define-kind.ts";
import { sameAs } from "./older/same.ts";
import { bindingColumns, defaultBinding, validateBinding, validateBindingUpdate } from "./rbac-rules.ts";

/** A ClusterRole may be given here too, and then holds in this namespace alone. */
export const roleBindingKind = defineKind<RoleBinding>({
  ref: roleBindings,
  otherVersions: [sameAs("v1beta1", "V1beta1RoleBinding", "v1.17", "v1.22")],
  validateName: isPathSegmentName,
  applyDefaults: defaultBinding,
  validate: (binding) => validateBinding(binding, ["Role", "ClusterRole"], true),
  validateUpdate: validateBindingUpdate,
  columns: bindingColumns("RoleBinding"),
});
