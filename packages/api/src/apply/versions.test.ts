// Owners who wrote another version of the object: their fields are compared, kept and given up as that version names them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "../errors.ts";
import type { KubeObject } from "../object.ts";
import { applyConfig } from "./apply-config.ts";
import { recordUpdate } from "./record-update.ts";
import type { Tracking } from "./tracking.ts";
import { rootNodeOf } from "./typed-schema.ts";

type ConfigMap = KubeObject & { data?: Record<string, string> };

/** What is `x` in v1 was `old` in v0. */
const rename = (from: string, to: string) => (object: Readonly<KubeObject>) => {
  const { data = {}, ...rest } = object as ConfigMap;
  const entries = Object.entries(data).map(([key, value]) => [key === from ? to : key, value]);
  return { ...rest, data: Object.fromEntries(entries) } as KubeObject;
};

function trackingIn(apiVersion: string): Tracking {
  const root = rootNodeOf("ConfigMap", []);
  const same = { root, from: (o: Readonly<KubeObject>) => ({ ...o }), to: (o: Readonly<KubeObject>) => ({ ...o }) };
  const older = { root, from: rename("x", "old"), to: rename("old", "x") };
  const viewOf = (version: string) => (version === "v1" ? same : version === "v0" ? older : undefined);
  return { apiVersion, subresource: "", root, viewOf };
}

const NOW = "2026-01-01T00:00:00Z";
const entry = (manager: string, apiVersion: string, operation: string, fields: object) => ({
  manager,
  operation,
  apiVersion,
  time: NOW,
  fieldsType: "FieldsV1",
  fieldsV1: { "f:data": fields },
});

const live = (managedFields: object[]) =>
  ({ metadata: { name: "c", uid: "u", managedFields }, data: { x: "1", y: "1" } }) as unknown as ConfigMap;

test("an owner of an older version gives up what the write changed in its own words", () => {
  const before = live([
    entry("elder", "v0", "Update", { "f:old": {}, "f:y": {} }),
    entry("gone", "v9", "Update", { "f:y": {} }),
  ]);
  const next = { ...before, data: { x: "2", y: "1" } } as ConfigMap;
  const entries = recordUpdate(trackingIn("v1"), before, next, "me", NOW) ?? [];
  assert.deepEqual(
    entries.map((e) => [e.manager, e.fieldsV1]),
    [
      ["elder", { "f:data": { "f:y": {} } }],
      ["me", { "f:data": { "f:x": {} } }],
    ],
  );
});

test("an apply conflicts with an owner of an older version, and removes what it applied in that version", () => {
  const request = (data: object) => ({ config: { metadata: {}, data }, manager: "me", force: false, now: NOW });
  const owned = live([entry("elder", "v0", "Apply", { "f:old": {} })]);
  assert.throws(
    () => applyConfig(trackingIn("v1"), owned, request({ x: "2" })),
    (error) => error instanceof ApiError && error.message.endsWith('conflict with "elder": .data.old'),
  );
  const mine = live([
    entry("me", "v0", "Apply", { "f:old": {}, "f:y": {} }),
    entry("other", "v0", "Update", { "f:y": {} }),
  ]);
  const { object, managedFields } = applyConfig(trackingIn("v1"), mine, request({ z: "1" }));
  assert.deepEqual((object as ConfigMap).data, { y: "1", z: "1" });
  const applied = managedFields.find((e) => e.manager === "me");
  assert.equal(applied?.apiVersion, "v1");
  assert.deepEqual(applied?.fieldsV1, { "f:data": { "f:z": {} } });
});
