// Which ReplicaSet runs a Deployment's current template, and what it looks like when there is none yet.
import { podTemplateHash, stableStringify } from "@skiff/api/hash.ts";
import type { Unsaved } from "@skiff/api/object.ts";
import { newControllerRef } from "@skiff/api/owner-references.ts";
import { deployments } from "@skiff/api/resource-ref.ts";
import type { Deployment, PodTemplateSpec, ReplicaSet } from "@skiff/api/types.ts";
import { byCreation, desiredReplicas, maxSurge } from "./replica-counts.ts";
import { annotationsForNewSet, sizeAnnotations } from "./revisions.ts";
import { newSetReplicas } from "./rolling-update.ts";

/** Tells the pods of one ReplicaSet from those of its siblings, whose selector would else be the same. */
const POD_TEMPLATE_HASH = "pod-template-hash";

/** The oldest ReplicaSet of the current template: where several match, all replicas of this program pick the same. */
export function findNewSet(
  deployment: Readonly<Deployment>,
  sets: readonly Readonly<ReplicaSet>[],
): Readonly<ReplicaSet> | undefined {
  const wanted = templateText(deployment.spec.template);
  return sets.toSorted(byCreation).find((set) => templateText(set.spec?.template) === wanted);
}

/** Upstream's EqualIgnoreHash: the hash label aside, as it is the ReplicaSet's own. */
export function hasTemplateOf(deployment: Readonly<Deployment>, set: Readonly<ReplicaSet>): boolean {
  return templateText(set.spec?.template) === templateText(deployment.spec.template);
}

/** The ReplicaSet to create for the current template. Its name follows from the template, so a second create fails. */
export function buildNewSet(
  deployment: Readonly<Deployment>,
  oldSets: readonly Readonly<ReplicaSet>[],
  revision: bigint,
): Unsaved<ReplicaSet> {
  const { template, selector, minReadySeconds } = deployment.spec;
  const hash = podTemplateHash(template, deployment.status?.collisionCount);
  const labels = { ...template.metadata?.labels, [POD_TEMPLATE_HASH]: hash };
  const desired = desiredReplicas(deployment);
  return {
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      ...(deployment.metadata.namespace === undefined ? {} : { namespace: deployment.metadata.namespace }),
      labels,
      annotations: {
        ...annotationsForNewSet(deployment, undefined, revision),
        ...sizeAnnotations(desired, desired + maxSurge(deployment)),
      },
      ownerReferences: [newControllerRef(deployment, deployments)],
    },
    spec: {
      replicas: newSetReplicas(deployment, undefined, oldSets),
      ...(minReadySeconds ? { minReadySeconds } : {}),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [POD_TEMPLATE_HASH]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}

/** Maps whose emptiness means the same as their absence. Elsewhere an empty object says something: `emptyDir: {}`. */
const MAPS: ReadonlySet<string> = new Set([
  "labels",
  "annotations",
  "nodeSelector",
  "matchLabels",
  "limits",
  "requests",
]);

/** Equal for templates that mean the same: times and the hash label are no part of it. */
function templateText(template: PodTemplateSpec | undefined): string {
  const { [POD_TEMPLATE_HASH]: _, ...labels } = template?.metadata?.labels ?? {};
  const { creationTimestamp: __, ...metadata } = template?.metadata ?? {};
  return stableStringify(withoutEmpty({ ...template, metadata: { ...metadata, labels } }));
}

function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== "object" || value === null) return value;
  const result: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) {
    if (member !== null && !isEmptyMember(key, member)) result[key] = withoutEmpty(member);
  }
  return result;
}

function isEmptyMember(key: string, member: unknown): boolean {
  if (Array.isArray(member)) return member.length === 0;
  return MAPS.has(key) && typeof member === "object" && member !== null && Object.keys(member).length === 0;
}
