// Role: what may be done within its namespace.
import type { Role } from "../../generated/types.ts";
import { roles } from "../resource-ref.ts";
import { isPathSegmentName } from "../validation/names.ts";
import { createdAtColumn, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { validateRules } from "./rbac-rules.ts";

export const roleKind = defineKind<Role>({
  ref: roles,
  validateName: isPathSegmentName,
  validate: (role) => validateRules(role.rules, true),
  columns: [nameColumn, createdAtColumn],
});
