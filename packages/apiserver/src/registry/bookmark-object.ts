// The object of a bookmark: nothing but a revision, in the form that the rest of the watch has.
import { decode } from "@skiff/api/decode.ts";
import { groupVersion, type KubeObject } from "@skiff/api/object.ts";
import type { StorageKind } from "../storage/stored-object.ts";

/** The annotation by which a client of `sendInitialEvents` knows that it has everything. */
const INITIAL_END = { "k8s.io/initial-events-end": "true" };

/** All that a bookmark says. */
export function bookmarkMeta(revision: number, initialEventsEnd: boolean): object {
  return { resourceVersion: String(revision), ...(initialEventsEnd ? { annotations: INITIAL_END } : {}) };
}

/** An object of the kind, with what upstream's types write although nobody said it: some clients insist on required fields. */
export function bookmarkObject(kind: StorageKind, revision: number, initialEventsEnd: boolean): KubeObject {
  const { metadata: _none, ...rest } = emptyObject(kind);
  return { ...typesOf(kind), metadata: bookmarkMeta(revision, initialEventsEnd), ...rest } as KubeObject;
}

/** The row that stands for it in a Table. */
export function bookmarkCells(kind: StorageKind, nowMs: number): unknown[] {
  const object = { ...emptyObject(kind), metadata: { name: "" } } as KubeObject;
  return kind.definition.columns.map(({ value, type }) => value(object, nowMs) ?? (type === "date" ? ZERO_TIME : null));
}

/** What upstream shows for a time that is not there. */
const ZERO_TIME = "0001-01-01T00:00:00Z";

const emptyObjects = new WeakMap<StorageKind, object>();

function emptyObject(kind: StorageKind): { metadata?: object } {
  const known = emptyObjects.get(kind);
  if (known) return known;
  const made = decode<object>(kind.definition.model, { ...typesOf(kind), metadata: {} }, { strict: false }).object;
  emptyObjects.set(kind, made);
  return made;
}

function typesOf({ definition }: StorageKind): { kind: string; apiVersion: string } {
  return { kind: definition.kind, apiVersion: groupVersion(definition.group, definition.version) };
}
