// What ownership is computed from: the versions of a kind, and what each way of writing it cannot change.
import assert from "node:assert/strict";
import type { KindDefinition } from "../kind.ts";
import { groupVersion, type KubeObject } from "../object.ts";
import { rootNodeOf, type StructNode } from "./typed-schema.ts";

/** How objects look in one version, from where another stands; conversions return new objects. */
export interface VersionView {
  readonly root: StructNode;
  from(object: Readonly<KubeObject>): KubeObject;
  to(object: Readonly<KubeObject>): KubeObject;
}

/** One way of writing one kind. */
export interface Tracking {
  /** Of the objects that are compared; views convert between it and the others. */
  readonly apiVersion: string;
  /** Empty for the object itself. */
  readonly subresource: string;
  readonly root: StructNode;
  /** Undefined for versions that are not served any more: their entries are dropped. */
  viewOf(apiVersion: string): VersionView | undefined;
}

/** How writes in a version see the kind: the stored one unless said otherwise. */
export function trackingOf(kind: KindDefinition, subresource: string, apiVersion = storedVersion(kind)): Tracking {
  const key = `${apiVersion} ${subresource}`;
  const known = trackings.get(kind)?.get(key);
  if (known) return known;
  const made = makeTracking(kind, subresource, apiVersion);
  const ofKind = trackings.get(kind) ?? new Map<string, Tracking>();
  trackings.set(kind, ofKind.set(key, made));
  return made;
}

// By kind, which lives as long as its definition: those of custom resources come and go.
const trackings = new WeakMap<KindDefinition, Map<string, Tracking>>();

function storedVersion({ group, version }: KindDefinition): string {
  return groupVersion(group, version);
}

function makeTracking(kind: KindDefinition, subresource: string, apiVersion: string): Tracking {
  const views = viewsOf(kind, ignoredFields(kind, subresource));
  const mine = views.get(apiVersion);
  assert.ok(mine, `${apiVersion} is no version of ${kind.plural}`);
  const isStored = apiVersion === storedVersion(kind);
  const between = new Map<string, VersionView>();
  for (const [version, view] of views) {
    const { root } = view;
    if (version === apiVersion) between.set(version, { root, from: copy, to: copy });
    else if (isStored) between.set(version, view);
    // Versions know the way to the stored one only.
    else {
      between.set(version, {
        root,
        from: (object) => view.from(mine.to(object)),
        to: (object) => mine.from(view.to(object)),
      });
    }
  }
  return { apiVersion, subresource, root: mine.root, viewOf: (version) => between.get(version) };
}

/** Every served version as seen from the stored one. */
function viewsOf(kind: KindDefinition, ignored: readonly string[]): Map<string, VersionView> {
  const views = new Map<string, VersionView>();
  views.set(storedVersion(kind), { root: rootNodeOf(kind.model, ignored), from: copy, to: copy });
  for (const { version, model, group = kind.group, fromStored, toStored } of kind.otherVersions ?? []) {
    views.set(groupVersion(group, version), {
      root: rootNodeOf(model, ignored),
      from: (object) => fromStored(structuredClone(object)),
      to: (object) => toStored(structuredClone(object)),
    });
  }
  return views;
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

// Where a strategy resets more, or other parts, than its kind's `status` tells.
const SPECIAL: Readonly<Record<string, readonly string[]>> = {
  "apps/deployments/status": ["spec", "metadata.labels"],
  "pods/status": ["spec", "metadata.deletionTimestamp", "metadata.ownerReferences"],
  "pods/ephemeralcontainers": ["status"],
  "pods/resize": ["status"],
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
