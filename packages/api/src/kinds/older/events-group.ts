// events.k8s.io: the same Events as in the core group, under newer names of their fields.
import type { CoreV1Event, EventsV1Event } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import type { ServedVersion } from "../../kind.ts";
import type { KubeObject } from "../../object.ts";
import { deepEqual } from "../../validation/deep-equal.ts";
import { immutableField } from "../../validation/field-rules.ts";
import { isDns1123Subdomain } from "../../validation/names.ts";
import { invalidAll, invalidValue, required, root } from "../../validation/path.ts";

/** Both versions of events.k8s.io. Only v1 is strict; v1beta1 takes what the core group takes. */
export const eventsGroupVersions: readonly ServedVersion[] = [
  { ...version("v1", "EventsV1Event"), validateCreate: validateNew, validateUpdate },
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

/** Every name at the top level is replaced or kept, and values stay as they are. */
function renamed(object: KubeObject, names: ReadonlyMap<string, string>): KubeObject {
  const entries = Object.entries(object).map(([field, value]) => [names.get(field) ?? field, value]);
  return Object.fromEntries(entries) as KubeObject;
}

/** The first version that says all of it: no field of the core group's is left open or filled. */
function validateNew(object: Readonly<KubeObject>): FieldError[] {
  const event = object as Readonly<CoreV1Event>;
  const { name } = event.metadata;
  const errors = invalidAll(root("metadata").child("name"), name, isDns1123Subdomain(name));
  errors.push(...validateSeries(event));
  if (!event.eventTime) errors.push(required(root("eventTime")));
  if (event.type !== "Normal" && event.type !== "Warning") {
    errors.push(invalidValue(root("type"), "", `has invalid value: ${event.type ?? ""}`));
  }
  for (const field of ["firstTimestamp", "lastTimestamp", "count"] as const) {
    if (event[field]) errors.push(invalidValue(root(field), "", "needs to be unset"));
  }
  // `reportingController` and `reportingInstance` say it in this version.
  if (event.source?.component || event.source?.host) {
    errors.push(invalidValue(root("source"), "", "needs to be unset"));
  }
  return errors;
}

/** One event is no series. */
function validateSeries({ series }: Readonly<CoreV1Event>): FieldError[] {
  if (!series) return [];
  const errors: FieldError[] = [];
  if ((series.count ?? 0) < 2) errors.push(invalidValue(root("series.count"), "", "should be at least 2"));
  if (!series.lastObservedTime) errors.push(required(root("series.lastObservedTime")));
  return errors;
}

/** Only the series may go on; in upstream's order, which asks for the reason twice. */
const FIXED = [
  ...(["involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "reason"] as const),
  ...(["type", "eventTime", "action", "related", "reportingComponent", "reportingInstance"] as const),
];

function validateUpdate(next: Readonly<KubeObject>, previous: Readonly<KubeObject>): FieldError[] {
  const after = next as Readonly<CoreV1Event>;
  const before = previous as Readonly<CoreV1Event>;
  const errors = deepEqual(after.series, before.series) ? [] : validateSeries(after);
  for (const field of FIXED) {
    const shown = field === "reportingComponent" ? "reportingController" : field;
    errors.push(...immutableField(after[field], before[field], root(shown)));
  }
  return errors;
}
