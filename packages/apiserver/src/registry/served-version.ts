// Kinds in the versions that are served beside the stored one: bodies are converted on their way in, objects on their way out.
import type { Column, KindDefinition, ServedVersion } from "@skiff/api/kind.ts";
import { groupVersion, type KubeObject } from "@skiff/api/object.ts";
import { CacheEvent } from "../storage/cache-event.ts";
import { encodeForStorage, type StorageKind, StoredObject, storageKind } from "../storage/stored-object.ts";
import type { EventEncoder } from "./event-encoder.ts";

/** The kind as `version` shows it: itself for the stored one, undefined for a version that is not served. */
export function inVersion(kind: StorageKind, version: string): StorageKind | undefined {
  if (kind.definition.version === version) return kind;
  return viewOf(kind, version)?.kind;
}

/** What a body of `version` means; the result may share parts with its argument. */
export function toStored(kind: StorageKind, version: string, object: KubeObject): KubeObject {
  const view = viewOf(kind, version);
  if (!view) return object;
  const { definition } = kind;
  return { ...view.served.toStored(object), apiVersion: groupVersion(definition.group, definition.version) };
}

/** A document of `version`, for patches to work on. */
export function fromStored(kind: StorageKind, version: string, object: Readonly<KubeObject>): Readonly<KubeObject> {
  const view = viewOf(kind, version);
  if (!view) return object;
  return { ...view.served.fromStored(structuredClone(object)), apiVersion: view.apiVersion };
}

/** The object as `version` shows it, remembered as long as the object itself. */
export function storedInVersion(stored: StoredObject, version: string): StoredObject {
  const view = viewOf(stored.kind, version);
  if (!view) return stored;
  const known = view.objects.get(stored);
  if (known) return known;
  const bytes = encodeForStorage(view.kind, view.served.fromStored(stored.copy()));
  const shown = new StoredObject(view.kind, stored.key, stored.revision, bytes);
  view.objects.set(stored, shown);
  return shown;
}

/** Writes the events of a watch in `version`. */
export function encoderInVersion(encoder: EventEncoder, version: string): EventEncoder {
  const shown = (object: StoredObject | undefined) => object && storedInVersion(object, version);
  return {
    ...encoder,
    added: (object) => encoder.added(storedInVersion(object, version)),
    change: ({ revision, current, previous }, type) =>
      encoder.change(new CacheEvent(revision, shown(current), shown(previous)), type),
  };
}

/** What upstream says to clients of a version that is on its way out. */
export function deprecationOf({ definition }: StorageKind, version: string): string | undefined {
  const served = definition.otherVersions?.find((other) => other.version === version);
  if (!served?.deprecated) return undefined;
  const { group, kind } = definition;
  const [since, gone] = served.deprecated;
  const before = `${groupVersion(group, version)} ${kind}`;
  return `${before} is deprecated in ${since}+, unavailable in ${gone}+; use ${groupVersion(group, definition.version)} ${kind}`;
}

interface View {
  readonly kind: StorageKind;
  readonly served: ServedVersion;
  readonly apiVersion: string;
  readonly objects: WeakMap<StoredObject, StoredObject>;
}

const views = new WeakMap<KindDefinition, Map<string, View>>();

function viewOf({ definition }: StorageKind, version: string): View | undefined {
  const known = views.get(definition)?.get(version);
  if (known) return known;
  const served = definition.otherVersions?.find((other) => other.version === version);
  if (!served) return undefined;
  const view: View = {
    kind: storageKind(shownDefinition(definition, served)),
    served,
    apiVersion: groupVersion(definition.group, version),
    objects: new WeakMap(),
  };
  views.set(definition, (views.get(definition) ?? new Map<string, View>()).set(version, view));
  return view;
}

/** Selectors are judged on what is stored, so that views select by nothing; their columns read through the conversion. */
function shownDefinition(definition: KindDefinition, served: ServedVersion): KindDefinition {
  const { otherVersions: _others, rowConditions, ...rest } = definition;
  const back = (object: Readonly<KubeObject>) => served.toStored(structuredClone(object));
  const columns = definition.columns.map(
    (column): Column<KubeObject> => ({
      name: column.name,
      type: column.type,
      ...(column.format ? { format: column.format } : {}),
      priority: column.priority,
      get description() {
        return column.description;
      },
      value: (object, nowMs) => column.value(back(object), nowMs),
    }),
  );
  return {
    ...rest,
    version: served.version,
    model: served.model,
    selectableFields: {},
    columns,
    ...(rowConditions ? { rowConditions: (object) => rowConditions(back(object)) } : {}),
  };
}
