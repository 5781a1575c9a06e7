// A valid object of each kind: the least that its rules take, defaults that settle, columns that can be shown.
import assert from "node:assert/strict";
import { test } from "node:test";
import { findKindByName, KINDS } from "./index.ts";
import { created, judgeNew, judgeUpdate } from "./judge.ts";
import { VALID_MANIFESTS } from "./valid-manifests.ts";

function kindOf(group: string, name: string) {
  const kind = findKindByName(group, name);
  assert.ok(kind, `${group}/${name}`);
  return kind;
}

test("every sample is valid, new and unchanged", () => {
  for (const [group, name, manifest] of VALID_MANIFESTS) {
    const kind = kindOf(group, name);
    assert.deepEqual(judgeNew(kind, manifest), [], name);
    const stored = created(kind, manifest);
    assert.deepEqual(
      judgeUpdate(kind, stored, () => {}),
      [],
      `${name} updated`,
    );
    if (kind.status)
      assert.deepEqual(
        judgeUpdate(kind, stored, () => {}, true),
        [],
        `${name} status updated`,
      );
  }
});

test("defaults of every sample settle, and its columns can be shown", () => {
  for (const [group, name, manifest] of VALID_MANIFESTS) {
    const kind = kindOf(group, name);
    const stored = created(kind, manifest);
    const again = structuredClone(stored);
    kind.applyDefaults(again);
    assert.deepEqual(again, stored, name);
    for (const column of kind.columns) assert.notEqual(column.value(stored, 0), undefined, `${name} ${column.name}`);
    for (const read of Object.values(kind.selectableFields)) assert.equal(typeof read(stored), "string");
  }
});

test("every other version of every sample leads back to what is stored", () => {
  for (const [group, name, manifest] of VALID_MANIFESTS) {
    const kind = kindOf(group, name);
    const stored = created(kind, manifest);
    for (const { toStored, fromStored, version } of kind.otherVersions ?? []) {
      const back = toStored(fromStored(structuredClone(stored)));
      kind.applyDefaults(back);
      assert.deepEqual(JSON.parse(JSON.stringify(back)), JSON.parse(JSON.stringify(stored)), `${name} ${version}`);
    }
  }
});

test("kinds answer an empty object with errors, not with exceptions", () => {
  for (const kind of KINDS) assert.ok(Array.isArray(judgeNew(kind, {})), kind.kind);
});
