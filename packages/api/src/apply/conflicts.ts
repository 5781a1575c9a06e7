// Fields that an applier wants to change and others own, and how upstream tells it.
import { ApiError } from "../errors.ts";
import { difference, type FieldTree, isEmptyTree, membersOf } from "./field-tree.ts";
import type { Owner } from "./managed-fields.ts";
import { formatElements } from "./path-element.ts";

/** The fields of one owner that the apply would change. */
export interface Conflict {
  readonly owner: Owner;
  readonly fields: FieldTree;
}

/** 409 with one cause for each field. */
export function conflictError(conflicts: readonly Conflict[]): ApiError {
  const all = conflicts
    .map(({ owner, fields }) => ({
      manager: describeOwner(owner),
      paths: [...membersOf(fields)].map(formatElements),
    }))
    .sort((a, b) => (a.manager < b.manager ? -1 : 1));
  const causes = all.flatMap(({ manager, paths }) =>
    paths.map((field) => ({ reason: "FieldManagerConflict", message: `conflict with ${manager}`, field })),
  );
  const [first] = all;
  const message =
    causes.length === 1
      ? `Apply failed with 1 conflict: conflict with ${first?.manager}: ${first?.paths[0]}`
      : `Apply failed with ${causes.length} conflicts: ${all.map(describeGroup).join("\n")}`;
  return new ApiError(409, "Conflict", message, { causes });
}

/** Conflicts without the fields of `allowed`. */
export function otherConflicts(conflicts: readonly Conflict[], allowed: FieldTree): Conflict[] {
  return conflicts
    .map(({ owner, fields }) => ({ owner, fields: difference(fields, allowed) }))
    .filter(({ fields }) => !isEmptyTree(fields));
}

function describeGroup({ manager, paths }: { manager: string; paths: readonly string[] }): string {
  return [`conflicts with ${manager}:`, ...paths.map((path) => `- ${path}`)].join("\n");
}

/** Appliers are told by name; updaters by the version they wrote as well. */
function describeOwner({ manager, subresource, operation, apiVersion }: Owner): string {
  const name = `${JSON.stringify(manager)}${subresource ? ` with subresource ${JSON.stringify(subresource)}` : ""}`;
  return operation === "Update" ? `${name} using ${apiVersion}` : name;
}
