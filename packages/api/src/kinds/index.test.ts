// The list of kinds fits the typed references and the models.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasModel } from "../models.ts";
import * as refs from "../resource-ref.ts";
import { findKind, findKindByName, KINDS } from "./index.ts";
import { VIRTUAL_KINDS } from "./virtual-kinds.ts";

test("every typed reference has its kind, and every kind its model", () => {
  for (const ref of Object.values(refs)) {
    assert.equal(findKind(ref.group, ref.plural)?.kind, ref.kind);
    assert.equal(findKindByName(ref.group, ref.kind)?.namespaced, ref.namespaced);
  }
  for (const { model } of [...KINDS, ...VIRTUAL_KINDS]) assert.ok(hasModel(model), model);
});

test("names that kubectl takes are unique", () => {
  const names = KINDS.flatMap((kind) => [...new Set([kind.plural, kind.singular])].concat(kind.shortNames));
  assert.deepEqual(
    names.filter((name, i) => names.indexOf(name) !== i),
    [],
  );
});
