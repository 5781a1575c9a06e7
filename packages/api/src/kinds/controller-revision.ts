// ControllerRevision: one state of a StatefulSet's or DaemonSet's template, which never changes.
import type { ControllerRevision } from "../../generated/types.ts";
import { controllerOf } from "../owner-references.ts";
import { controllerRevisions } from "../resource-ref.ts";
import { immutableField } from "../validation/field-rules.ts";
import { invalidValue, required, root } from "../validation/path.ts";
import { ageColumn, column, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";

/** `kubectl rollout undo` goes back to one of these; `revision` orders them and may grow, the data may not change. */
export const controllerRevisionKind = defineKind<ControllerRevision>({
  ref: controllerRevisions,
  validate: ({ revision }) =>
    revision < 0 ? [invalidValue(root("revision"), revision, "must be greater than or equal to 0")] : [],
  validateCreate: ({ data }) =>
    data === undefined || data === null ? [required(root("data"), "data is mandatory")] : [],
  validateUpdate: (next, previous) => immutableField(next.data, previous.data, root("data")),
  columns: [
    nameColumn,
    column("Controller", "Controller of the object", controllerName),
    column("Revision", ["ControllerRevision", "revision"], ({ revision }) => revision),
    ageColumn,
  ],
});

/** `statefulset.apps/web` */
function controllerName(revision: Readonly<ControllerRevision>): string {
  const owner = controllerOf(revision);
  if (!owner) return "<none>";
  const [group, version] = owner.apiVersion.split("/");
  return `${owner.kind.toLowerCase()}${version ? `.${group}` : ""}/${owner.name}`;
}
