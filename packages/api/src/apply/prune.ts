// Takes out of a merged object what its applier no longer names and nobody else owns.
import type { KubeObject } from "../object.ts";
import { fieldSetOf, withAncestors } from "./field-set.ts";
import { difference, type FieldTree, intersection, union } from "./field-tree.ts";
import type { Owner } from "./managed-fields.ts";
import { type Emptied, removeFields } from "./merge-typed.ts";
import type { Tracking, VersionView } from "./tracking.ts";

/** `last` is what the applier owned before; `owners` are all, the applier with its new set among them. */
export function prune(tracking: Tracking, merged: KubeObject, last: Owner, owners: readonly Owner[]): KubeObject {
  const view = tracking.viewOf(last.apiVersion);
  // The version that was applied last is gone: what belonged to it cannot be told, so all stays.
  if (!view) return merged;
  const start = view.from(merged);
  // An emptied object that somebody still names must not look lost, with all that hangs on it, so it stays for now.
  let pruned = without(view, start, withAncestors(view.root, last.fields), "kept");
  // Every version's owners are asked in their own version, where their sets make sense.
  for (const [apiVersion, fields] of ownedByVersion(owners)) {
    const other = tracking.viewOf(apiVersion);
    if (!other) continue;
    const whole = other.from(view.to(start));
    const rest = other.from(view.to(pruned));
    const kept = union(namedFields(other, rest), withAncestors(other.root, fields));
    pruned = view.from(other.to(without(other, whole, difference(namedFields(other, whole), kept), "kept")));
  }
  // What the applier did not own before is not its to remove, whatever hangs on it.
  const lost = difference(namedFields(view, start), namedFields(view, pruned));
  return view.to(without(view, start, intersection(lost, withAncestors(view.root, last.fields)), "dropped"));
}

function ownedByVersion(owners: readonly Owner[]): Map<string, FieldTree> {
  const all = new Map<string, FieldTree>();
  for (const { apiVersion, fields } of owners) all.set(apiVersion, union(all.get(apiVersion) ?? {}, fields));
  return all;
}

function namedFields({ root }: VersionView, object: KubeObject): FieldTree {
  return withAncestors(root, fieldSetOf(root, object));
}

function without({ root }: VersionView, object: KubeObject, fields: FieldTree, emptied: Emptied): KubeObject {
  return removeFields(root, object, fields, emptied) as KubeObject;
}
