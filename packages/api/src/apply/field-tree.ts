// Sets of fields in the very form in which objects carry them (FieldsV1): `{"f:spec": {"f:replicas": {}}}`. Nothing is
// encoded or decoded on the way from a write to its managedFields.

/**
 * A node's keys are path elements; a node belongs to the set when it has the key "." or no keys at all. The root itself
 * never belongs, so an empty root is the empty set. Trees are immutable, shared, and keep their keys sorted.
 */
export interface FieldTree {
  readonly [element: string]: FieldTree;
}

/** A member without members below it. */
export const LEAF: FieldTree = Object.freeze({});

// Not a path element: those begin with "f:", "k:", "v:" or "i:".
const SELF = ".";

/** Whether it has no node at all; an absent tree is empty too. */
export function isEmptyTree(tree: FieldTree | undefined): boolean {
  for (const _ in tree) return false;
  return true;
}

/** Whether a node below the root belongs to the set. */
export function isMember(node: FieldTree): boolean {
  return SELF in node || isEmptyTree(node);
}

/** A node of the given children (SELF among them or not); undefined where nothing would be left. */
export function treeNode(children: FieldTree, isMember: boolean): FieldTree | undefined {
  let hasChildren = false;
  for (const key in children) {
    if (key === SELF) continue;
    hasChildren = true;
    break;
  }
  if (!hasChildren) return isMember ? LEAF : undefined;
  if (isMember === SELF in children) return children;
  if (isMember) return { [SELF]: LEAF, ...children };
  const { [SELF]: _self, ...rest } = children;
  return rest;
}

/** The same tree with its keys in order, which is how upstream writes them. */
export function sortedTree(tree: Record<string, FieldTree>): FieldTree {
  const keys = Object.keys(tree);
  for (let at = 1; at < keys.length; at++) {
    if ((keys[at] as string) < (keys[at - 1] as string)) return sortedCopy(tree, keys.sort());
  }
  return tree;
}

/** Mostly they are in order already, or there is one. */
export function sortedKeys(object: object): string[] {
  const keys = Object.keys(object);
  for (let at = 1; at < keys.length; at++) if ((keys[at] as string) < (keys[at - 1] as string)) return keys.sort();
  return keys;
}

function sortedCopy(tree: FieldTree, keys: readonly string[]): FieldTree {
  const out: Record<string, FieldTree> = {};
  for (const key of keys) out[key] = tree[key] as FieldTree;
  return out;
}

/** Members of either; `a` itself where `b` adds nothing. */
export function union(a: FieldTree, b: FieldTree): FieldTree {
  return uniteChildren(a, b);
}

/** Members of `a` that are not in `b`; `a` itself where they share nothing. Members below a removed one stay. */
export function difference(a: FieldTree, b: FieldTree): FieldTree {
  return subtractChildren(a, b);
}

/** Members of both. Costs as much as the first is large. */
export function intersection(a: FieldTree, b: FieldTree): FieldTree {
  const out: Record<string, FieldTree> = {};
  for (const key in a) {
    if (key === SELF || !(key in b)) continue;
    const mine = a[key] as FieldTree;
    const theirs = b[key] as FieldTree;
    const node = treeNode(intersection(mine, theirs), isMember(mine) && isMember(theirs));
    if (node) out[key] = node;
  }
  return out;
}

/** Whether two trees have the same members, whoever shares what. */
export function sameTree(a: FieldTree, b: FieldTree): boolean {
  if (a === b) return true;
  let count = 0;
  for (const key in a) {
    count++;
    const other = b[key];
    if (other === undefined || !sameTree(a[key] as FieldTree, other)) return false;
  }
  for (const _ in b) count--;
  return count === 0;
}

/** The paths of all members, as lists of path elements. */
export function* membersOf(tree: FieldTree, path: readonly string[] = []): Generator<readonly string[]> {
  for (const key in tree) {
    if (key === SELF) continue;
    const node = tree[key] as FieldTree;
    const here = [...path, key];
    if (isMember(node)) yield here;
    yield* membersOf(node, here);
  }
}

function uniteChildren(a: FieldTree, b: FieldTree): FieldTree {
  let out: Record<string, FieldTree> | undefined;
  for (const key in b) {
    if (key === SELF) continue;
    const mine = a[key];
    const theirs = b[key] as FieldTree;
    const next = mine === undefined ? theirs : uniteNodes(mine, theirs);
    if (next === mine) continue;
    out ??= { ...a };
    out[key] = next;
  }
  return out ? sortedTree(out) : a;
}

function uniteNodes(a: FieldTree, b: FieldTree): FieldTree {
  if (a === b) return a;
  return treeNode(uniteChildren(a, b), isMember(a) || isMember(b)) ?? a;
}

function subtractChildren(a: FieldTree, b: FieldTree): FieldTree {
  let out: Record<string, FieldTree> | undefined;
  for (const key in b) {
    const mine = a[key];
    if (key === SELF || mine === undefined) continue;
    const next = subtractNodes(mine, b[key] as FieldTree);
    if (next === mine) continue;
    out ??= { ...a };
    if (next === undefined) delete out[key];
    else out[key] = next;
  }
  return out ?? a;
}

function subtractNodes(a: FieldTree, b: FieldTree): FieldTree | undefined {
  return treeNode(subtractChildren(a, b), isMember(a) && !isMember(b));
}
