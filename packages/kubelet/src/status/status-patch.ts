// The smallest strategic merge patch from one pod status to another. Pure.
import { isDeepStrictEqual } from "node:util";
import type { PodCondition, PodStatus } from "@skiff/api/types.ts";
import { PASSING_CONDITIONS } from "./conditions.ts";

type Patch = Record<string, unknown>;

/** Undefined when nothing has to be written. Conditions are merged by type, every other field is replaced whole. */
export function statusPatch(current: PodStatus, wanted: PodStatus): Patch | undefined {
  const patch: Patch = {};
  const fields = new Set([...Object.keys(current), ...Object.keys(wanted)] as (keyof PodStatus)[]);
  for (const field of fields) {
    if (NOT_OURS.has(field)) continue;
    const [before, after] = [current[field], wanted[field]];
    if (isDeepStrictEqual(plain(before), plain(after))) continue;
    if (field === "conditions") {
      const conditions = changedConditions(current.conditions ?? [], wanted.conditions ?? []);
      if (conditions.length > 0) patch.conditions = conditions;
    } else if (after === undefined) patch[field] = null;
    // These merge by address, so without a directive an old address would stay.
    else if (MERGED.has(field) && before) patch[field] = [{ $patch: "replace" }, ...(after as object[])];
    else patch[field] = after;
  }
  return Object.keys(patch).length > 0 ? patch : undefined;
}

/** Lists with a merge key in the API's types. */
const MERGED: ReadonlySet<string> = new Set(["podIPs", "hostIPs"]);
/** Written by the scheduler and others. */
const NOT_OURS: ReadonlySet<string> = new Set([
  "nominatedNodeName",
  "resourceClaimStatuses",
  "extendedResourceClaimStatus",
  "nodeAllocatableResourceClaimStatuses",
  "resize",
]);

function changedConditions(current: readonly PodCondition[], wanted: readonly PodCondition[]): Patch[] {
  const changed: Patch[] = [];
  for (const condition of wanted) {
    const before = current.find(({ type }) => type === condition.type);
    if (isDeepStrictEqual(plain(before), plain(condition))) continue;
    const gone = Object.keys(before ?? {}).filter((key) => !(key in condition));
    changed.push({ ...condition, ...Object.fromEntries(gone.map((key) => [key, null])) });
  }
  for (const { type } of current) {
    const isOver = PASSING_CONDITIONS.has(type) && !wanted.some((condition) => condition.type === type);
    if (isOver) changed.push({ type, $patch: "delete" });
  }
  return changed;
}

/** As it would look on the wire: absent and undefined are the same, and so are `{}` and absent. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value ?? undefined;
  const entries = Object.entries(value)
    .map(([key, inner]) => [key, plain(inner)] as const)
    .filter(([, inner]) => inner !== undefined && !isEmptyObject(inner));
  return Object.fromEntries(entries);
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;
}
