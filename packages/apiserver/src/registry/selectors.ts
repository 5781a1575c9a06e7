// What a list or watch selects: the narrowest scope the cache can answer, and the filters on top of it.
import { setImmediate } from "node:timers/promises";
import { badRequest } from "@skiff/api/errors.ts";
import { type FieldSelector, parseFieldSelector } from "@skiff/api/fields.ts";
import type { ServedVersion } from "@skiff/api/kind.ts";
import { parseLabelSelector, type Selector } from "@skiff/api/labels.ts";
import type { RequestInfo } from "../http/request-info.ts";
import type { Scope } from "../storage/resource-cache.ts";
import type { StorageKind, StoredObject } from "../storage/stored-object.ts";

/** What a request selects, split into what the cache can look up and what each object is asked. */
export interface Selection {
  readonly scope: Scope;
  /** Undefined when everything in the scope is selected. */
  readonly matches: ((object: StoredObject) => boolean) | undefined;
  /** Requirements that an object may have to be asked. */
  readonly terms: number;
}

/** Throws 400 for selectors that cannot be read or name a field that the kind does not offer. */
export function readSelection(
  kind: StorageKind,
  { namespace, group, version }: Pick<RequestInfo, "namespace" | "group" | "version">,
  query: URLSearchParams,
  indexField: string | undefined,
): Selection {
  const labelText = query.get("labelSelector") ?? "";
  const fieldText = query.get("fieldSelector") ?? "";
  const labels = labelText ? readLabels(labelText) : undefined;
  const fields = fieldText ? parseFieldSelector(fieldText, fieldNames(kind, group, version)) : undefined;
  // A namespace is said to live in itself, but its key and those of its like have no namespace.
  const where = kind.definition.namespaced ? namespace : "";
  const scope = scopeOf(kind, where, fields, indexField);
  const terms = (labels?.requirements.length ?? 0) + (fields?.requirements.length ?? 0);
  return { scope, matches: matcher(scope, where, labels, fields), terms };
}

/** What of a scope is selected. A URL has room for thousands of requirements: then others get a turn now and then. */
export async function selectObjects(
  objects: readonly StoredObject[],
  { matches, terms }: Pick<Selection, "matches" | "terms">,
): Promise<readonly StoredObject[]> {
  if (!matches) return objects;
  const atOnce = Math.ceil(TERMS_AT_ONCE / (terms + 1));
  if (objects.length <= atOnce) return objects.filter(matches);
  const selected: StoredObject[] = [];
  for (let at = 0; at < objects.length; at += atOnce) {
    for (const object of objects.slice(at, at + atOnce)) if (matches(object)) selected.push(object);
    await setImmediate();
  }
  return selected;
}

/** About 50 ms. */
const TERMS_AT_ONCE = 2_000_000;

function readLabels(text: string): Selector | undefined {
  const selector = parseLabelSelector(text);
  return selector.isEverything ? undefined : selector;
}

/** The stored name of a field as that version calls it. */
function fieldNames({ definition }: StorageKind, group: string, version: string): (field: string) => string {
  const isAsked = (other: ServedVersion) => (other.group ?? definition.group) === group && other.version === version;
  const labels = definition.otherVersions?.find(isAsked)?.fieldLabels;
  return (field) => {
    if (field === "metadata.name" || field === "metadata.namespace") return field;
    const known = labels ?? definition.selectableFields;
    if (!Object.hasOwn(known, field)) throw badRequest(unknownField(field, Object.keys(known).length > 0));
    return labels?.[field] ?? field;
  };
}

/** Kinds with fields of their own have other words for what they do not know. */
function unknownField(field: string, hasOwnFields: boolean): string {
  if (hasOwnFields) return `field label not supported: ${field}`;
  return `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`;
}

/** Name, index and namespace are looked up; `spec.nodeName` is such an index, by which each kubelet reads its pods. */
function scopeOf(
  kind: StorageKind,
  namespace: string,
  fields: FieldSelector | undefined,
  indexField: string | undefined,
): Scope {
  const name = fields?.requiredValue("metadata.name");
  const where = namespace || fields?.requiredValue("metadata.namespace") || "";
  if (name && (where || !kind.definition.namespaced)) return { type: "key", key: where ? `${where}/${name}` : name };
  const indexed = indexField ? fields?.requiredValue(indexField) : undefined;
  if (indexed) return { type: "index", value: indexed };
  return where ? { type: "namespace", namespace: where } : { type: "all" };
}

function matcher(
  scope: Scope,
  namespace: string,
  labels: Selector | undefined,
  fields: FieldSelector | undefined,
): Selection["matches"] {
  // An index crosses namespaces; the other scopes hold the namespace already.
  const checkNamespace = namespace !== "" && scope.type === "index";
  // An index also tells of objects that leave it, so there the field still decides what an event is.
  const onlyScope = fields?.requirements.length === 1 && scope.type === "key";
  const rest = onlyScope ? undefined : fields;
  if (!checkNamespace && !labels && !rest) return undefined;
  return (object) =>
    (!checkNamespace || object.namespace === namespace) &&
    (!labels || labels.matches(object.labels)) &&
    (!rest || rest.matches((field) => object.field(field)));
}
