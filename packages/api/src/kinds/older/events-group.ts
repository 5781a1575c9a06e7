// events.k8s.io: the same Events as in the core group, under newer names of their fields.
import type { CoreV1Event, EventsV1Event } from "../../../generated/types.ts";
import type { ServedVersion } from "../../kind.ts";
import type { KubeObject } from "../../object.ts";

export const eventsGroupVersions: readonly ServedVersion[] = [
  version("v1", "EventsV1Event"),
  { ...version("v1beta1", "V1beta1Event"), deprecated: ["v1.19", "v1.25"] },
];

/** Newer names, and the older ones of the core group. */
const NAMES = [
  ["note", "message"],
  ["regarding", "involvedObject"],
  ["reportingController", "reportingComponent"],
  ["deprecatedSource", "source"],
  ["deprecatedFirstTimestamp", "firstTimestamp"],
  ["deprecatedLastTimestamp", "lastTimestamp"],
  ["deprecatedCount", "count"],
] as const satisfies readonly (readonly [keyof EventsV1Event, keyof CoreV1Event])[];

/** Under their stored names; `source` is not among them. */
function fieldLabels(): Record<string, string> {
  const fields = ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"];
  return {
    ...Object.fromEntries(fields.map((field) => [`regarding.${field}`, `involvedObject.${field}`])),
    reason: "reason",
    reportingController: "reportingComponent",
    type: "type",
  };
}

function version(name: string, model: string): ServedVersion {
  return {
    group: "events.k8s.io",
    version: name,
    model,
    fieldLabels: fieldLabels(),
    toStored: (object) => renamed(object, new Map(NAMES)),
    fromStored: (object) => renamed(object, new Map(NAMES.map(([newer, older]) => [older, newer]))),
  };
}

function renamed(object: KubeObject, names: ReadonlyMap<string, string>): KubeObject {
  const entries = Object.entries(object).map(([field, value]) => [names.get(field) ?? field, value]);
  return Object.fromEntries(entries) as KubeObject;
}
