// The set of fields that a configuration names, which is what its applier comes to own.
import { isPlainObject, type PlainObject } from "../plain-object.ts";
import { itemElement } from "./compare.ts";
import { type FieldTree, isMember, LEAF, sortedKeys, sortedTree, treeNode } from "./field-tree.ts";
import { fieldElement } from "./path-element.ts";
import type { StructNode, TypedNode } from "./typed-schema.ts";

/** Leaves, map keys, list items, and objects that are named but empty. An object with members is owned through them. */
export function fieldSetOf(root: StructNode, object: object): FieldTree {
  return setOf(root, object) ?? {};
}

/**
 * The set with every object of the type on the way to a member, so that taking away all members takes the object too.
 */
export function withAncestors(node: TypedNode, tree: FieldTree): FieldTree {
  const out: Record<string, FieldTree> = {};
  for (const element in tree) {
    if (element === ".") continue;
    const child = tree[element] as FieldTree;
    const field = node.kind === "struct" ? node.field(element.slice(2)) : undefined;
    const below = field ? field.node : childOf(node);
    const member = (field && !field.permanent) || isMember(child);
    out[element] = treeNode(below ? withAncestors(below, child) : child, member) ?? LEAF;
  }
  return out;
}

/** The type of what a node other than an object of fields holds; undefined below leaves. */
function childOf(node: TypedNode): TypedNode | undefined {
  switch (node.kind) {
    case "map":
      return node.values;
    case "keyed":
      return node.item;
    case "any":
      return node;
    default:
      return undefined;
  }
}

/** Undefined where the value names nothing of its own, such as an empty list. */
function setOf(node: TypedNode, value: unknown): FieldTree | undefined {
  // A null in a configuration is a value that its applier owns.
  if (value === null) return LEAF;
  switch (node.kind) {
    case "leaf":
      return LEAF;
    case "any":
      return isPlainObject(value) ? setOfObject(node, value) : LEAF;
    case "struct":
    case "map":
      return isPlainObject(value) ? setOfObject(node, value) : undefined;
    case "set":
    case "keyed":
      return Array.isArray(value) ? setOfList(node, value) : undefined;
  }
}

function setOfObject(node: TypedNode & { kind: "struct" | "map" | "any" }, value: PlainObject): FieldTree | undefined {
  const out: Record<string, FieldTree> = {};
  // In order from the start, so that the tree need not be sorted.
  for (const key of sortedKeys(value)) {
    const member = value[key];
    if (member === undefined) continue;
    const field = node.kind === "struct" ? node.field(key) : undefined;
    if (node.kind === "struct" && !field) continue;
    const child = setOf(field?.node ?? (node.kind === "map" ? node.values : node), member);
    const isEmpty = isPlainObject(member) && Object.keys(member).length === 0;
    // Keys of maps are members themselves; fields only through what they hold.
    const isOwned = !field?.permanent && (isEmpty || !field || child === LEAF);
    const tree = treeNode(child ?? LEAF, isOwned);
    if (tree) out[field?.element ?? fieldElement(key)] = tree;
  }
  return out;
}

function setOfList(node: TypedNode & { kind: "set" | "keyed" }, items: readonly unknown[]): FieldTree | undefined {
  // An empty list names no item, and items are what is owned.
  if (items.length === 0) return undefined;
  const out: Record<string, FieldTree> = {};
  for (const [i, item] of items.entries()) {
    const element = itemElement(node, item, i);
    // What stands there twice is owned as a whole.
    const child = node.kind === "keyed" && out[element] === undefined ? setOf(node.item, item) : undefined;
    out[element] = treeNode(child ?? LEAF, true) ?? LEAF;
  }
  return sortedTree(out);
}
