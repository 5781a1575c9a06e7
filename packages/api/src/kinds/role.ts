// Role: what may be done within its namespace.

import type { Role } from "../../generated/types.ts";
import { roles } from "../resource-ref.ts";
import { isPathSegmentName } from "../validation/names.ts";
import { createdAtColumn, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { sameAs } from "./older/same.ts";
import { validateRules } from "./rbac-rules.ts";

/** Whoever writes one must hold what it grants, or the verb `escalate`; the apiserver checks that apart. */
export const roleKind = defineKind<Role>({
  ref: roles,
  otherVersions: [sameAs("v1beta1", "V1beta1Role", "v1.17", "v1.22")],
  validateName: isPathSegmentName,
  validate: (role) => validateRules(role.rules, true),
  columns: [nameColumn, createdAtColumn],
});
