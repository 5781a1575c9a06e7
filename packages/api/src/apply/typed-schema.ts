// How each field of a type is owned: as a whole, member by member, or item by item.
import { listMapKeysOf, listTypeOf, mapTypeOf, modelMapTypeOf } from "../field-tables.ts";
import { modelOf } from "../models.ts";
import type { Schema } from "../schema.ts";
import { PLAIN_BOOLEANS } from "../validation/deep-equal.ts";
import { fieldElement } from "./path-element.ts";

/** The shape of ownership at one place of a type, compiled once for each. */
export type TypedNode =
  /** Scalars, and lists, maps and objects that are atomic. */
  | { readonly kind: "leaf" }
  /** Free-form values: objects are owned by their members, everything else as a whole. */
  | { readonly kind: "any" }
  | StructNode
  | { readonly kind: "map"; readonly values: TypedNode }
  | { readonly kind: "set" }
  /** `keys` are sorted, as upstream writes them. */
  | { readonly kind: "keyed"; readonly keys: readonly string[]; readonly item: TypedNode };

/** An object with declared fields, each owned by itself. */
export interface StructNode {
  readonly kind: "struct";
  /** Undefined for fields that the type does not have or nobody can own. */
  field(name: string): TypedField | undefined;
}

/** A field, and what comparing needs to know of how upstream's types hold it. */
export interface TypedField {
  readonly node: TypedNode;
  /** `f:NAME`. */
  readonly element: string;
  /** Upstream's type holds it by value, so it is there even when nobody wrote it: it can be neither added nor removed. */
  readonly always: boolean;
  /** A boolean that upstream does not keep apart from absence. */
  readonly plain: boolean;
  /** The metadata of an object, which stays whatever of it is taken out. */
  readonly permanent: boolean;
}

/** The type of a kind's objects without what is never owned: identity, versions, and the fields of `ignored` (`status`, `metadata.labels`). */
export function rootNodeOf(model: string, ignored: readonly string[]): StructNode {
  const key = `${model}/${ignored.join()}`;
  const known = roots.get(key);
  if (known) return known;
  const hidden = new Set(["apiVersion", "kind", ...ignored]);
  const { fields } = modelOf(model);
  const root = structNode(model, hidden, (name) => {
    const below = ignored.filter((path) => path.startsWith(`${name}.`)).map((path) => path.slice(name.length + 1));
    if (name === "metadata") return structNode("ObjectMeta", new Set([...UNOWNED_METADATA, ...below]));
    const schema = fields[name];
    return below.length > 0 && schema?.type === "object" ? structNode(schema.ref, new Set(below)) : undefined;
  });
  roots.set(key, root);
  return root;
}

const roots = new Map<string, StructNode>();

// What the server sets, or what says which object it is.
const UNOWNED_METADATA = [
  "name",
  "namespace",
  "creationTimestamp",
  "selfLink",
  "uid",
  "clusterName",
  "generation",
  "managedFields",
  "resourceVersion",
];

const LEAF_NODE: TypedNode = { kind: "leaf" };
const ANY_NODE: TypedNode = { kind: "any" };
const SET_NODE: TypedNode = { kind: "set" };
const structs = new Map<string, StructNode>();

function structOf(model: string): StructNode {
  const known = structs.get(model);
  if (known) return known;
  const node = structNode(model, NONE);
  structs.set(model, node);
  return node;
}

const NONE: ReadonlySet<string> = new Set();

/** Fields are looked at when first asked for: types refer to each other in circles. */
function structNode(
  model: string,
  hidden: ReadonlySet<string>,
  special?: (field: string) => TypedNode | undefined,
): StructNode {
  const { fields, required } = modelOf(model);
  const known = new Map<string, TypedField | undefined>();
  const compile = (name: string): TypedField | undefined => {
    const schema = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (!schema || hidden.has(name)) return undefined;
    const node = special?.(name);
    return {
      node: node ?? fieldNode(schema, model, name),
      element: fieldElement(name),
      always: isContainer(schema) && (required.includes(name) || isHeldByValue(model, name)),
      plain: schema.type === "boolean" && PLAIN_BOOLEANS.has(name),
      permanent: node !== undefined && name === "metadata",
    };
  };
  return {
    kind: "struct",
    field(name) {
      let field = known.get(name);
      if (field === undefined && !known.has(name)) {
        field = compile(name);
        // Names come from requests, so unknown ones are not remembered.
        if (field) known.set(name, field);
      }
      return field;
    },
  };
}

function isContainer(schema: Schema): boolean {
  return schema.type === "object" || schema.type === "array";
}

function isHeldByValue(model: string, field: string): boolean {
  if ((field === "metadata" || field === "spec" || field === "status") && !POINTERS.has(`${model}.${field}`))
    return true;
  return VALUE_FIELDS.has(field) && !POINTERS.has(`${model}.${field}`);
}

/** Objects that upstream's structs hold by value although they are optional. */
const VALUE_FIELDS: ReadonlySet<string> = new Set([
  ...["template", "jobTemplate", "strategy", "updateStrategy", "resources", "loadBalancer"],
  ...["nodeInfo", "daemonEndpoints", "kubeletEndpoint", "state", "lastState", "involvedObject", "source"],
]);

// The exceptions to both rules above.
const POINTERS: ReadonlySet<string> = new Set([
  "ReplicationControllerSpec.template",
  "PodSpec.resources",
  "ContainerStatus.resources",
]);

function fieldNode(schema: Schema, model: string, field: string): TypedNode {
  const isAtomic = mapTypeOf(model, field) === "atomic";
  switch (schema.type) {
    case "object":
      // The field may say more than its type does.
      if (mapTypeOf(model, field) === "granular") return structOf(schema.ref);
      return isAtomic ? LEAF_NODE : valueNode(schema);
    case "map":
      return isAtomic ? LEAF_NODE : valueNode(schema);
    case "array":
      return listNode(schema, model, field);
    default:
      return valueNode(schema);
  }
}

function listNode(schema: Schema & { type: "array" }, model: string, field: string): TypedNode {
  const type = listTypeOf(model, field);
  if (type === "set") return SET_NODE;
  if (type !== "map") return LEAF_NODE;
  const keys = [...(listMapKeysOf(model, field) ?? [])].sort();
  return { kind: "keyed", keys, item: valueNode(schema.items) };
}

/** A value that has no field of its own to say more: an item, or a value in a map. */
function valueNode(schema: Schema): TypedNode {
  switch (schema.type) {
    case "object":
      return modelMapTypeOf(schema.ref) === "atomic" ? LEAF_NODE : structOf(schema.ref);
    case "map":
      return { kind: "map", values: valueNode(schema.values) };
    case "any":
      return ANY_NODE;
    default:
      return LEAF_NODE;
  }
}
