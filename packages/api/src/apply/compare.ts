// What a write did to an object, field by field: the one walk behind ownership, conflicts and no-ops.
import { isPlainObject, type PlainObject } from "../plain-object.ts";
import { type FieldTree, LEAF, sortedKeys, sortedTree } from "./field-tree.ts";
import { fieldElement, keyElement, valueElement } from "./path-element.ts";
import type { StructNode, TypedField, TypedNode } from "./typed-schema.ts";

/** Nodes, not roots, except in what `compare` returns: a new map is a member, and so is each of its keys. */
export interface Difference {
  /** Added and modified. */
  readonly changed: FieldTree | undefined;
  readonly removed: FieldTree | undefined;
}

/** Undefined when nothing that can be owned differs. */
export function compare(root: StructNode, before: object, after: object): Difference | undefined {
  return compareStructs(root, before as PlainObject, after as PlainObject);
}

const CHANGED: Difference = { changed: LEAF, removed: undefined };
const EMPTY: PlainObject = Object.freeze({});
const NOTHING: readonly unknown[] = Object.freeze([]);

/** Collects what differs below one node. */
class Found {
  private changed: Record<string, FieldTree> | undefined;
  private removed: Record<string, FieldTree> | undefined;

  add(element: string, difference: Difference | undefined): void {
    if (difference?.changed) {
      this.changed ??= {};
      this.changed[element] = difference.changed;
    }
    if (difference?.removed) {
      this.removed ??= {};
      this.removed[element] = difference.removed;
    }
  }

  get difference(): Difference | undefined {
    const { changed, removed } = this;
    if (!changed && !removed) return undefined;
    return { changed: changed && sortedTree(changed), removed: removed && sortedTree(removed) };
  }
}

function compareNodes(node: TypedNode, before: unknown, after: unknown): Difference | undefined {
  switch (node.kind) {
    case "leaf":
      return sameJson(before, after) ? undefined : CHANGED;
    case "any":
      if (isPlainObject(before) && isPlainObject(after)) return compareMaps(ANY, before, after);
      return sameJson(before, after) ? undefined : CHANGED;
    case "struct":
      return compareStructs(node, objectOf(before), objectOf(after));
    case "map":
      return compareMaps(node.values, objectOf(before), objectOf(after));
    case "set":
    case "keyed":
      return compareLists(node, listOf(before), listOf(after));
  }
}

const ANY: TypedNode = { kind: "any" };

function compareStructs(node: StructNode, before: PlainObject, after: PlainObject): Difference | undefined {
  let found: Found | undefined;
  for (const name in after) {
    const a = before[name];
    const b = after[name];
    // Most values are shared between the two objects, so that this ends most of the walk.
    if (a === b) continue;
    const field = node.field(name);
    const difference = field && compareFields(field, a, b);
    if (!difference) continue;
    found ??= new Found();
    found.add(field.element, difference);
  }
  for (const name in before) {
    if (name in after) continue;
    const field = node.field(name);
    const difference = field && compareFields(field, before[name], undefined);
    if (!difference) continue;
    found ??= new Found();
    found.add(field.element, difference);
  }
  return found?.difference;
}

function compareFields(field: TypedField, before: unknown, after: unknown): Difference | undefined {
  const { node } = field;
  const hadValue = !isAbsent(field, before);
  const hasValue = !isAbsent(field, after);
  if (!hadValue && !hasValue) return undefined;
  const had = field.always || hadValue;
  const has = field.always || hasValue;
  if (had && has) return compareNodes(node, before, after);
  if (has) return { changed: everything(node, after), removed: undefined };
  return had ? { changed: undefined, removed: everything(node, before) } : undefined;
}

/** What Go's encoder leaves out of an object. An empty object stays: it is a choice, such as `emptyDir: {}`. */
function isAbsent({ node, plain }: TypedField, value: unknown): boolean {
  if (value === undefined || value === null || value === "") return true;
  if (value === false) return plain;
  if (Array.isArray(value)) return value.length === 0;
  return node.kind === "map" && isEmptyObject(value);
}

function compareMaps(values: TypedNode, before: PlainObject, after: PlainObject): Difference | undefined {
  const found = new Found();
  for (const key of Object.keys(after)) {
    const element = fieldElement(key);
    if (!Object.hasOwn(before, key))
      found.add(element, { changed: everything(values, after[key]), removed: undefined });
    else found.add(element, compareNodes(values, before[key], after[key]));
  }
  for (const key of Object.keys(before)) {
    if (Object.hasOwn(after, key)) continue;
    found.add(fieldElement(key), { changed: undefined, removed: everything(values, before[key]) });
  }
  return found.difference;
}

type ListNode = TypedNode & { kind: "set" | "keyed" };

function compareLists(node: ListNode, before: readonly unknown[], after: readonly unknown[]): Difference | undefined {
  // Most writes leave lists as they are, and then no item needs a name.
  if (before.length === after.length && sameJson(before, after)) return undefined;
  const found = new Found();
  const old = groupItems(node, before);
  const now = groupItems(node, after);
  for (const [element, items] of now) found.add(element, compareItems(node, old.get(element) ?? NOTHING, items));
  for (const [element, items] of old) {
    if (!now.has(element)) found.add(element, compareItems(node, items, NOTHING));
  }
  return found.difference;
}

/** Items of one name; more than one where an older list repeats itself, and then they are owned as a whole. */
function compareItems(node: ListNode, before: readonly unknown[], after: readonly unknown[]): Difference | undefined {
  const item = node.kind === "keyed" && before.length <= 1 && after.length <= 1 ? node.item : LEAF_NODE;
  if (before.length === 0) return { changed: everything(item, after[0]), removed: undefined };
  if (after.length === 0) return { changed: undefined, removed: everything(item, before[0]) };
  if (item !== LEAF_NODE) return compareNodes(item, before[0], after[0]);
  return sameJson(before, after) ? undefined : CHANGED;
}

const LEAF_NODE: TypedNode = { kind: "leaf" };

/** The items of a list by their path elements. */
function groupItems(node: ListNode, items: readonly unknown[]): Map<string, unknown[]> {
  const groups = new Map<string, unknown[]>();
  for (const [i, item] of items.entries()) {
    const element = itemElement(node, item, i);
    const group = groups.get(element);
    if (group) group.push(item);
    else groups.set(element, [item]);
  }
  return groups;
}

/** An item without any of its keys can only be told by its place. */
export function itemElement(node: ListNode, item: unknown, index: number): string {
  return node.kind === "set" ? valueElement(item) : (keyElement(node.keys, item) ?? `i:${index}`);
}

/** The node of a value that came or went as a whole: itself and everything in it. */
function everything(node: TypedNode, value: unknown): FieldTree {
  if (node.kind === "leaf" || typeof value !== "object" || value === null) return LEAF;
  // Written first, and kept only if something follows.
  const tree: Record<string, FieldTree> = { ".": LEAF };
  if (Array.isArray(value)) return addItems(tree, node, value) > 0 ? sortedTree(tree) : LEAF;
  return addMembers(tree, node, value as PlainObject) > 0 ? tree : LEAF;
}

function addMembers(tree: Record<string, FieldTree>, node: TypedNode, value: PlainObject): number {
  let count = 0;
  // In order from the start, so that the tree need not be sorted; "." comes before all of them.
  for (const key of sortedKeys(value)) {
    const member = value[key];
    if (node.kind === "struct") {
      const field = node.field(key);
      if (!field || isAbsent(field, member)) continue;
      tree[field.element] = everything(field.node, member);
    } else if (node.kind === "map" || node.kind === "any") {
      tree[fieldElement(key)] = everything(node.kind === "map" ? node.values : node, member);
    } else continue;
    count++;
  }
  return count;
}

function addItems(tree: Record<string, FieldTree>, node: TypedNode, items: readonly unknown[]): number {
  if (node.kind !== "set" && node.kind !== "keyed") return 0;
  for (const [i, item] of items.entries()) {
    const element = itemElement(node, item, i);
    // What stands there twice is owned as a whole.
    const isKnown = tree[element] !== undefined;
    tree[element] = everything(node.kind === "keyed" && !isKnown ? node.item : LEAF_NODE, item);
  }
  return items.length;
}

/** Equality of JSON, in which an undefined member is an absent one. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return (a ?? null) === (b ?? null);
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => sameJson(item, b[i]));
  if (Array.isArray(b)) return false;
  return sameMembers(a as PlainObject, b as PlainObject);
}

function sameMembers(a: PlainObject, b: PlainObject): boolean {
  let count = 0;
  for (const key in a) {
    if (a[key] === undefined) continue;
    count++;
    if (!Object.hasOwn(b, key) || !sameJson(a[key], b[key])) return false;
  }
  for (const key in b) if (b[key] !== undefined) count--;
  return count === 0;
}

function isEmptyObject(value: unknown): boolean {
  if (typeof value !== "object") return false;
  for (const _ in value) return false;
  return true;
}

function objectOf(value: unknown): PlainObject {
  return isPlainObject(value) ? value : EMPTY;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : NOTHING;
}
