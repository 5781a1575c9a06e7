// ReplicationController: the ReplicaSet of before, whose selector is a plain map.
import type { ReplicationController, ReplicationControllerSpec } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { formatLabels, selectorFromMap } from "../labels.ts";
import { replicationControllers } from "../resource-ref.ts";
import { type FieldPath, invalidValue, required, root } from "../validation/path.ts";
import { ageColumn, column, containerColumns, countColumn, formatMap, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { nonNegative } from "./numbers.ts";
import { defaultPodTemplate, templateContainers, validateTemplateOf } from "./pod-template-rules.ts";

/** Deleting one without a propagation policy leaves its pods, as its first clients expected. */
export const replicationControllerKind = defineKind<ReplicationController>({
  ref: replicationControllers,
  shortNames: ["rc"],
  categories: ["all"],
  hasStatus: true,
  orphansDependents: true,
  applyDefaults,
  prepareForCreate(controller) {
    controller.status = { replicas: 0 };
  },
  validate: ({ spec }) => validateSpec(spec ?? {}, root("spec")),
  validateStatusUpdate,
  // Its selector is a map, so that the scale that other workloads share does not fit.
  scale: {
    read: ({ spec, status }) => ({
      specReplicas: spec?.replicas ?? 0,
      statusReplicas: status?.replicas ?? 0,
      selector: formatLabels(spec?.selector ?? {}),
    }),
    write(controller, replicas) {
      controller.spec = { ...controller.spec, replicas };
    },
  },
  selectableFields: { "status.replicas": ({ status }) => String(status?.replicas ?? 0) },
  columns: [
    nameColumn,
    countColumn("Desired", ["ReplicationControllerSpec", "replicas"], ({ spec }) => spec?.replicas),
    countColumn("Current", ["ReplicationControllerStatus", "replicas"], ({ status }) => status?.replicas),
    countColumn("Ready", ["ReplicationControllerStatus", "readyReplicas"], ({ status }) => status?.readyReplicas),
    ageColumn,
    ...containerColumns<ReplicationController>(({ spec }) => templateContainers(spec?.template)),
    column("Selector", ["ReplicationControllerSpec", "selector"], ({ spec }) => formatMap(spec?.selector), {
      wide: true,
    }),
  ],
});

/** The template's labels stand in for a selector and for labels that nobody gave. */
function applyDefaults(controller: ReplicationController): void {
  controller.spec ??= {};
  const { spec } = controller;
  const labels = spec.template?.metadata?.labels;
  // Only this kind and Jobs make their selector by themselves: apps/v1 wants it said.
  if (labels && !isFilled(spec.selector)) spec.selector = { ...labels };
  if (labels && !isFilled(controller.metadata.labels)) controller.metadata.labels = { ...labels };
  spec.replicas ??= 1;
  if (spec.template) defaultPodTemplate(spec.template);
  controller.status ??= { replicas: 0 };
  controller.status.replicas ??= 0;
}

function isFilled(map: Readonly<Record<string, string>> | undefined): boolean {
  return Object.keys(map ?? {}).length > 0;
}

/** In upstream's order, which is why the two counts are judged apart. */
function validateSpec(spec: ReplicationControllerSpec, path: FieldPath): FieldError[] {
  return [
    ...nonNegative(spec, ["minReadySeconds"], path),
    ...(isFilled(spec.selector) ? [] : [required(path.child("selector"))]),
    ...nonNegative(spec, ["replicas"], path),
    ...validateTemplate(spec, path.child("template")),
  ];
}

/** A selector that misses its own pods would make the controller create pods for ever. */
function validateTemplate({ template, selector }: ReplicationControllerSpec, path: FieldPath): FieldError[] {
  if (!template) return [required(path)];
  const errors: FieldError[] = [];
  const labels = template.metadata?.labels ?? {};
  if (isFilled(selector) && !selectorFromMap(selector).matches(labels)) {
    errors.push(invalidValue(path.child("metadata", "labels"), labels, "`selector` does not match template `labels`"));
  }
  return [...errors, ...validateTemplateOf(template, "ReplicationController", path)];
}

function validateStatusUpdate({ status }: ReplicationController): FieldError[] {
  const path = root("status");
  const counts = ["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"] as const;
  const now = status ?? { replicas: 0 };
  const errors = nonNegative(now, [...counts, "observedGeneration"], path);
  for (const field of counts.slice(1)) {
    if ((now[field] ?? 0) > now.replicas) {
      errors.push(invalidValue(path.child(field), now[field], "cannot be greater than status.replicas"));
    }
  }
  if ((now.availableReplicas ?? 0) > (now.readyReplicas ?? 0)) {
    errors.push(
      invalidValue(path.child("availableReplicas"), now.availableReplicas, "cannot be greater than readyReplicas"),
    );
  }
  return errors;
}
