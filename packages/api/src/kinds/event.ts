// Event: what happened to an object. Events vanish an hour after their last write.
import type { CoreV1Event } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import type { Column } from "../kind.ts";
import { events } from "../resource-ref.ts";
import { isDns1123Subdomain, isPathSegmentName, isQualifiedName } from "../validation/names.ts";
import { invalidAll, invalidValue, required, root } from "../validation/path.ts";
import { age, column } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { eventsGroupVersions } from "./older/events-group.ts";

// No Age column: what matters of an event is when it was last seen.
const columns: readonly Column<CoreV1Event>[] = [
  column("Last Seen", ["CoreV1Event", "lastTimestamp"], lastSeen),
  column("Type", ["CoreV1Event", "type"], (e) => e.type ?? ""),
  column("Reason", ["CoreV1Event", "reason"], (e) => e.reason ?? ""),
  column("Object", ["CoreV1Event", "involvedObject"], objectName),
  column("Subobject", ["ObjectReference", "fieldPath"], (e) => e.involvedObject?.fieldPath ?? "", { wide: true }),
  column("Source", ["CoreV1Event", "source"], source, { wide: true }),
  column("Message", ["CoreV1Event", "message"], (e) => (e.message ?? "").trim()),
  column("First Seen", ["CoreV1Event", "firstTimestamp"], firstSeen, { wide: true }),
  column("Count", ["CoreV1Event", "count"], (e) => e.series?.count ?? (e.count || 1), { wide: true }),
  column("Name", ["ObjectMeta", "name"], (e) => e.metadata.name, { format: "name", wide: true }),
];

/** Stored in the core group's form; events.k8s.io serves the same objects under newer field names. */
export const eventKind = defineKind<CoreV1Event>({
  ref: events,
  otherVersions: eventsGroupVersions,
  shortNames: ["ev"],
  model: "CoreV1Event",
  validateName: isPathSegmentName,
  applyDefaults(event) {
    event.involvedObject ??= {};
    event.source ??= {};
    event.reportingComponent ??= "";
    event.reportingInstance ??= "";
  },
  validate: (event) => [
    ...(event.eventTime ? validateNewStyle(event) : validateNamespaceMatch(event)),
    ...invalidAll(
      root("namespace"),
      event.metadata.namespace ?? "",
      isDns1123Subdomain(event.metadata.namespace ?? ""),
    ),
  ],
  // Upstream's --event-ttl: etcd lets the object go by itself.
  ttlSeconds: 3600,
  selectableFields: {
    "involvedObject.kind": (e) => e.involvedObject?.kind ?? "",
    "involvedObject.namespace": (e) => e.involvedObject?.namespace ?? "",
    "involvedObject.name": (e) => e.involvedObject?.name ?? "",
    "involvedObject.uid": (e) => e.involvedObject?.uid ?? "",
    "involvedObject.apiVersion": (e) => e.involvedObject?.apiVersion ?? "",
    "involvedObject.resourceVersion": (e) => e.involvedObject?.resourceVersion ?? "",
    "involvedObject.fieldPath": (e) => e.involvedObject?.fieldPath ?? "",
    reason: (e) => e.reason ?? "",
    reportingComponent: (e) => e.reportingComponent ?? "",
    source: (e) => e.source?.component || (e.reportingComponent ?? ""),
    type: (e) => e.type ?? "",
  },
  columns,
});

const MISMATCH = "does not match event.namespace";
const involvedNamespacePath = root("involvedObject").child("namespace");

/** Events of objects outside namespaces live in "default". */
function validateNamespaceMatch(event: CoreV1Event): FieldError[] {
  const own = event.metadata.namespace ?? "";
  const involved = event.involvedObject.namespace ?? "";
  const fine = involved ? own === involved : own === "" || own === "default";
  return fine ? [] : [invalidValue(involvedNamespacePath, involved, MISMATCH)];
}

/** Events with an eventTime must say who reports what. */
function validateNewStyle(event: CoreV1Event): FieldError[] {
  const errors: FieldError[] = [];
  const own = event.metadata.namespace ?? "";
  // Nodes have no namespace, and reporters of either habit exist.
  if (!event.involvedObject.namespace && own !== "default" && own !== "kube-system") {
    errors.push(invalidValue(involvedNamespacePath, "", MISMATCH));
  }
  const reporter = event.reportingComponent ?? "";
  // By its newer name, whichever group the event came through.
  if (!reporter) errors.push(required(root("reportingController")));
  errors.push(...invalidAll(root("reportingController"), reporter, isQualifiedName(reporter)));
  for (const field of ["reportingInstance", "action", "reason"] as const) {
    if (!event[field]) errors.push(required(root(field)));
    errors.push(...atMost(field, event[field], 128));
  }
  return [...errors, ...atMost("message", event.message, 1024)];
}

/** Upstream's bounds for events of the newer style, in characters. */
function atMost(field: string, text: string | undefined, max: number): FieldError[] {
  return (text ?? "").length > max ? [invalidValue(root(field), "", `can have at most ${max} characters`)] : [];
}

/** `pod/web-0` */
function objectName({ involvedObject }: Readonly<CoreV1Event>): string {
  const { kind, name } = involvedObject ?? {};
  return kind ? `${kind.toLowerCase()}/${name ?? ""}` : (name ?? "");
}

/** `kubelet, node-1`: who reported it, and where that ran. */
function source(event: Readonly<CoreV1Event>): string {
  const component = event.source?.component || event.reportingComponent || "";
  const instance = event.source?.component ? event.source.host : event.reportingInstance;
  return instance ? `${component}, ${instance}` : component;
}

/** Events of the newer style have one time alone. */
function firstSeen(event: Readonly<CoreV1Event>, nowMs: number): string {
  return age(event.firstTimestamp ?? event.eventTime, nowMs);
}

/** A series counts on in one object, and then its last time is what matters. */
function lastSeen(event: Readonly<CoreV1Event>, nowMs: number): string {
  if (event.series) return age(event.series.lastObservedTime, nowMs);
  return event.lastTimestamp ? age(event.lastTimestamp, nowMs) : firstSeen(event, nowMs);
}
