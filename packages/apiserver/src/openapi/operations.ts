// Paths and operations of everything that is served, independent of the dialect they are written in.

import type { KindDefinition, SubresourceDefinition, Verb } from "@skiff/api/kind.ts";
import { ALL_VERBS } from "@skiff/api/kind.ts";
import type { VirtualKind } from "@skiff/api/kinds/virtual-kinds.ts";
import { hasModel } from "@skiff/api/models.ts";
import { groupVersion } from "@skiff/api/object.ts";
import { listModelOf } from "./definition-names.ts";
import type { QueryParameter } from "./parameters.ts";
import {
  CREATE_PARAMETERS,
  DELETE_COLLECTION_PARAMETERS,
  DELETE_PARAMETERS,
  LIST_PARAMETERS,
  PATCH_PARAMETERS,
} from "./parameters.ts";

/** Which kind an operation is about, as `x-kubernetes-group-version-kind` says it. */
export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** The methods that a document describes; HEAD and OPTIONS are served and told nobody. */
export type HttpMethod = "get" | "put" | "post" | "delete" | "patch";

/** One method of one path. Clients generated from the documents name their functions after `id`. */
export interface OperationSpec {
  readonly method: HttpMethod;
  /** Upstream's x-kubernetes-action. */
  readonly action: string;
  readonly id: string;
  readonly description: string;
  readonly gvk: GroupVersionKind;
  /** Model of the body; "patch" for any patch; absent without body. */
  readonly body?: string;
  readonly bodyRequired?: boolean;
  /** Model of the answer; plain text when absent. */
  readonly answer?: string;
  readonly codes: readonly number[];
  readonly parameters: readonly QueryParameter[];
}

/** One path with everything that can be done there. */
export interface PathSpec {
  readonly path: string;
  readonly group: string;
  readonly version: string;
  /** `namespace`, `name`, `path`: what stands in braces. */
  readonly placeholders: readonly string[];
  readonly operations: readonly OperationSpec[];
}

/** Every path of every version of every kind; virtual kinds, such as TokenReview, are answered and never stored. */
export function allPaths(kinds: readonly KindDefinition[], virtualKinds: readonly VirtualKind[]): PathSpec[] {
  const bodies = new Map(virtualKinds.map((kind) => [`${kind.group}/${kind.kind}`, kind.model]));
  for (const kind of kinds) bodies.set(`${kind.group}/${kind.kind}`, kind.model);
  const stored = kinds.flatMap((kind) => [
    ...storedPaths(kind, kind.version, kind.model, bodies),
    ...(kind.otherVersions ?? []).flatMap(({ version, model, group = kind.group }) =>
      storedPaths({ ...kind, group }, version, model, bodies),
    ),
  ]);
  return [...stored, ...virtualKinds.filter(({ plural }) => plural).flatMap(virtualPaths)];
}

/** Where a kind stands in its URL and what is there. */
interface Place {
  readonly group: string;
  readonly version: string;
  readonly namespaced: boolean;
  readonly plural: string;
  readonly kind: string;
  readonly model: string;
}

/** Only what is served is told: kubectl and generated clients take each operation for a promise. */
function storedPaths(
  kind: KindDefinition,
  version: string,
  model: string,
  bodies: ReadonlyMap<string, string>,
): PathSpec[] {
  const place: Place = { ...kind, version, model };
  const verbs = new Set(kind.verbs ?? ALL_VERBS);
  const list = listModelOf(model, kind.kind);
  const paths = [
    pathSpec(place, "", collectionOperations(place, verbs, list)),
    pathSpec(place, "/{name}", itemOperations(place, verbs, "")),
  ];
  // Kinds outside namespaces have the plain path for that already.
  if (kind.namespaced && verbs.has("list")) paths.unshift(everywhere(place, list));
  if (kind.status) paths.push(pathSpec(place, "/{name}/status", itemOperations(place, GET_PATCH_UPDATE, "Status")));
  if (kind.scale) {
    const scale = { group: "autoscaling", version: "v1", kind: "Scale" };
    paths.push(
      pathSpec(place, "/{name}/scale", itemOperations({ ...place, model: "Scale" }, GET_PATCH_UPDATE, "Scale", scale)),
    );
  }
  for (const subresource of kind.subresources) {
    if (subresource.name !== "status") paths.push(...subresourcePaths(place, subresource, bodies));
  }
  return paths.filter(({ operations }) => operations.length > 0);
}

/** What `status` and `scale` offer: they come and go with their object. */
const GET_PATCH_UPDATE: ReadonlySet<Verb> = new Set(["get", "patch", "update"]);

function basePath({ group, version, namespaced, plural }: Place): string {
  const root = `${group ? "/apis" : "/api"}/${groupVersion(group, version)}`;
  return `${root}${namespaced ? "/namespaces/{namespace}" : ""}/${plural}`;
}

function pathSpec(place: Place, rest: string, operations: readonly OperationSpec[]): PathSpec {
  const path = `${basePath(place)}${rest}`;
  const placeholders = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? "");
  return { path, group: place.group, version: place.version, placeholders, operations };
}

/** The list over all namespaces, which for a namespaced kind is a path of its own. */
function everywhere(place: Place, list: string): PathSpec {
  const path = `${place.group ? "/apis" : "/api"}/${groupVersion(place.group, place.version)}/${place.plural}`;
  const id = `list${tagOf(place)}${place.kind}ForAllNamespaces`;
  const operation = operationOf(place, "get", "list", id, `list or watch objects of kind ${place.kind}`, {
    answer: list,
    parameters: LIST_PARAMETERS,
  });
  return { path, group: place.group, version: place.version, placeholders: [], operations: [operation] };
}

function collectionOperations(place: Place, verbs: ReadonlySet<Verb>, list: string): OperationSpec[] {
  const { kind, model } = place;
  const operations: OperationSpec[] = [];
  const name = scopedName(place);
  if (verbs.has("list")) {
    const facts = { answer: list, parameters: LIST_PARAMETERS };
    operations.push(operationOf(place, "get", "list", `list${name}`, `list or watch objects of kind ${kind}`, facts));
  }
  if (verbs.has("create")) operations.push(createOperation(place, name, kind, model, model));
  if (verbs.has("deletecollection")) {
    const id = `delete${tagOf(place)}Collection${place.namespaced ? "Namespaced" : ""}${kind}`;
    const facts = { body: "DeleteOptions", answer: "Status", parameters: DELETE_COLLECTION_PARAMETERS };
    operations.push(operationOf(place, "delete", "deletecollection", id, `delete collection of ${kind}`, facts));
  }
  return operations;
}

/** The codes are upstream's for any POST, though most kinds answer 201 alone. */
function createOperation(place: Place, name: string, what: string, body: string, answer: string): OperationSpec {
  return operationOf(place, "post", "post", `create${name}`, `create a ${what}`, {
    body,
    bodyRequired: true,
    answer,
    codes: [200, 201, 202],
    parameters: CREATE_PARAMETERS,
  });
}

/** `suffix` is that of a subresource; `gvk` is given where its objects are of another kind. */
function itemOperations(
  place: Place,
  verbs: ReadonlySet<Verb>,
  suffix: string,
  gvk?: GroupVersionKind,
): OperationSpec[] {
  const { kind, model } = place;
  const what = suffix ? `${suffix.toLowerCase()} of the specified ${kind}` : `the specified ${kind}`;
  const name = `${scopedName(place)}${suffix}`;
  const own = gvk ? { gvk } : {};
  const writing = { answer: model, codes: [200, 201], ...own };
  const operations: OperationSpec[] = [];
  if (verbs.has("get")) {
    operations.push(operationOf(place, "get", "get", `read${name}`, `read ${what}`, { answer: model, ...own }));
  }
  if (verbs.has("update")) {
    const facts = { ...writing, body: model, bodyRequired: true, parameters: CREATE_PARAMETERS };
    operations.push(operationOf(place, "put", "put", `replace${name}`, `replace ${what}`, facts));
  }
  if (verbs.has("delete")) {
    const facts = { body: "DeleteOptions", answer: "Status", codes: [200, 202], parameters: DELETE_PARAMETERS };
    operations.push(operationOf(place, "delete", "delete", `delete${name}`, `delete a ${kind}`, facts));
  }
  if (verbs.has("patch")) {
    const facts = { ...writing, body: "patch", bodyRequired: true, parameters: PATCH_PARAMETERS };
    operations.push(operationOf(place, "patch", "patch", `patch${name}`, `partially update ${what}`, facts));
  }
  return operations;
}

const METHODS: Readonly<Partial<Record<Verb, HttpMethod>>> = {
  create: "post",
  delete: "delete",
  get: "get",
  patch: "patch",
  update: "put",
};

/** Subresources with a body of a known kind are like objects; the rest is a stream that a client connects to. */
function subresourcePaths(
  place: Place,
  subresource: SubresourceDefinition,
  bodies: ReadonlyMap<string, string>,
): PathSpec[] {
  const { name, kind, group = place.group, version = place.version, verbs } = subresource;
  const gvk = { group, version, kind };
  const model = bodies.get(`${group}/${kind}`);
  const suffix = name.charAt(0).toUpperCase() + name.slice(1);
  // The answer is plain text, so that it has no model.
  if (name === "log") {
    const operation = operationOf(
      place,
      "get",
      "get",
      `read${scopedName(place)}Log`,
      `read log of the specified ${kind}`,
      {},
    );
    return [pathSpec(place, "/{name}/log", [operation])];
  }
  if (!model || !hasModel(model)) return connectPaths(place, name, suffix, gvk, verbs);
  const described = { ...place, model };
  const operations = itemOperations(described, new Set(verbs), suffix, gvk);
  if (verbs.includes("create")) {
    const create = createOperation(
      described,
      `${scopedName(place)}${suffix}`,
      `${name} of a ${place.kind}`,
      model,
      model,
    );
    operations.push({ ...create, gvk });
  }
  return [pathSpec(place, `/{name}/${name}`, operations)];
}

/** exec, attach, portforward and proxy: what goes through them has no schema. */
function connectPaths(
  place: Place,
  name: string,
  suffix: string,
  gvk: GroupVersionKind,
  verbs: readonly Verb[],
): PathSpec[] {
  const at = (rest: string, ending: string) => {
    const operations = verbs.flatMap((verb) => {
      const method = METHODS[verb];
      if (!method) return [];
      const word = method.charAt(0).toUpperCase() + method.slice(1);
      const id = `connect${tagOf(place)}${word}${place.namespaced ? "Namespaced" : ""}${place.kind}${suffix}${ending}`;
      return [
        operationOf(place, method, "connect", id, `connect ${verb} requests to ${name} of ${place.kind}`, { gvk }),
      ];
    });
    return pathSpec(place, `/{name}/${name}${rest}`, operations);
  };
  // What lies behind a proxy has paths of its own.
  return name === "proxy" ? [at("", ""), at("/{path}", "WithPath")] : [at("", "")];
}

/** Reviews mostly offer POST alone. */
function virtualPaths(place: VirtualKind): PathSpec[] {
  const verbs = new Set(place.verbs);
  const list = listModelOf(place.model, place.kind);
  const paths = [
    pathSpec(place, "", collectionOperations(place, verbs, list)),
    pathSpec(place, "/{name}", itemOperations(place, verbs, "")),
  ];
  return paths.filter(({ operations }) => operations.length > 0);
}

type Facts = Partial<Pick<OperationSpec, "body" | "bodyRequired" | "answer" | "codes" | "parameters" | "gvk">>;

function operationOf(
  { group, version, kind }: Place,
  method: HttpMethod,
  action: string,
  id: string,
  description: string,
  facts: Facts,
): OperationSpec {
  return { method, action, id, description, gvk: { group, version, kind }, codes: [200], parameters: [], ...facts };
}

/** `CoreV1NamespacedPod`: the middle of every operation id. */
function scopedName(place: Place): string {
  return `${tagOf(place)}${place.namespaced ? "Namespaced" : ""}${place.kind}`;
}

/** `CoreV1`, `RbacAuthorizationV1`: how operation ids name a group and version. */
function tagOf({ group, version }: Place): string {
  return groupWords(group) + version.charAt(0).toUpperCase() + version.slice(1);
}

/** `RbacAuthorization` for `rbac.authorization.k8s.io`, `Core` for the core group. */
export function groupWords(group: string): string {
  const words = group === "" ? ["core"] : group.replace(/\.k8s\.io$/, "").split(".");
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}
