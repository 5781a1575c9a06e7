// Deployment: replicated pods and how they are replaced by newer ones.
import type { Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { deployments } from "../resource-ref.ts";
import { deepEqual } from "../validation/deep-equal.ts";
import {
  type FieldPath,
  forbiddenField,
  IMMUTABLE,
  invalidValue,
  notSupported,
  required,
  root,
} from "../validation/path.ts";
import { ageColumn, column, nameColumn, workloadColumns } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { figureOf, validateAtMost100Percent, validateIntOrPercent } from "./int-or-percent.ts";
import { nonNegative, scaleOf } from "./numbers.ts";
import { templateWarnings } from "./pod/warnings.ts";
import {
  defaultPodTemplate,
  templateContainers,
  validateReplicaTemplate,
  validateWorkloadSelector,
} from "./pod-template-rules.ts";

/** Its defaults are those of apps/v1: surge and unavailability of 25 %, ten old ReplicaSets kept. */
export const deploymentKind = defineKind<Deployment>({
  ref: deployments,
  shortNames: ["deploy"],
  categories: ["all"],
  hasStatus: true,
  // Its annotations are copied to ReplicaSets, so that a change of them is one to act on.
  generationOf: ({ metadata, spec }) => [spec, metadata.annotations ?? {}],
  applyDefaults(deployment) {
    deployment.spec ??= {} as DeploymentSpec;
    deployment.status ??= {};
    applySpecDefaults(deployment.spec);
  },
  validate: ({ spec }) => validateSpec(spec, root("spec")),
  // ReplicaSets of the old selector would be left alone, and their pods with them.
  validateUpdate(next, previous) {
    if (deepEqual(next.spec?.selector, previous.spec?.selector)) return [];
    return [invalidValue(root("spec").child("selector"), next.spec?.selector, IMMUTABLE)];
  },
  // A controller with an old copy must not bring back labels that a user has changed since.
  prepareForStatusUpdate(next, previous) {
    if (previous.metadata.labels) next.metadata.labels = previous.metadata.labels;
    else delete next.metadata.labels;
  },
  validateStatusUpdate,
  scale: scaleOf<Deployment>(),
  warnings: (object) => templateWarnings(object.spec?.template, root("spec").child("template")),
  columns: [
    nameColumn,
    column(
      "Ready",
      "Number of the pod with ready state",
      (d) => `${d.status?.readyReplicas ?? 0}/${d.spec?.replicas ?? 0}`,
    ),
    column("Up-to-date", ["DeploymentStatus", "updatedReplicas"], (d) => d.status?.updatedReplicas ?? 0),
    column("Available", ["DeploymentStatus", "availableReplicas"], (d) => d.status?.availableReplicas ?? 0),
    ageColumn,
    ...workloadColumns<Deployment>(
      (d) => templateContainers(d.spec?.template),
      (d) => d.spec?.selector,
      ["DeploymentSpec", "selector"],
    ),
  ],
});

/** Fills a spec in place; a strategy of Recreate gets no figures. */
function applySpecDefaults(spec: DeploymentSpec): void {
  spec.replicas ??= 1;
  spec.revisionHistoryLimit ??= 10;
  // Ten minutes without progress, after which `kubectl rollout status` fails.
  spec.progressDeadlineSeconds ??= 600;
  spec.strategy ??= {};
  spec.strategy.type ||= "RollingUpdate";
  if (spec.strategy.type === "RollingUpdate") {
    spec.strategy.rollingUpdate ??= {};
    spec.strategy.rollingUpdate.maxUnavailable ??= "25%";
    spec.strategy.rollingUpdate.maxSurge ??= "25%";
  }
  spec.template ??= {};
  defaultPodTemplate(spec.template);
}

/** The template is held to what a ReplicaSet's is, as it becomes one's. */
function validateSpec(spec: DeploymentSpec | undefined, path: FieldPath): FieldError[] {
  if (!spec) return [required(path)];
  const errors = [
    ...nonNegative(spec, ["replicas"], path),
    ...validateWorkloadSelector(spec.selector, path.child("selector")),
    ...validateReplicaTemplate(spec.template, spec.selector, "ReplicaSet", path.child("template")),
    ...validateStrategy(spec.strategy ?? {}, path.child("strategy")),
    ...nonNegative(spec, ["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"], path),
  ];
  const deadline = spec.progressDeadlineSeconds;
  // A pod counts as progress only once it has been ready for so long.
  if (deadline !== undefined && deadline <= (spec.minReadySeconds ?? 0)) {
    const detail = "must be greater than minReadySeconds";
    errors.push(invalidValue(path.child("progressDeadlineSeconds"), deadline, detail));
  }
  return errors;
}

/** Recreate ends all old pods before it starts new ones. */
function validateStrategy(strategy: DeploymentStrategy, path: FieldPath): FieldError[] {
  switch (strategy.type) {
    case "Recreate": {
      const detail = "may not be specified when strategy `type` is 'Recreate'";
      return strategy.rollingUpdate ? [forbiddenField(path.child("rollingUpdate"), detail)] : [];
    }
    case "RollingUpdate":
      return validateRollingUpdate(strategy.rollingUpdate ?? {}, path.child("rollingUpdate"));
    default: {
      // Shown by the names of upstream's internal type.
      const shown = { Type: strategy.type ?? "", RollingUpdate: null };
      return [notSupported(path, shown, ["Recreate", "RollingUpdate"])];
    }
  }
}

/** Counts, or shares of the replicas; surge may exceed 100 %, unavailability may not. */
function validateRollingUpdate(rolling: RollingUpdateDeployment, path: FieldPath): FieldError[] {
  const unavailable = rolling.maxUnavailable ?? 0;
  const surge = rolling.maxSurge ?? 0;
  const errors = [
    ...validateIntOrPercent(unavailable, path.child("maxUnavailable")),
    ...validateIntOrPercent(surge, path.child("maxSurge")),
  ];
  // Neither a pod more nor a pod less: the rollout could not move.
  if (figureOf(unavailable) === 0 && figureOf(surge) === 0) {
    errors.push(invalidValue(path.child("maxUnavailable"), unavailable, "may not be 0 when `maxSurge` is 0"));
  }
  return [...errors, ...validateAtMost100Percent(unavailable, path.child("maxUnavailable"))];
}

/** Refuses counts that contradict each other, whoever the controller is. */
function validateStatusUpdate(next: Deployment, previous: Readonly<Deployment>): FieldError[] {
  const path = root("status");
  const status = next.status ?? {};
  const errors = nonNegative(status, STATUS_COUNTS, path);
  const { replicas = 0, updatedReplicas = 0, readyReplicas = 0, availableReplicas = 0 } = status;
  // A pod can only be counted as ready if it is counted at all.
  const exceeds = (field: string, value: number, limit: number, of: string) => {
    if (value > limit) errors.push(invalidValue(path.child(field), value, `cannot be greater than ${of}`));
  };
  exceeds("updatedReplicas", updatedReplicas, replicas, "status.replicas");
  exceeds("readyReplicas", readyReplicas, replicas, "status.replicas");
  exceeds("availableReplicas", availableReplicas, replicas, "status.replicas");
  exceeds("availableReplicas", availableReplicas, readyReplicas, "readyReplicas");
  // The count is part of what names of ReplicaSets are hashed from; a lower one would collide again.
  if ((status.collisionCount ?? 0) < (previous.status?.collisionCount ?? 0)) {
    errors.push(invalidValue(path.child("collisionCount"), status.collisionCount ?? null, "cannot be decremented"));
  }
  return errors;
}

// In the order of upstream's errors.
const STATUS_COUNTS = [
  "observedGeneration",
  "replicas",
  "updatedReplicas",
  "readyReplicas",
  "availableReplicas",
  "unavailableReplicas",
  "collisionCount",
] as const;
