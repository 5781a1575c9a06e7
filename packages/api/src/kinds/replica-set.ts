// ReplicaSet: so many pods of one template.
import type { ReplicaSet, ReplicaSetSpec } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { replicaSets } from "../resource-ref.ts";
import { deepEqual } from "../validation/deep-equal.ts";
import { type FieldPath, IMMUTABLE, invalidValue, required, root } from "../validation/path.ts";
import { ageColumn, column, nameColumn, workloadColumns } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { nonNegative, scaleOf } from "./numbers.ts";
import { templateWarnings } from "./pod/warnings.ts";
import {
  defaultPodTemplate,
  templateContainers,
  validateReplicaTemplate,
  validateWorkloadSelector,
} from "./pod-template-rules.ts";

/** The selector is immutable: pods that were adopted under it would be left without an owner. */
export const replicaSetKind = defineKind<ReplicaSet>({
  ref: replicaSets,
  shortNames: ["rs"],
  categories: ["all"],
  hasStatus: true,
  applyDefaults(set) {
    set.spec ??= {} as ReplicaSetSpec;
    set.spec.replicas ??= 1;
    set.spec.template ??= {};
    defaultPodTemplate(set.spec.template);
    set.status ??= { replicas: 0 };
    // Upstream writes this count whatever it is.
    set.status.replicas ??= 0;
  },
  prepareForCreate(set) {
    set.status = { replicas: 0 };
  },
  validate: ({ spec }) => validateSpec(spec, root("spec")),
  validateUpdate(next, previous) {
    // Upstream answers with one error for the whole selector.
    if (deepEqual(next.spec?.selector, previous.spec?.selector)) return [];
    return [invalidValue(root("spec").child("selector"), next.spec?.selector, IMMUTABLE)];
  },
  validateStatusUpdate,
  // Scaling one that a Deployment owns works, until the Deployment scales it back.
  scale: scaleOf<ReplicaSet>(),
  warnings: (object) => templateWarnings(object.spec?.template, root("spec").child("template")),
  columns: [
    nameColumn,
    column("Desired", ["ReplicaSetSpec", "replicas"], (s) => s.spec?.replicas ?? 0, { type: "integer" }),
    column("Current", ["ReplicaSetStatus", "replicas"], (s) => s.status?.replicas ?? 0, { type: "integer" }),
    column("Ready", ["ReplicaSetStatus", "readyReplicas"], (s) => s.status?.readyReplicas ?? 0, { type: "integer" }),
    ageColumn,
    ...workloadColumns<ReplicaSet>(
      (s) => templateContainers(s.spec?.template),
      (s) => s.spec?.selector,
      ["ReplicaSetSpec", "selector"],
    ),
  ],
});

function validateSpec(spec: ReplicaSetSpec | undefined, path: FieldPath): FieldError[] {
  if (!spec) return [required(path)];
  return [
    ...nonNegative(spec, ["replicas", "minReadySeconds"], path),
    ...validateWorkloadSelector(spec.selector, path.child("selector")),
    ...validateReplicaTemplate(spec.template, spec.selector, "ReplicaSet", path.child("template")),
  ];
}

/** What the controller counted must add up: each count is a part of another. */
function validateStatusUpdate(next: ReplicaSet): FieldError[] {
  const path = root("status");
  const status = next.status ?? { replicas: 0 };
  const counts = [
    "replicas",
    "fullyLabeledReplicas",
    "readyReplicas",
    "availableReplicas",
    "observedGeneration",
  ] as const;
  const errors = nonNegative(status, counts, path);
  for (const field of ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"] as const) {
    const value = status[field] ?? 0;
    if (value > status.replicas)
      errors.push(invalidValue(path.child(field), value, "cannot be greater than status.replicas"));
  }
  // Available means ready for `minReadySeconds`.
  if ((status.availableReplicas ?? 0) > (status.readyReplicas ?? 0)) {
    const detail = "cannot be greater than readyReplicas";
    errors.push(invalidValue(path.child("availableReplicas"), status.availableReplicas, detail));
  }
  return errors;
}
