// RuntimeClass: which of a node's container runtimes runs a pod.

import type { RuntimeClass, Toleration } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { runtimeClasses } from "../resource-ref.ts";
import { deepEqual } from "../validation/deep-equal.ts";
import { immutableField } from "../validation/field-rules.ts";
import { isDns1123Label } from "../validation/names.ts";
import { validateLabels } from "../validation/object-meta.ts";
import { duplicate, type FieldPath, invalidAll, root } from "../validation/path.ts";
import { ageColumn, column, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { sameAs } from "./older/same.ts";
import { validateOverhead } from "./pod/validate-resources.ts";
import { validateTolerations } from "./pod/validate-tolerations.ts";

/** `handler` is the name in containerd's configuration; pods that run with it rely on it, so it is immutable. */
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
    // What the runtime itself uses per pod, a virtual machine's memory for example; admission adds it to the pod.
    ...validateOverhead(overhead?.podFixed, root("overhead")),
    ...validateLabels(scheduling?.nodeSelector, root("scheduling").child("nodeSelector")),
    ...validateOwnTolerations(scheduling?.tolerations ?? [], root("scheduling").child("tolerations")),
  ];
}

/** The same one twice would be added to pods twice. Upstream's path names the list twice as well. */
function validateOwnTolerations(tolerations: readonly Toleration[], path: FieldPath): FieldError[] {
  const errors = validateTolerations(tolerations, path.child("tolerations"));
  for (const [i, toleration] of tolerations.entries()) {
    const isRepeated = tolerations.slice(0, i).some((earlier) => deepEqual(earlier, toleration));
    if (isRepeated) errors.push(duplicate(path.index(i), toleration));
  }
  return errors;
}
