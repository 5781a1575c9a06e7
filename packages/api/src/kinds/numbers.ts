// Checks of counts, and the scale of kinds that have `spec.replicas` and a label selector.
import type { LabelSelector } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import type { ScaleRules } from "../kind.ts";
import { selectorOf } from "../labels.ts";
import type { KubeObject } from "../object.ts";
import { type FieldPath, invalidValue, NOT_NEGATIVE } from "../validation/path.ts";

/** An error for each of the fields that is negative; absent ones are fine. `here` means that `path` is the field's own. */
export function nonNegative<T extends object>(
  object: Readonly<T>,
  fields: readonly (keyof T & string)[],
  path: FieldPath,
  here = false,
): FieldError[] {
  return fields.flatMap((field) => {
    const value = object[field];
    if (typeof value !== "number" || value >= 0) return [];
    return [invalidValue(here ? path : path.child(field), value, NOT_NEGATIVE)];
  });
}

/** What a workload needs to have for a Scale to be made of it. */
interface Replicated extends KubeObject {
  spec?: { replicas?: number | undefined; selector?: LabelSelector | undefined } | undefined;
  status?: { replicas?: number | undefined } | undefined;
}

/** The scale of Deployments, ReplicaSets and StatefulSets; the selector is text, as autoscaling/v1 has it. */
export function scaleOf<T extends Replicated>(): ScaleRules<T> {
  return {
    read: ({ spec, status }) => ({
      specReplicas: spec?.replicas ?? 0,
      statusReplicas: status?.replicas ?? 0,
      selector: selectorOf(spec?.selector).toString(),
    }),
    write(object, replicas) {
      object.spec = { ...object.spec, replicas };
    },
  };
}
