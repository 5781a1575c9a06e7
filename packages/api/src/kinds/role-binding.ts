// RoleBinding: who gets a role within its namespace.
import type { RoleBinding } from "../../generated/types.ts";
import { roleBindings } from "../resource-ref.ts";
import { isPathSegmentName } from "../validation/names.ts";
import { defineKind } from "./define-kind.ts";
import { bindingColumns, defaultBinding, validateBinding, validateBindingUpdate } from "./rbac-rules.ts";

export const roleBindingKind = defineKind<RoleBinding>({
  ref: roleBindings,
  validateName: isPathSegmentName,
  applyDefaults: defaultBinding,
  validate: (binding) => validateBinding(binding, ["Role", "ClusterRole"], true),
  validateUpdate: validateBindingUpdate,
  columns: bindingColumns("RoleBinding"),
});
