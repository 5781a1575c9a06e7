// Bookmarks in every form of a watch, for every kind.
import assert from "node:assert/strict";
import { test } from "node:test";
import { KINDS } from "@skiff/api/kinds/index.ts";
import { type StorageKind, storageKind } from "../storage/stored-object.ts";
import { type EventEncoder, jsonEncoder, partialEncoder, tableEncoder } from "./event-encoder.ts";
import { TableCells } from "./table-cells.ts";
import type { IncludeObject } from "./views.ts";

const NOW_MS = Date.UTC(2026, 0, 1);
const kinds = KINDS.map(storageKind);
const annotations = { "k8s.io/initial-events-end": "true" };

function kindNamed(name: string): StorageKind {
  const found = kinds.find(({ definition }) => definition.kind === name);
  assert.ok(found);
  return found;
}

function table(kind: StorageKind, includeObject: IncludeObject): EventEncoder {
  return tableEncoder(kind, { version: "v1", includeObject, cells: new TableCells() }, () => NOW_MS);
}

function bookmark(encoder: EventEncoder, end = true) {
  const frame = JSON.parse(encoder.bookmark(7, end).toString());
  assert.equal(frame.type, "BOOKMARK");
  return frame.object;
}

test("a bookmark has the required fields of its kind, so that readers with a schema take it", () => {
  assert.deepEqual(bookmark(jsonEncoder(kindNamed("Secret"))), {
    ...{ kind: "Secret", apiVersion: "v1", metadata: { resourceVersion: "7", annotations } },
  });
  const classes = bookmark(jsonEncoder(kindNamed("StorageClass")), false);
  assert.deepEqual([classes.metadata, classes.provisioner], [{ resourceVersion: "7" }, ""]);
  const partial = bookmark(partialEncoder("v1"));
  assert.deepEqual(partial.metadata, { resourceVersion: "7", annotations });
});

test("a Table's bookmark has a row of its own, which tells the end of the initial state", () => {
  const { metadata, rows } = bookmark(table(kindNamed("CustomResourceDefinition"), "Metadata"));
  assert.deepEqual(metadata, { resourceVersion: "7" });
  const object = {
    kind: "PartialObjectMetadata",
    apiVersion: "meta.k8s.io/v1",
    metadata: { ...metadata, annotations },
  };
  assert.deepEqual(rows, [{ cells: ["", "0001-01-01T00:00:00Z"], object }]);
  assert.equal(bookmark(table(kindNamed("Pod"), "None"), false).rows[0].object, null);
  assert.deepEqual(bookmark(table(kindNamed("Pod"), "None")).rows[0].object.metadata.annotations, annotations);
  assert.equal(bookmark(table(kindNamed("Pod"), "Object")).rows[0].object.kind, "Pod");
});

test("every kind has a bookmark in every form", () => {
  for (const kind of kinds) {
    assert.equal(bookmark(jsonEncoder(kind)).kind, kind.definition.kind);
    const { rows } = bookmark(table(kind, "Metadata"));
    assert.equal(rows[0].cells.length, kind.definition.columns.length, kind.definition.kind);
  }
});
