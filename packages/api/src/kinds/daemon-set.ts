// DaemonSet: one pod on each node that fits.
import type { DaemonSet, DaemonSetSpec, DaemonSetStatus, DaemonSetUpdateStrategy } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { daemonSets } from "../resource-ref.ts";
import { deepEqual } from "../validation/deep-equal.ts";
import { immutableField } from "../validation/field-rules.ts";
import { isEmptySelector, validateLabelSelector } from "../validation/label-selector.ts";
import { type FieldPath, invalidValue, notSupported, required, root } from "../validation/path.ts";
import { ageColumn, column, countColumn, formatMap, nameColumn, workloadColumns } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { figureOf, validateAtMost100Percent, validateIntOrPercent } from "./int-or-percent.ts";
import { nonNegative } from "./numbers.ts";
import { templateWarnings } from "./pod/warnings.ts";
import { defaultPodTemplate, templateContainers, validateReplicaTemplate } from "./pod-template-rules.ts";

/** Where the count of template changes stands, which once was a field of the spec. */
const TEMPLATE_GENERATION = "deprecated.daemonset.template.generation";
// Upstream writes these four whatever they are: they have no `omitempty`.
const NEW_STATUS: DaemonSetStatus = {
  currentNumberScheduled: 0,
  desiredNumberScheduled: 0,
  numberMisscheduled: 0,
  numberReady: 0,
};

/** The controller decides from nodes alone, so that there is no replica count and no scale. */
export const daemonSetKind = defineKind<DaemonSet>({
  ref: daemonSets,
  shortNames: ["ds"],
  categories: ["all"],
  hasStatus: true,
  applyDefaults(set) {
    set.spec ??= {} as DaemonSetSpec;
    defaultSpec(set.spec);
    set.status = { ...NEW_STATUS, ...set.status };
  },
  prepareForCreate(set) {
    set.status = { ...NEW_STATUS };
    setTemplateGeneration(set, Math.max(1, templateGenerationOf(set)));
  },
  prepareForUpdate(next, previous) {
    const before = templateGenerationOf(previous);
    const changed = !deepEqual(next.spec?.template, previous.spec?.template);
    setTemplateGeneration(next, changed ? before + 1 : before);
  },
  validate: ({ spec }) => (spec ? validateSpec(spec, root("spec")) : [required(root("spec"))]),
  validateUpdate: (next, previous) =>
    immutableField(next.spec?.selector, previous.spec?.selector, root("spec").child("selector")),
  validateStatusUpdate,
  warnings: (object) => templateWarnings(object.spec?.template, root("spec").child("template")),
  columns: [
    nameColumn,
    countColumn("Desired", ["DaemonSetStatus", "desiredNumberScheduled"], (d) => d.status?.desiredNumberScheduled),
    countColumn("Current", ["DaemonSetStatus", "currentNumberScheduled"], (d) => d.status?.currentNumberScheduled),
    countColumn("Ready", ["DaemonSetStatus", "numberReady"], (d) => d.status?.numberReady),
    countColumn("Up-to-date", ["DaemonSetStatus", "updatedNumberScheduled"], (d) => d.status?.updatedNumberScheduled),
    countColumn("Available", ["DaemonSetStatus", "numberAvailable"], (d) => d.status?.numberAvailable),
    column("Node Selector", ["PodSpec", "nodeSelector"], (d) => formatMap(d.spec?.template.spec?.nodeSelector)),
    ageColumn,
    ...workloadColumns<DaemonSet>(
      (d) => templateContainers(d.spec?.template),
      (d) => d.spec?.selector,
      ["DaemonSetSpec", "selector"],
    ),
  ],
});

/** Fills a spec in place; one node at a time is the careful default. */
function defaultSpec(spec: DaemonSetSpec): void {
  spec.updateStrategy ??= {};
  spec.updateStrategy.type ||= "RollingUpdate";
  if (spec.updateStrategy.type === "RollingUpdate") {
    spec.updateStrategy.rollingUpdate ??= {};
    // A node's old pod goes before the new one comes, as both may want the same host port.
    spec.updateStrategy.rollingUpdate.maxUnavailable ??= 1;
    spec.updateStrategy.rollingUpdate.maxSurge ??= 0;
  }
  spec.revisionHistoryLimit ??= 10;
  spec.template ??= {};
  defaultPodTemplate(spec.template);
}

/** Zero where the annotation is missing or no number. */
function templateGenerationOf(set: Readonly<DaemonSet>): number {
  return Number.parseInt(set.metadata.annotations?.[TEMPLATE_GENERATION] ?? "0", 10) || 0;
}

function setTemplateGeneration(set: DaemonSet, generation: number): void {
  set.metadata.annotations = { ...set.metadata.annotations, [TEMPLATE_GENERATION]: String(generation) };
}

function validateSpec(spec: DaemonSetSpec, path: FieldPath): FieldError[] {
  return [
    ...validateSelector(spec, path.child("selector")),
    ...validateReplicaTemplate(spec.template, spec.selector, "DaemonSet", path.child("template")),
    ...nonNegative(spec, ["minReadySeconds"], path),
    ...validateStrategy(spec.updateStrategy ?? {}, path.child("updateStrategy")),
    ...nonNegative(spec, ["revisionHistoryLimit"], path),
  ];
}

/** An empty selector would adopt every pod of the namespace. */
function validateSelector({ selector }: DaemonSetSpec, path: FieldPath): FieldError[] {
  if (!selector) return [required(path)];
  const errors = validateLabelSelector(selector, path);
  if (isEmptySelector(selector)) errors.push(invalidValue(path, selector, "empty selector is invalid for daemonset"));
  return errors;
}

/** Updates go node by node: `maxUnavailable` and `maxSurge` count nodes. */
function validateStrategy(strategy: DaemonSetUpdateStrategy, path: FieldPath): FieldError[] {
  const { type, rollingUpdate } = strategy;
  if (type === "OnDelete") return [];
  // Shown by the names of upstream's internal type.
  if (type !== "RollingUpdate") {
    return [
      notSupported(path, { Type: type ?? "", RollingUpdate: rollingUpdate ?? null }, ["RollingUpdate", "OnDelete"]),
    ];
  }
  const at = path.child("rollingUpdate");
  if (!rollingUpdate) return [required(at)];
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate;
  const errors = [
    ...validateIntOrPercent(maxUnavailable, at.child("maxUnavailable")),
    ...validateIntOrPercent(maxSurge, at.child("maxSurge")),
  ];
  // Either the old pod leaves first or the new one comes first.
  if (figureOf(maxUnavailable) !== 0 && figureOf(maxSurge) !== 0) {
    errors.push(invalidValue(at.child("maxSurge"), maxSurge, "may not be set when maxUnavailable is non-zero"));
  }
  // With both at zero no update could ever begin.
  if (figureOf(maxUnavailable) === 0 && figureOf(maxSurge) === 0) {
    errors.push(required(at.child("maxUnavailable"), "cannot be 0 when maxSurge is 0"));
  }
  return [
    ...errors,
    ...validateAtMost100Percent(maxUnavailable, at.child("maxUnavailable")),
    ...validateAtMost100Percent(maxSurge, at.child("maxSurge")),
  ];
}

/** Only signs are checked: which nodes count changes between two reports. */
function validateStatusUpdate({ status }: DaemonSet, previous: Readonly<DaemonSet>): FieldError[] {
  const path = root("status");
  const counts = [
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
    "observedGeneration",
    "updatedNumberScheduled",
    "numberAvailable",
    "numberUnavailable",
    "collisionCount",
  ] as const;
  const errors = nonNegative(status ?? NEW_STATUS, counts, path);
  // The count goes into the hash of revision names; a lower one would bring back a name that is taken.
  if ((status?.collisionCount ?? 0) < (previous.status?.collisionCount ?? 0)) {
    errors.push(invalidValue(path.child("collisionCount"), status?.collisionCount ?? null, "cannot be decremented"));
  }
  return errors;
}
