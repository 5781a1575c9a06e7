// What ownership is computed from: the versions of a kind, and what each way of writing it cannot change.
import type { KindDefinition } from "../kind.ts";
import { groupVersion, type KubeObject } from "../object.ts";
import { rootNodeOf, type StructNode } from "./typed-schema.ts";

/** How objects look in one version; conversions return new objects. */
export interface VersionView {
  readonly root: StructNode;
  from(stored: Readonly<KubeObject>): KubeObject;
  to(object: Readonly<KubeObject>): KubeObject;
}

/** One way of writing one kind. */
export interface Tracking {
  readonly apiVersion: string;
  /** Empty for the object itself. */
  readonly subresource: string;
  readonly root: StructNode;
  /** Undefined for versions that are not served any more: their entries are dropped. */
  viewOf(apiVersion: string): VersionView | undefined;
}

export function trackingOf(kind: KindDefinition, subresource: string): Tracking {
  const known = trackings.get(kind)?.get(subresource);
  if (known) return known;
  const made = makeTracking(kind, subresource);
  const ofKind = trackings.get(kind) ?? new Map<string, Tracking>();
  trackings.set(kind, ofKind.set(subresource, made));
  return made;
}

const trackings = new WeakMap<KindDefinition, Map<string, Tracking>>();

function makeTracking(kind: KindDefinition, subresource: string): Tracking {
  const ignored = ignoredFields(kind, subresource);
  const apiVersion = groupVersion(kind.group, kind.version);
  const root = rootNodeOf(kind.model, ignored);
  const same: VersionView = { root, from: copy, to: copy };
  const others = new Map<string, VersionView>();
  for (const { version, model, group = kind.group, fromStored, toStored } of kind.otherVersions ?? []) {
    others.set(groupVersion(group, version), {
      root: rootNodeOf(model, ignored),
      from: (object) => fromStored(structuredClone(object)),
      to: (object) => toStored(structuredClone(object)),
    });
  }
  const viewOf = (version: string) => (version === apiVersion ? same : others.get(version));
  return { apiVersion, subresource, root, viewOf };
}

function copy(object: Readonly<KubeObject>): KubeObject {
  return { ...object };
}

/** Upstream's GetResetFields: who writes the object does not own its status, and the other way round. */
function ignoredFields(kind: KindDefinition, subresource: string): readonly string[] {
  const place = kind.group ? `${kind.group}/${kind.plural}` : kind.plural;
  const special = SPECIAL[subresource ? `${place}/${subresource}` : place];
  if (special) return special;
  if (subresource === "status") return ["spec"];
  return kind.status ? ["status"] : [];
}

const SPECIAL: Readonly<Record<string, readonly string[]>> = {
  "apps/deployments/status": ["spec", "metadata.labels"],
  "pods/status": ["spec", "metadata.deletionTimestamp", "metadata.ownerReferences"],
  "pods/ephemeralcontainers": ["status"],
  "certificates.k8s.io/certificatesigningrequests": ["spec", "status"],
  "certificates.k8s.io/certificatesigningrequests/status": ["spec", "status.conditions"],
  "certificates.k8s.io/certificatesigningrequests/approval": ["spec", "status.certificate"],
  "apiextensions.k8s.io/customresourcedefinitions/status": ["spec", "metadata"],
  "apiregistration.k8s.io/apiservices/status": ["spec", "metadata"],
  "flowcontrol.apiserver.k8s.io/flowschemas/status": ["spec", "metadata"],
  "flowcontrol.apiserver.k8s.io/prioritylevelconfigurations/status": ["spec", "metadata"],
  "storage.k8s.io/volumeattachments/status": ["spec", "metadata"],
  "resource.k8s.io/resourceclaims/status": ["spec", "metadata"],
};
