// The live object with a configuration laid over it, and an object with fields taken out. Neither changes its argument.
import { isPlainObject, type PlainObject, setOwn } from "../plain-object.ts";
import { itemElement } from "./compare.ts";
import { type FieldTree, isEmptyTree, isMember } from "./field-tree.ts";
import { fieldElement } from "./path-element.ts";
import type { TypedNode } from "./typed-schema.ts";

const LEAF_NODE: TypedNode = { kind: "leaf" };

/** Leaves come from `config`; objects, maps and associative lists keep what it does not name. */
export function mergeTyped(node: TypedNode, live: unknown, config: unknown): unknown {
  // A configuration speaks of what it names and of nothing else.
  if (config === undefined) return live;
  if (live === undefined) return config;
  switch (node.kind) {
    case "leaf":
      return config;
    case "any":
    case "struct":
    case "map":
      return mergeObjects(node, live, config);
    case "set":
    case "keyed":
      return mergeLists(node, live, config);
  }
}

function mergeObjects(node: TypedNode & { kind: "any" | "struct" | "map" }, live: unknown, config: unknown): unknown {
  if (node.kind === "any" && !(isPlainObject(live) && isPlainObject(config))) return config;
  const base = isPlainObject(live) ? live : {};
  // An empty object says nothing where there is something already.
  if (!isPlainObject(config) || Object.keys(config).length === 0) return Object.keys(base).length > 0 ? live : config;
  const out: PlainObject = { ...base };
  for (const key of Object.keys(config)) {
    const below = node.kind === "map" ? node.values : node.kind === "any" ? node : (node.field(key)?.node ?? LEAF_NODE);
    // `setOwn`, as a key may be called "__proto__".
    setOwn(out, key, mergeTyped(below, Object.hasOwn(base, key) ? base[key] : undefined, config[key]));
  }
  return out;
}

type ListNode = TypedNode & { kind: "set" | "keyed" };

interface Item {
  readonly element: string;
  readonly value: unknown;
}

function mergeLists(node: ListNode, live: unknown, config: unknown): unknown {
  const base = Array.isArray(live) ? live : [];
  if (!Array.isArray(config) || config.length === 0) return base.length > 0 ? live : config;
  const left = base.map((value, i) => ({ element: itemElement(node, value, i), value }));
  const right = config.map((value, i) => ({ element: itemElement(node, value, i), value }));
  const found = new Map<string, unknown>();
  // An item that the live list repeats is replaced, for there is no telling which to merge with.
  for (const { element, value } of left) found.set(element, found.has(element) ? undefined : value);
  const below = node.kind === "keyed" ? node.item : LEAF_NODE;
  return interleave(left, right).map((item) =>
    item.isConfig ? mergeTyped(below, found.get(item.element), item.value) : item.value,
  );
}

/**
 * The order of the merged list: the configuration's items in its order, and the live list's own items where they stood
 * among the shared ones.
 */
function interleave(left: readonly Item[], right: readonly Item[]): (Item & { readonly isConfig: boolean })[] {
  const ofLeft = new Set(left.map((item) => item.element));
  const ofRight = new Set(right.map((item) => item.element));
  const shared = right.filter((item) => ofLeft.has(item.element)).map((item) => item.element);
  const done = new Set<string>();
  const out: (Item & { isConfig: boolean })[] = [];
  let next = 0;
  const takeRight = (item: Item) => {
    out.push({ ...item, isConfig: true });
    done.add(item.element);
    if (shared[next] === item.element) next++;
  };
  let l = 0;
  let r = 0;
  while (l < left.length || r < right.length) {
    const mine = left[l];
    const theirs = right[r];
    if (mine && !ofRight.has(mine.element)) {
      out.push({ ...mine, isConfig: false });
      l++;
    } else if (
      mine &&
      (done.has(mine.element) ||
        (theirs && mine.element !== theirs.element && next < shared.length && shared[next] !== mine.element))
    ) {
      // A shared item that comes elsewhere in the configuration's order.
      l++;
    } else if (theirs) {
      if (mine?.element === theirs.element) l++;
      takeRight(theirs);
      r++;
    } else l++;
  }
  return out;
}

/** What becomes of an object or list that loses everything: it stays where it was, empty, or goes as well. */
export type Emptied = "kept" | "dropped";

/** The value without the members of `tree`; undefined where nothing is left and that is dropped. */
export function removeFields(node: TypedNode, value: unknown, tree: FieldTree, emptied: Emptied): unknown {
  if (isEmptyTree(tree)) return value;
  if (node.kind === "set" || node.kind === "keyed")
    return Array.isArray(value) ? removeItems(node, value, tree, emptied) : value;
  if (node.kind === "leaf" || !isPlainObject(value)) return value;
  const out: PlainObject = {};
  for (const key of Object.keys(value)) {
    const child = tree[fieldElement(key)];
    const below = node.kind === "map" ? node.values : node.kind === "any" ? node : (node.field(key)?.node ?? LEAF_NODE);
    if (child === undefined) setOwn(out, key, value[key]);
    else if (!isMember(child)) {
      const rest = removeFields(below, value[key], child, emptied);
      if (rest !== undefined) setOwn(out, key, rest);
    }
  }
  return emptied === "kept" || Object.keys(out).length > 0 ? out : undefined;
}

function removeItems(node: ListNode, items: readonly unknown[], tree: FieldTree, emptied: Emptied): unknown {
  const out: unknown[] = [];
  for (const [i, item] of items.entries()) {
    const child = tree[itemElement(node, item, i)];
    if (child === undefined) out.push(item);
    else if (!isMember(child)) {
      out.push(removeFields(node.kind === "keyed" ? node.item : LEAF_NODE, item, child, emptied) ?? {});
    }
  }
  return emptied === "kept" || out.length > 0 ? out : undefined;
}
