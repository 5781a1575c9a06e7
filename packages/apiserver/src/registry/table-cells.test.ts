// Remembered rows of Tables: the same bytes as rows made from the whole object, at any time.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { KindDefinition } from "@skiff/api/kind.ts";
import { findKind } from "@skiff/api/kinds/index.ts";
import { StoredObject, storageKind } from "../storage/stored-object.ts";
import { encodeTable } from "./encode-table.ts";
import { TableCells } from "./table-cells.ts";
import { type IncludeObject, tableOf } from "./views.ts";

const kind = storageKind(findKind("", "pods") as KindDefinition);
const START = Date.parse("2026-01-01T00:00:00Z");

function pod(name: string, restartedAt?: string): StoredObject {
  const terminated = restartedAt ? { lastState: { terminated: { finishedAt: restartedAt } }, restartCount: 2 } : {};
  const status = {
    phase: "Running",
    message: 'braces } and "quotes\\" 💥',
    containerStatuses: [{ name: "c", ready: true, restartCount: 0, image: "", imageID: "", ...terminated }],
  };
  const meta = { name, namespace: "ns", uid: "u", annotations: { tricky: '}"\\', ü: "ß" } };
  const text = `${kind.head}${JSON.stringify({ ...meta, creationTimestamp: "2026-01-01T00:00:00Z" }).slice(1)}`;
  const spec = { containers: [{ name: "c" }] };
  return new StoredObject(kind, `ns/${name}`, 7, Buffer.from(`${text},${JSON.stringify({ spec, status }).slice(1)}`));
}

const objects = [pod("plain"), pod("restarted", "2026-01-01T00:00:00Z"), pod("later")];

test("encodeTable says the same as tableOf, first made or remembered, whatever the time", () => {
  const cells = new TableCells();
  for (const nowMs of [START + 5_000, START + 5_000, START + 3_600_000, START + 90 * 86_400_000, START - 1]) {
    for (const includeObject of ["None", "Metadata", "Object"] as IncludeObject[]) {
      const options = { version: "v1", includeObject, nowMs, cells } as const;
      const answer = encodeTable(kind, objects, { resourceVersion: "9" }, options);
      assert.ok("bytes" in answer);
      const wanted = tableOf(kind, objects, { resourceVersion: "9" }, options);
      assert.deepEqual(JSON.parse(answer.bytes.toString()), JSON.parse(JSON.stringify(wanted)), includeObject);
    }
  }
});

test("TableCells parses an object once for rows that only age", () => {
  const cells = new TableCells();
  const stored = pod("once");
  let parses = 0;
  const { object } = stored;
  const counted = () => {
    parses += 1;
    return object.call(stored);
  };
  Object.assign(stored, { object: counted });
  const ages = [60_000, 7_200_000].map((ms) => cells.rowHead(kind, stored, START + ms));
  assert.equal(parses, 1);
  assert.match(ages[0] ?? "", /"60s"/);
  assert.match(ages[1] ?? "", /"120m"/);
});
