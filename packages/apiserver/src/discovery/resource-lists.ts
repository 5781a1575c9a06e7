// What is served, arranged for discovery: groups in upstream's order, their versions, their resources and subresources.
import { createHash } from "node:crypto";
import type { KindDefinition, SubresourceDefinition } from "@skiff/api/kind.ts";
import { ALL_VERBS } from "@skiff/api/kind.ts";
import type { VirtualKind } from "@skiff/api/kinds/virtual-kinds.ts";
import type { APIResource } from "@skiff/api/types.ts";

/** The kind of the objects that are read and written there. */
export interface ResponseKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** One subresource; its kind is often of another group, as `Scale` is. */
export interface ServedSubresource {
  readonly name: string;
  readonly responseKind: ResponseKind;
  readonly verbs: readonly string[];
}

/** One resource. `kubectl get po` works by its short names, `kubectl get all` by its categories. */
export interface ServedResource {
  readonly plural: string;
  readonly singular: string;
  readonly namespaced: boolean;
  readonly responseKind: ResponseKind;
  readonly verbs: readonly string[];
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly storageVersionHash: string | undefined;
  readonly subresources: readonly ServedSubresource[];
}

/** A version with its resources by name. */
export interface ServedVersion {
  readonly version: string;
  readonly resources: readonly ServedResource[];
}

/** A group as the clients see it. */
export interface ServedGroup {
  readonly name: string;
  /** Preferred first. */
  readonly versions: readonly ServedVersion[];
}

/** The core group comes first, under the name "". */
export function servedGroups(kinds: readonly KindDefinition[], virtualKinds: readonly VirtualKind[]): ServedGroup[] {
  const groups = new Map<string, Map<string, ServedResource[]>>();
  const add = (group: string, version: string, resource: ServedResource) => {
    const versions = groups.get(group) ?? new Map<string, ServedResource[]>();
    groups.set(group, versions);
    versions.set(version, [...(versions.get(version) ?? []), resource]);
  };
  for (const kind of kinds) {
    add(kind.group, kind.version, storedResource(kind, kind.version));
    for (const { version, group = kind.group } of kind.otherVersions ?? []) {
      add(group, version, storedResource(kind, version, group));
    }
  }
  for (const kind of virtualKinds) if (kind.plural) add(kind.group, kind.version, virtualResource(kind));
  return [...groups]
    .map(([name, versions]) => ({ name, versions: sortVersions(versions) }))
    .sort((a, b) => groupPriority(b.name) - groupPriority(a.name) || a.name.localeCompare(b.name));
}

/** The entries of an APIResourceList: resources, then each one's subresources as `pods/log`, all by name. */
export function resourceEntries(group: string, { version, resources }: ServedVersion): APIResource[] {
  const entries = resources.flatMap((resource) => [
    resourceEntry(resource),
    ...resource.subresources.map((subresource) => subresourceEntry(group, version, resource, subresource)),
  ]);
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function resourceEntry(resource: ServedResource): APIResource {
  return {
    name: resource.plural,
    singularName: resource.singular,
    namespaced: resource.namespaced,
    kind: resource.responseKind.kind,
    verbs: [...resource.verbs],
    ...(resource.shortNames.length > 0 ? { shortNames: [...resource.shortNames] } : {}),
    ...(resource.categories.length > 0 ? { categories: [...resource.categories] } : {}),
    ...(resource.storageVersionHash ? { storageVersionHash: resource.storageVersionHash } : {}),
  };
}

/** Group and version are told only where they differ from the list's own. */
function subresourceEntry(
  group: string,
  version: string,
  resource: ServedResource,
  { name, responseKind, verbs }: ServedSubresource,
): APIResource {
  const isForeign = responseKind.group !== group || responseKind.version !== version;
  return {
    name: `${resource.plural}/${name}`,
    // Subresources have none, and upstream writes the empty field.
    singularName: "",
    namespaced: resource.namespaced,
    ...(isForeign ? { group: responseKind.group, version: responseKind.version } : {}),
    kind: responseKind.kind,
    verbs: [...verbs],
  };
}

/** The storage version hash is the same in every version served, for all are stored in one. */
function storedResource(kind: KindDefinition, version: string, group = kind.group): ServedResource {
  return {
    plural: kind.plural,
    singular: kind.singular,
    namespaced: kind.namespaced,
    responseKind: { group, version, kind: kind.kind },
    verbs: [...(kind.verbs ?? ALL_VERBS)].sort(),
    shortNames: kind.shortNames,
    categories: kind.categories,
    storageVersionHash: storageVersionHash(kind),
    subresources: subresourcesOf(kind, version),
  };
}

function virtualResource(kind: VirtualKind): ServedResource {
  return {
    plural: kind.plural,
    singular: kind.singular,
    namespaced: kind.namespaced,
    responseKind: { group: kind.group, version: kind.version, kind: kind.kind },
    verbs: [...kind.verbs].sort(),
    shortNames: kind.shortNames ?? [],
    categories: [],
    storageVersionHash: undefined,
    subresources: [],
  };
}

/** Of `status` and `scale`, which are not declared as subresources but follow from the kind's rules. */
const GET_PATCH_UPDATE = ["get", "patch", "update"] as const;

function subresourcesOf(kind: KindDefinition, version: string): ServedSubresource[] {
  const own = { group: kind.group, version, kind: kind.kind };
  const declared = new Map<string, ServedSubresource>();
  for (const definition of kind.subresources) declared.set(definition.name, declaredSubresource(own, definition));
  if (kind.status) declared.set("status", { name: "status", responseKind: own, verbs: GET_PATCH_UPDATE });
  if (kind.scale) {
    const responseKind = { group: "autoscaling", version: "v1", kind: "Scale" };
    declared.set("scale", { name: "scale", responseKind, verbs: GET_PATCH_UPDATE });
  }
  return [...declared.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function declaredSubresource(own: ResponseKind, definition: SubresourceDefinition): ServedSubresource {
  const { name, kind, group = own.group, version = own.version, verbs } = definition;
  return { name, responseKind: { group, version, kind }, verbs: [...verbs].sort() };
}

/** Equal hashes tell a client that two servers store a resource alike. */
function storageVersionHash({ group, version, kind }: KindDefinition): string {
  return createHash("sha256").update(`${group}/${version}/${kind}`).digest().subarray(0, 8).toString("base64");
}

/** Stable versions before betas before alphas, higher before lower. */
function sortVersions(versions: ReadonlyMap<string, readonly ServedResource[]>): ServedVersion[] {
  return [...versions]
    .map(([version, resources]) => ({
      version,
      resources: resources.toSorted((a, b) => (a.plural < b.plural ? -1 : 1)),
    }))
    .sort((a, b) => versionRank(b.version) - versionRank(a.version));
}

/** Kubernetes' version priority, by which clients choose when a kind is served in several. */
function versionRank(version: string): number {
  const [, major = "0", stage = "", minor = "0"] = /^v(\d+)(alpha|beta)?(\d+)?$/.exec(version) ?? [];
  const stageRank = stage === "" ? 2 : stage === "beta" ? 1 : 0;
  return stageRank * 1e6 + Number(major) * 1e3 + Number(minor);
}

// Upstream's order of groups, which decides what `kubectl get` means where two groups share a name.
const PRIORITIES: Readonly<Record<string, number>> = {
  "": 18_000,
  // The aggregator names its own group before all others.
  "apiregistration.k8s.io": 17_900,
  apps: 17_800,
  "events.k8s.io": 17_750,
  "authentication.k8s.io": 17_700,
  "authorization.k8s.io": 17_600,
  autoscaling: 17_500,
  batch: 17_400,
  "certificates.k8s.io": 17_300,
  "networking.k8s.io": 17_200,
  policy: 17_100,
  "rbac.authorization.k8s.io": 17_000,
  "storage.k8s.io": 16_800,
  "apiextensions.k8s.io": 16_700,
  "admissionregistration.k8s.io": 16_700,
  "scheduling.k8s.io": 16_600,
  "coordination.k8s.io": 16_500,
  "node.k8s.io": 16_300,
  "discovery.k8s.io": 16_200,
  "flowcontrol.apiserver.k8s.io": 16_100,
};

function groupPriority(group: string): number {
  return PRIORITIES[group] ?? 15_000;
}
