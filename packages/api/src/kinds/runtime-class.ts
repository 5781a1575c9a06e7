// RuntimeClass: which of a node's container runtimes runs a pod.

import type { RuntimeClass } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { runtimeClasses } from "../resource-ref.ts";
import { immutableField } from "../validation/field-rules.ts";
import { isDns1123Label } from "../validation/names.ts";
import { validateLabels } from "../validation/object-meta.ts";
import { invalidAll, root } from "../validation/path.ts";
import { ageColumn, column, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { sameAs } from "./older/same.ts";
import { validateOverhead } from "./pod/validate-resources.ts";
import { validateTolerations } from "./pod/validate-tolerations.ts";

export const runtimeClassKind = defineKind<RuntimeClass>({
  ref: runtimeClasses,
  otherVersions: [sameAs("v1beta1", "V1beta1RuntimeClass", "v1.22", "v1.25")],
  validate,
  validateUpdate: (next, previous) => immutableField(next.handler, previous.handler, root("handler")),
  columns: [nameColumn, column("Handler", ["RuntimeClass", "handler"], ({ handler }) => handler), ageColumn],
});

function validate({ handler, overhead, scheduling }: RuntimeClass): FieldError[] {
  return [
    ...invalidAll(root("handler"), handler, isDns1123Label(handler)),
    ...validateOverhead(overhead?.podFixed, root("overhead").child("podFixed")),
    ...validateLabels(scheduling?.nodeSelector, root("scheduling").child("nodeSelector")),
    ...validateTolerations(scheduling?.tolerations ?? [], root("scheduling").child("tolerations")),
  ];
}
