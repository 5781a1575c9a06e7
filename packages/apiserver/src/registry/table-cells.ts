// The cells of Table rows as JSON, remembered per object version: ages are holes that are filled in each time.
import { humanDuration } from "@skiff/api/duration.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import type { StorageKind, StoredObject } from "../storage/stored-object.ts";

/** `{"cells":[…],` and the conditions of one row, cut where the object's age goes. */
interface Cells {
  readonly parts: readonly string[];
  /** When the object was made, for the holes between the parts. */
  readonly sinceMs: number;
}

/** The beginning of a row, up to where its object goes. */
export class TableCells {
  // Two generations: when the young one is full, what was not used since the last time goes. Keys are weak, so a version
  // that nobody holds any more goes at once.
  private young = new WeakMap<StoredObject, Cells>();
  private old = new WeakMap<StoredObject, Cells>();
  private count = 0;

  rowHead(kind: StorageKind, stored: StoredObject, nowMs: number): string {
    const known = this.young.get(stored) ?? this.revive(stored);
    if (known) return fill(known, nowMs);
    const made = makeCells(kind, stored.object(), nowMs);
    if (typeof made === "string") return made;
    this.remember(stored, made);
    return fill(made, nowMs);
  }

  private revive(stored: StoredObject): Cells | undefined {
    const cells = this.old.get(stored);
    if (cells) this.remember(stored, cells);
    return cells;
  }

  private remember(stored: StoredObject, cells: Cells): void {
    if (++this.count > MAX_PER_GENERATION) {
      this.old = this.young;
      this.young = new WeakMap();
      this.count = 1;
    }
    this.young.set(stored, cells);
  }
}

/** Some megabytes at most: a row's texts take a few hundred bytes. */
const MAX_PER_GENERATION = 20_000;

function fill({ parts, sinceMs }: Cells, nowMs: number): string {
  return parts.length === 1 ? (parts[0] ?? "") : parts.join(humanDuration(nowMs - sinceMs));
}

/** The row itself where it depends on time in a way of its own (`3 (5m ago)`), so that it cannot be remembered. */
function makeCells(kind: StorageKind, object: Readonly<KubeObject>, nowMs: number): Cells | string {
  const { columns, rowConditions } = kind.definition;
  const sinceMs = Date.parse(object.metadata.creationTimestamp);
  const conditions = rowConditions?.(object) ?? [];
  const tail = conditions.length > 0 ? `],"conditions":${JSON.stringify(conditions)},` : "],";
  const parts = ['{"cells":['];
  let isOwnTime = false;
  const cells = columns.map((column) => {
    const now = column.value(object, nowMs);
    const later = column.value(object, nowMs + PROBE_MS);
    if (now === later) return { text: JSON.stringify(now), isAge: false };
    const isAge = now === humanDuration(nowMs - sinceMs) && later === humanDuration(nowMs + PROBE_MS - sinceMs);
    isOwnTime ||= !isAge;
    return { text: JSON.stringify(now), isAge };
  });
  if (isOwnTime) return `{"cells":[${cells.map(({ text }) => text).join(",")}${tail}`;
  for (const [index, { text, isAge }] of cells.entries()) {
    const comma = index > 0 ? "," : "";
    if (!isAge) parts[parts.length - 1] += `${comma}${text}`;
    else {
      parts[parts.length - 1] += `${comma}"`;
      parts.push('"');
    }
  }
  parts[parts.length - 1] += tail;
  return { parts, sinceMs };
}

/** No age reads the same 40 years later. */
const PROBE_MS = 40 * 365 * 86_400_000;
