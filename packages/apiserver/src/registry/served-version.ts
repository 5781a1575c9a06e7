// Kinds in the versions that are served beside the stored one: bodies are converted on their way in, objects on their way out.
import type { Column, KindDefinition, ServedVersion } from "@skiff/api/kind.ts";
import { groupVersion, type KubeObject } from "@skiff/api/object.ts";
import type { RequestInfo } from "../http/request-info.ts";
import { CacheEvent } from "../storage/cache-event.ts";
import { encodeForStorage, type StorageKind, StoredObject, storageKind } from "../storage/stored-object.ts";
import type { EventEncoder } from "./event-encoder.ts";

/** Where a request meets a kind. */
export type GroupVersion = Pick<RequestInfo, "group" | "version">;

/** The kind as that version shows it: itself for the stored one, undefined for a version that is not served. */
export function inVersion(kind: StorageKind, served: GroupVersion): StorageKind | undefined {
  if (isStored(kind.definition, served)) return kind;
  return viewOf(kind, served)?.kind;
}

/** What a body of that version means; the result may share parts with its argument. */
export function toStored(kind: StorageKind, served: GroupVersion, object: KubeObject): KubeObject {
  const view = viewOf(kind, served);
  if (!view) return object;
  const { definition } = kind;
  return { ...view.served.toStored(object), apiVersion: groupVersion(definition.group, definition.version) };
}

/** A document of that version, for patches to work on. */
export function fromStored(
  kind: StorageKind,
  served: GroupVersion,
  object: Readonly<KubeObject>,
): Readonly<KubeObject> {
  const view = viewOf(kind, served);
  if (!view) return object;
  return { ...view.served.fromStored(structuredClone(object)), apiVersion: view.apiVersion };
}

/** The object as that version shows it, remembered as long as the object itself. */
export function storedInVersion(stored: StoredObject, served: GroupVersion): StoredObject {
  const view = viewOf(stored.kind, served);
  if (!view) return stored;
  const known = view.objects.get(stored);
  if (known) return known;
  const bytes = encodeForStorage(view.kind, view.served.fromStored(stored.copy()));
  const shown = new StoredObject(view.kind, stored.key, stored.revision, bytes);
  view.objects.set(stored, shown);
  return shown;
}

/** Writes the events of a watch in that version. */
export function encoderInVersion(encoder: EventEncoder, served: GroupVersion): EventEncoder {
  const shown = (object: StoredObject | undefined) => object && storedInVersion(object, served);
  return {
    ...encoder,
    added: (object) => encoder.added(storedInVersion(object, served)),
    change: ({ revision, current, previous }, type) =>
      encoder.change(new CacheEvent(revision, shown(current), shown(previous)), type),
  };
}

/** What upstream says to clients of a version that is on its way out, and the release without it. */
export function deprecationOf(
  { definition }: StorageKind,
  served: GroupVersion,
): { readonly warning: string; readonly removedRelease: string } | undefined {
  const deprecated = otherVersionOf(definition, served)?.deprecated;
  if (!deprecated) return undefined;
  const { kind, version } = definition;
  const [since, gone] = deprecated;
  const before = `${groupVersion(served.group, served.version)} ${kind}`;
  const instead = `${groupVersion(served.group, version)} ${kind}`;
  const warning = `${before} is deprecated in ${since}+, unavailable in ${gone}+; use ${instead}`;
  return { warning, removedRelease: gone.replace(/^v/, "") };
}

/** The rules of a version other than the stored one. */
export function servedVersionOf({ definition }: StorageKind, served: GroupVersion): ServedVersion | undefined {
  return isStored(definition, served) ? undefined : otherVersionOf(definition, served);
}

interface View {
  readonly kind: StorageKind;
  readonly served: ServedVersion;
  readonly apiVersion: string;
  readonly objects: WeakMap<StoredObject, StoredObject>;
}

/** A kind in another version is a kind of its own to encoders and tables; each is made once. */
const views = new WeakMap<KindDefinition, Map<string, View>>();

function viewOf({ definition }: StorageKind, served: GroupVersion): View | undefined {
  const apiVersion = groupVersion(served.group, served.version);
  const known = views.get(definition)?.get(apiVersion);
  if (known) return known;
  const other = isStored(definition, served) ? undefined : otherVersionOf(definition, served);
  if (!other) return undefined;
  const kind = storageKind(shownDefinition(definition, other));
  const view: View = { kind, served: other, apiVersion, objects: new WeakMap() };
  views.set(definition, (views.get(definition) ?? new Map<string, View>()).set(apiVersion, view));
  return view;
}

function isStored({ group, version }: KindDefinition, served: GroupVersion): boolean {
  return group === served.group && version === served.version;
}

function otherVersionOf(definition: KindDefinition, { group, version }: GroupVersion): ServedVersion | undefined {
  return definition.otherVersions?.find(
    (other) => other.version === version && (other.group ?? definition.group) === group,
  );
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
    group: served.group ?? definition.group,
    version: served.version,
    model: served.model,
    selectableFields: {},
    columns,
    ...(rowConditions ? { rowConditions: (object) => rowConditions(back(object)) } : {}),
  };
}
