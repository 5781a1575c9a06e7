// StatefulSet: pods with stable names, an order, and volume claims of their own.
import type {
  PersistentVolumeClaim,
  StatefulSet,
  StatefulSetSpec,
  StatefulSetStatus,
  StatefulSetUpdateStrategy,
} from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { statefulSets } from "../resource-ref.ts";
import { deepEqual } from "../validation/deep-equal.ts";
import { optionalWord } from "../validation/field-rules.ts";
import { isEmptySelector, validateLabelSelector } from "../validation/label-selector.ts";
import { isDns1123Label } from "../validation/names.ts";
import { type FieldPath, forbiddenField, invalidValue, required, root } from "../validation/path.ts";
import { ageColumn, column, containerColumns, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { figureOf, validateAtMost100Percent, validateIntOrPercent } from "./int-or-percent.ts";
import { nonNegative, scaleOf } from "./numbers.ts";
import { defaultClaimSpec } from "./persistent-volume-claim/defaults.ts";
import { templateWarnings } from "./pod/warnings.ts";
import {
  defaultPodTemplate,
  isMalformedSelector,
  templateContainers,
  validateReplicaTemplate,
} from "./pod-template-rules.ts";

const NEW_STATUS: StatefulSetStatus = { replicas: 0, availableReplicas: 0 };

/** Pods are called NAME-0, NAME-1 …, and NAME has to be a DNS label for that to be their host name. */
export const statefulSetKind = defineKind<StatefulSet>({
  ref: statefulSets,
  shortNames: ["sts"],
  categories: ["all"],
  hasStatus: true,
  validateName: isDns1123Label,
  applyDefaults(set) {
    set.spec ??= {} as StatefulSetSpec;
    defaultSpec(set.spec);
    set.status = { ...NEW_STATUS, ...set.status };
  },
  prepareForCreate(set) {
    set.status = { ...NEW_STATUS };
  },
  validate: ({ spec }) => (spec ? validateSpec(spec, root("spec")) : [required(root("spec"))]),
  validateUpdate,
  validateStatusUpdate,
  scale: scaleOf<StatefulSet>(),
  warnings: (object) => templateWarnings(object.spec?.template, root("spec").child("template")),
  columns: [
    nameColumn,
    column(
      "Ready",
      "Number of the pod with ready state",
      ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
    ),
    ageColumn,
    ...containerColumns<StatefulSet>(({ spec }) => templateContainers(spec?.template)),
  ],
});

/** Fills a spec in place; ordered, one pod after another, is what the kind was made for. */
function defaultSpec(spec: StatefulSetSpec): void {
  spec.podManagementPolicy ||= "OrderedReady";
  spec.updateStrategy ??= {};
  spec.updateStrategy.type ||= "RollingUpdate";
  if (spec.updateStrategy.type === "RollingUpdate") {
    spec.updateStrategy.rollingUpdate ??= {};
    // Pods below the ordinal keep the old template; at zero all are updated.
    spec.updateStrategy.rollingUpdate.partition ??= 0;
  }
  // Data outlives the pods, unless somebody says that it shall not.
  spec.persistentVolumeClaimRetentionPolicy ??= {};
  spec.persistentVolumeClaimRetentionPolicy.whenDeleted ||= "Retain";
  spec.persistentVolumeClaimRetentionPolicy.whenScaled ||= "Retain";
  spec.replicas ??= 1;
  // Old templates to go back to, each a ControllerRevision.
  spec.revisionHistoryLimit ??= 10;
  spec.template ??= {};
  defaultPodTemplate(spec.template);
  for (const claim of spec.volumeClaimTemplates ?? []) defaultClaim(claim);
}

/** Claim templates become objects of their own, which is why they carry kind and version. */
function defaultClaim(claim: PersistentVolumeClaim): void {
  claim.apiVersion ??= "v1";
  claim.kind ??= "PersistentVolumeClaim";
  claim.spec ??= {};
  defaultClaimSpec(claim.spec);
  claim.status ??= {};
  claim.status.phase ??= "Pending";
}

function validateSpec(spec: StatefulSetSpec, path: FieldPath): FieldError[] {
  const retention = spec.persistentVolumeClaimRetentionPolicy;
  const retentionPath = path.child("persistentVolumeClaimRetentionPolicy");
  return [
    ...validatePodManagement(spec.podManagementPolicy, path.child("podManagementPolicy")),
    ...validateStrategy(spec.updateStrategy ?? {}, path.child("updateStrategy")),
    ...optionalWord(retention?.whenDeleted, ["Retain", "Delete"], retentionPath.child("whenDeleted")),
    ...optionalWord(retention?.whenScaled, ["Retain", "Delete"], retentionPath.child("whenScaled")),
    ...nonNegative(spec, ["replicas", "minReadySeconds"], path),
    ...nonNegative(spec.ordinals ?? {}, ["start"], path.child("ordinals")),
    ...validateSelector(spec, path.child("selector")),
    ...validateReplicaTemplate(spec.template, spec.selector, "StatefulSet", path.child("template")),
    ...nonNegative(spec, ["revisionHistoryLimit"], path),
  ];
}

/** "Parallel" gives up the order of starts and stops, and keeps names and claims. */
function validatePodManagement(policy: string | undefined, path: FieldPath): FieldError[] {
  if (!policy) return [required(path)];
  if (policy === "OrderedReady" || policy === "Parallel") return [];
  return [invalidValue(path, policy, "must be 'OrderedReady' or 'Parallel'")];
}

/** "OnDelete" replaces a pod only once somebody has deleted it. */
function validateStrategy(strategy: StatefulSetUpdateStrategy, path: FieldPath): FieldError[] {
  const { type, rollingUpdate } = strategy;
  if (!type) return [required(path)];
  if (type === "OnDelete") {
    if (!rollingUpdate) return [];
    const detail = "only allowed for updateStrategy 'RollingUpdate'";
    return [invalidValue(path.child("rollingUpdate"), rollingUpdate, detail)];
  }
  if (type !== "RollingUpdate") return [invalidValue(path, strategy, "must be 'RollingUpdate' or 'OnDelete'")];
  const at = path.child("rollingUpdate");
  const errors = nonNegative(rollingUpdate ?? {}, ["partition"], at);
  const unavailable = rollingUpdate?.maxUnavailable;
  if (unavailable === undefined) return errors;
  const unavailablePath = at.child("maxUnavailable");
  errors.push(...validateIntOrPercent(unavailable, unavailablePath));
  // No pod could ever be replaced.
  if (figureOf(unavailable) === 0) errors.push(invalidValue(unavailablePath, unavailable, "cannot be 0"));
  return [...errors, ...validateAtMost100Percent(unavailable, unavailablePath)];
}

/** Upstream gives a malformed selector a second error, without a word. */
function validateSelector({ selector }: StatefulSetSpec, path: FieldPath): FieldError[] {
  if (!selector) return [required(path)];
  const errors = validateLabelSelector(selector, path);
  if (isEmptySelector(selector)) errors.push(invalidValue(path, selector, "empty selector is invalid for statefulset"));
  if (isMalformedSelector(selector)) errors.push(invalidValue(path, selector, ""));
  return errors;
}

// Claim templates are missing: claims that exist would not follow them.
const MUTABLE = [
  "replicas",
  "ordinals",
  "template",
  "updateStrategy",
  "revisionHistoryLimit",
  "persistentVolumeClaimRetentionPolicy",
  "minReadySeconds",
] as const;

/** Names of pods, and of their claims, hang on the rest of the spec. */
function validateUpdate(next: StatefulSet, previous: Readonly<StatefulSet>): FieldError[] {
  const fixed = (set: Readonly<StatefulSet>) => {
    const rest = { ...set.spec } as Partial<StatefulSetSpec>;
    for (const field of MUTABLE) delete rest[field];
    return rest;
  };
  if (deepEqual(fixed(next), fixed(previous))) return [];
  const list = `${MUTABLE.slice(0, -1)
    .map((field) => `'${field}'`)
    .join(", ")} and '${MUTABLE.at(-1)}'`;
  return [forbiddenField(root("spec"), `updates to statefulset spec for fields other than ${list} are forbidden`)];
}

/** Each of the counts is a part of all the replicas. */
function validateStatusUpdate({ status }: StatefulSet, previous: Readonly<StatefulSet>): FieldError[] {
  const path = root("status");
  const now = status ?? NEW_STATUS;
  const counts = ["replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"] as const;
  const errors = nonNegative(now, [...counts, "observedGeneration", "collisionCount"], path);
  for (const field of counts.slice(1)) {
    if ((now[field] ?? 0) > now.replicas) {
      errors.push(invalidValue(path.child(field), now[field], "cannot be greater than status.replicas"));
    }
  }
  if ((now.availableReplicas ?? 0) > (now.readyReplicas ?? 0)) {
    const detail = "cannot be greater than status.readyReplicas";
    errors.push(invalidValue(path.child("availableReplicas"), now.availableReplicas, detail));
  }
  // Names of revisions are hashed with it; a lower count would collide again.
  if ((now.collisionCount ?? 0) < (previous.status?.collisionCount ?? 0)) {
    errors.push(invalidValue(path.child("collisionCount"), now.collisionCount ?? null, "cannot be decremented"));
  }
  return errors;
}
