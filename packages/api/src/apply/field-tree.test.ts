// The algebra of field sets, checked against sets of paths.
import assert from "node:assert/strict";
import { test } from "node:test";
import { difference, type FieldTree, intersection, LEAF, membersOf, sameTree, union } from "./field-tree.ts";
import { parseFieldTree } from "./path-element.ts";

function pathsOf(tree: FieldTree): Set<string> {
  return new Set([...membersOf(tree)].map((path) => path.join("/")));
}

function randomTree(random: () => number, depth = 0): FieldTree {
  const out: Record<string, FieldTree> = {};
  for (const name of ["f:a", "f:b", "f:c"]) {
    if (random() < 0.4) continue;
    const children = depth < 3 && random() < 0.6 ? randomTree(random, depth + 1) : {};
    const isNode = Object.keys(children).length > 0;
    out[name] = !isNode ? LEAF : random() < 0.5 ? { ".": LEAF, ...children } : children;
  }
  return out;
}

test("union, difference and intersection of trees are those of their members", (t) => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  t.diagnostic(`seed ${seed}`);
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 2 ** 31;
  };
  for (let i = 0; i < 2000; i++) {
    const [a, b] = [randomTree(random), randomTree(random)];
    const [inA, inB] = [pathsOf(a), pathsOf(b)];
    assert.deepEqual(pathsOf(union(a, b)), inA.union(inB));
    assert.deepEqual(pathsOf(difference(a, b)), inA.difference(inB));
    assert.deepEqual(pathsOf(intersection(a, b)), inA.intersection(inB));
    assert.equal(union(a, a), a);
    assert.ok(sameTree(union(difference(a, b), intersection(a, b)), a));
  }
});

test("parseFieldTree brings foreign sets into our form and refuses what is none", () => {
  const sent = { "f:b": {}, "f:a": { 'k:{"protocol":"TCP", "port":80}': { ".": {} } } };
  assert.deepEqual(parseFieldTree(sent), { "f:a": { 'k:{"port":80,"protocol":"TCP"}': {} }, "f:b": {} });
  for (const bad of [7, { "f:a": 1 }, { x: {} }, { "k:7": {} }, { "v:{": {} }, { 'v:{"a":1}': {} }, { "i:x": {} }]) {
    assert.equal(parseFieldTree(bad), undefined, JSON.stringify(bad));
  }
});
