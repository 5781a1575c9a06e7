// The annotation of client-side apply, so that kubectl can go over to server-side apply without conflicts with itself.
import type { KubeObject } from "../object.ts";
import { isPlainObject, type PlainObject } from "../plain-object.ts";
import { validateAnnotations } from "../validation/object-meta.ts";
import { root as fieldRoot } from "../validation/path.ts";
import { compare } from "./compare.ts";
import { fieldSetOf } from "./field-set.ts";
import { difference, type FieldTree } from "./field-tree.ts";
import type { Tracking } from "./tracking.ts";

/** Only this manager has a client-side past. */
export const KUBECTL = "kubectl";
const ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration";

/** The fields that client-side apply wrote and nobody changed since; undefined when there is no telling. */
export function allowedByLastApplied(tracking: Tracking, live: Readonly<KubeObject>): FieldTree | undefined {
  const config = readConfig(live.metadata.annotations?.[ANNOTATION]);
  // What another version called its fields cannot be compared by name.
  if (!config || config.apiVersion !== tracking.apiVersion) return undefined;
  const fields = fieldSetOf(tracking.root, config);
  const { changed = {}, removed = {} } = compare(tracking.root, config, live) ?? {};
  return difference(difference(fields, changed), removed);
}

/** Keeps the annotation of an object that has one at what was applied last. */
export function updateLastApplied(object: KubeObject, config: PlainObject): KubeObject {
  const { annotations } = object.metadata;
  if (!annotations?.[ANNOTATION]) return object;
  const updated = { ...annotations, [ANNOTATION]: `${JSON.stringify(withoutAnnotation(config))}\n` };
  const errors = validateAnnotations(updated, fieldRoot("metadata").child("annotations"));
  // Too large a manifest loses the annotation, as with client-side apply; the apply itself goes on.
  if (errors.some((error) => error.type === "FieldValueTooLong")) delete (updated as PlainObject)[ANNOTATION];
  return { ...object, metadata: { ...object.metadata, annotations: updated } };
}

function readConfig(text: string | undefined): PlainObject | undefined {
  if (!text) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isPlainObject(value) ? { metadata: {}, ...value } : undefined;
  } catch {
    // Anybody may write annotations.
    return undefined;
  }
}

function withoutAnnotation(config: PlainObject): PlainObject {
  const metadata = config.metadata;
  if (!isPlainObject(metadata) || !isPlainObject(metadata.annotations)) return config;
  const { [ANNOTATION]: _own, ...annotations } = metadata.annotations;
  return { ...config, metadata: { ...metadata, annotations } };
}
