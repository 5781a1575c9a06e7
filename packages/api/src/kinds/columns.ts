// Building blocks of printed columns: what `kubectl get` shows for more than one kind.

import type { Container, LabelSelector } from "../../generated/types.ts";
import { describe } from "../descriptions.ts";
import { humanDuration } from "../duration.ts";
import type { Column } from "../kind.ts";
import { formatLabels, selectorOf } from "../labels.ts";
import type { KubeObject } from "../object.ts";

/** What most columns have no need to say. */
export interface ColumnOptions {
  readonly type?: Column<unknown>["type"];
  readonly format?: "name";
  /** Shown with `-o wide` only. */
  readonly wide?: boolean;
}

/**
 * A column whose description is a text, or the documentation of `[model, field]`, which is empty until somebody has loaded
 * the descriptions.
 */
export function column<T>(
  name: string,
  description: string | readonly [model: string, field: string],
  value: Column<T>["value"],
  options: ColumnOptions = {},
): Column<T> {
  return {
    name,
    type: options.type ?? "string",
    ...(options.format ? { format: options.format } : {}),
    priority: options.wide ? 1 : 0,
    value,
    // Read late: the descriptions come from the OpenAPI documents, which are large.
    get description() {
      return typeof description === "string" ? description : describe(description[0], description[1]);
    },
  };
}

/** First of nearly every kind. The format tells clients which cell is the name. */
export const nameColumn = column<KubeObject>("Name", ["ObjectMeta", "name"], (o) => o.metadata.name, {
  format: "name",
});

/** `5m`, `3d4h`: computed when the table is made, as clients print cells as they come. */
export const ageColumn = column<KubeObject>("Age", ["ObjectMeta", "creationTimestamp"], (o, nowMs) =>
  age(o.metadata.creationTimestamp, nowMs),
);

/** What kinds without a printer of their own show beside their name. */
export const createdAtColumn = column<KubeObject>(
  "Created At",
  ["ObjectMeta", "creationTimestamp"],
  (o) => o.metadata.creationTimestamp,
  { type: "date" },
);

/** Time since an RFC 3339 time as kubectl writes it, or `<unknown>`. */
export function age(time: string | undefined, nowMs: number): string {
  const since = time ? Date.parse(time) : Number.NaN;
  return Number.isNaN(since) ? "<unknown>" : humanDuration(nowMs - since);
}

/** Containers and Images of a pod template, then its owner's selector, all for `-o wide`. */
export function workloadColumns<T>(
  containers: (object: Readonly<T>) => readonly Container[],
  selector: (object: Readonly<T>) => LabelSelector | undefined,
  selectorDocumentation: readonly [string, string],
): Column<T>[] {
  return [
    ...containerColumns(containers),
    column("Selector", selectorDocumentation, (o) => formatSelector(selector(o)), { wide: true }),
  ];
}

/** Containers and Images of a pod template, for `-o wide` unless said otherwise. */
export function containerColumns<T>(
  containers: (object: Readonly<T>) => readonly Container[],
  options: ColumnOptions = { wide: true },
): Column<T>[] {
  const names = (o: Readonly<T>) => containers(o).map((c) => c.name);
  const images = (o: Readonly<T>) => containers(o).map((c) => c.image ?? "");
  return [
    column("Containers", "Names of each container in the template.", (o) => names(o).join(","), options),
    column("Images", "Images referenced by each container in the template.", (o) => images(o).join(","), options),
  ];
}

/** As metav1.FormatLabelSelector. */
export function formatSelector(selector: LabelSelector | undefined): string {
  return (selector && selectorOf(selector).toString()) || "<none>";
}

/** Labels or a map selector in one cell. */
export function formatMap(map: Readonly<Record<string, string>> | undefined): string {
  return formatLabels(map ?? {}) || "<none>";
}

/** A count that may be absent in the stored object. */
export function countColumn<T>(
  name: string,
  description: string | readonly [model: string, field: string],
  value: (object: Readonly<T>) => number | undefined,
): Column<T> {
  return column(name, description, (o) => value(o) ?? 0, { type: "integer" });
}
