// Strategic merge patch: a merge patch that knows which lists are merged by key, and directives that say more.
import { badRequest } from "../errors.ts";
import { mergeKeyOf, patchStrategyOf } from "../field-tables.ts";
import { hasModel, modelOf } from "../models.ts";
import { getOwn, isPlainObject, type PlainObject, setOwn } from "../plain-object.ts";
import type { Schema } from "../schema.ts";
import { orderMerged } from "./element-order.ts";
import {
  badPatchFormat,
  describeJson,
  MAX_PATCH_DEPTH,
  noMergeKey,
  tooDeep,
  unclassified,
  unknownDirective,
} from "./patch-error.ts";

// The keys by which a patch speaks of itself; kubectl writes them, objects never hold them.
const DIRECTIVE = "$patch";
const RETAIN_KEYS = "$retainKeys";
const ORDER_PREFIX = "$setElementOrder/";
const DELETE_PREFIX = "$deleteFromPrimitiveList/";

/** How one field merges. `model` is that of the object or of the list's elements, where there is one. */
interface FieldRules {
  readonly model: string | undefined;
  readonly mergeKey: string;
  readonly mergesList: boolean;
  readonly replaces: boolean;
}

/**
 * Returns a new document, which may share parts with both arguments. Throws ApiError: 400 where the patch is malformed,
 * 500 without a reason where upstream does.
 */
export function applyStrategicMerge(model: string, doc: unknown, patch: unknown): PlainObject {
  if (!isPlainObject(patch)) {
    throw badRequest(`json: cannot unmarshal ${describeJson(patch)} into Go value of type map[string]interface {}`);
  }
  return mergeMap(isPlainObject(doc) ? doc : {}, patch, model, 0);
}

function mergeMap(original: PlainObject, patch: PlainObject, model: string | undefined, depth: number): PlainObject {
  if (depth > MAX_PATCH_DEPTH) throw tooDeep();
  const directive = getOwn(patch, DIRECTIVE);
  if (directive !== undefined) return applyMapDirective(directive, patch, depth);
  const out = retainKeys(original, patch);
  for (const key of Object.keys(patch)) {
    if (isDirectiveKey(key)) continue;
    mergeField(out, key, patch[key], rulesOf(model, key), depth);
  }
  deletePrimitives(out, patch);
  orderLists(out, original, patch, model);
  return out;
}

/** Null removes, objects and lists merge where the rules say so, everything else replaces. */
function mergeField(out: PlainObject, key: string, value: unknown, rules: FieldRules, depth: number): void {
  if (value === null) {
    delete out[key];
    return;
  }
  const current = getOwn(out, key);
  if (isPlainObject(current) && isPlainObject(value) && !rules.replaces) {
    setOwn(out, key, mergeMap(current, value, rules.model, depth + 1));
  } else if (Array.isArray(current) && Array.isArray(value) && rules.mergesList) {
    setOwn(out, key, mergeList(current, value, rules, depth + 1));
  } else if (!isDeletion(value)) {
    setOwn(out, key, withoutDirectives(value, depth + 1));
  }
}

/** `$patch: replace` takes what stands beside it for the whole, `$patch: delete` leaves nothing. */
function applyMapDirective(directive: unknown, patch: PlainObject, depth: number): PlainObject {
  if (directive === "delete") return {};
  if (directive !== "replace") throw unknownDirective(directive, patch);
  const { [DIRECTIVE]: _, ...rest } = patch;
  return withoutDirectives(rest, depth) as PlainObject;
}

/** The original without the keys that `$retainKeys` does not list. */
function retainKeys(original: PlainObject, patch: PlainObject): PlainObject {
  const retained = getOwn(patch, RETAIN_KEYS);
  if (retained === undefined) return { ...original };
  if (!Array.isArray(retained)) throw badPatchFormat("retainKeys");
  const kept = new Set<unknown>(retained);
  for (const key of Object.keys(patch)) {
    // What the patch sets must be among what it keeps, or it contradicts itself.
    if (!isDirectiveKey(key) && patch[key] !== null && !kept.has(key)) throw badPatchFormat("retainKeys");
  }
  const out: PlainObject = {};
  for (const key of Object.keys(original)) if (kept.has(key)) setOwn(out, key, original[key]);
  return out;
}

function mergeList(
  original: readonly unknown[],
  patch: readonly unknown[],
  rules: FieldRules,
  depth: number,
): unknown[] {
  if (depth > MAX_PATCH_DEPTH) throw tooDeep();
  if (original.length === 0 && patch.length === 0) return [];
  if (!isListOfMaps(original, patch)) {
    // Lists of texts or numbers are sets, such as finalizers.
    return orderMerged([...new Set([...original, ...patch])], patch, original, "");
  }
  if (rules.mergeKey === "") throw unclassified("cannot merge lists without merge key");
  const { kept, changes, isReplaced } = applyListDirectives(original as PlainObject[], patch as PlainObject[], rules);
  if (isReplaced) return changes.map((element) => withoutDirectives(element, depth + 1));
  const merged = mergeElements(kept, changes, rules, depth);
  return orderMerged(merged, changes, kept, rules.mergeKey);
}

/** Elements that the patch names are merged into those of the same key; the others are added. */
function mergeElements(
  kept: readonly PlainObject[],
  changes: readonly PlainObject[],
  { mergeKey, model }: FieldRules,
  depth: number,
): PlainObject[] {
  const merged = [...kept];
  // Both lists may be as long as a body allows, so places are looked up rather than searched.
  const places = new Map<unknown, number>();
  for (const [i, element] of kept.entries()) {
    const value = getOwn(element, mergeKey);
    if (!places.has(value)) places.set(value, i);
  }
  for (const change of changes) {
    const value = getOwn(change, mergeKey);
    if (value === undefined) throw noMergeKey(change, mergeKey);
    const at = places.get(value);
    const current = at === undefined ? undefined : merged[at];
    if (at !== undefined && current) merged[at] = mergeMap(current, change, model, depth + 1);
    // Noted, so that a second element of the same key in the patch merges into the first.
    else places.set(value, merged.push(withoutDirectives(change, depth + 1) as PlainObject) - 1);
  }
  return merged;
}

/** `$patch: delete` removes elements by key, `$patch: replace` anywhere in the list replaces all of it. */
function applyListDirectives(
  original: readonly PlainObject[],
  patch: readonly PlainObject[],
  { mergeKey }: FieldRules,
) {
  const changes: PlainObject[] = [];
  const deleted = new Set<unknown>();
  let isReplaced = false;
  for (const element of patch) {
    const directive = getOwn(element, DIRECTIVE);
    if (directive === undefined) changes.push(element);
    else if (directive === "replace") isReplaced = true;
    else if (directive === "merge") throw unclassified("merging lists cannot yet be specified in the patch");
    else if (directive !== "delete") throw unknownDirective(directive, element);
    else {
      const value = getOwn(element, mergeKey);
      if (value === undefined) throw noMergeKey(element, mergeKey);
      deleted.add(value);
    }
  }
  const kept = deleted.size === 0 ? original : original.filter((other) => !deleted.has(getOwn(other, mergeKey)));
  return { kept, changes, isReplaced };
}

/** Throws for lists that cannot be merged; empty ones say nothing. */
function isListOfMaps(original: readonly unknown[], patch: readonly unknown[]): boolean {
  let maps = 0;
  for (const list of [original, patch]) {
    for (const element of list) {
      if (Array.isArray(element)) throw unclassified("lists of lists are not supported");
      if (isPlainObject(element)) maps++;
    }
  }
  if (maps !== 0 && maps !== original.length + patch.length) {
    throw unclassified("list element types are not identical");
  }
  return maps > 0;
}

/** `$deleteFromPrimitiveList/finalizers: [a]`. */
function deletePrimitives(out: PlainObject, patch: PlainObject): void {
  for (const key of Object.keys(patch)) {
    if (!key.startsWith(DELETE_PREFIX)) continue;
    const doomed = patch[key];
    if (!Array.isArray(doomed)) throw badPatchFormat("primitive list");
    const removed = new Set<unknown>(doomed);
    const field = key.slice(DELETE_PREFIX.length);
    const list = getOwn(out, field);
    if (Array.isArray(list))
      setOwn(
        out,
        field,
        list.filter((element) => !removed.has(element)),
      );
  }
}

/** `$setElementOrder/containers: [{name: a}, {name: b}]` orders the list after it was merged. */
function orderLists(out: PlainObject, original: PlainObject, patch: PlainObject, model: string | undefined): void {
  for (const key of Object.keys(patch)) {
    if (!key.startsWith(ORDER_PREFIX)) continue;
    const order = patch[key];
    if (!Array.isArray(order)) throw badPatchFormat("setElementOrder list");
    const field = key.slice(ORDER_PREFIX.length);
    const { mergeKey } = rulesOf(model, field);
    checkOrder(getOwn(patch, field), order, mergeKey);
    const list = getOwn(out, field);
    if (!Array.isArray(list)) continue;
    const before = getOwn(original, field);
    setOwn(out, field, orderMerged(list, order, Array.isArray(before) ? before : [], mergeKey));
  }
}

/** What the patch sets must stand in the order list, in the same order. */
function checkOrder(patchList: unknown, order: readonly unknown[], mergeKey: string): void {
  if (!Array.isArray(patchList)) return;
  const nameOf = (element: unknown) => {
    if (mergeKey === "") return element;
    const value = isPlainObject(element) ? getOwn(element, mergeKey) : undefined;
    if (value === undefined) throw noMergeKey(element, mergeKey);
    return value;
  };
  const set = patchList.filter((element) => !isPlainObject(element) || getOwn(element, DIRECTIVE) === undefined);
  let at = 0;
  for (const element of order) if (at < set.length && nameOf(set[at]) === nameOf(element)) at++;
  if (at < set.length) {
    throw unclassified(
      `The order in patch list:\n${JSON.stringify(set)}\n doesn't match $setElementOrder list:\n${JSON.stringify(order)}\n`,
    );
  }
}

/** A value that meets nothing to merge with: nulls and directives have done their work. */
function withoutDirectives(value: unknown, depth: number): unknown {
  if (depth > MAX_PATCH_DEPTH) throw tooDeep();
  if (Array.isArray(value)) {
    const elements = value.filter((element) => !(isPlainObject(element) && getOwn(element, DIRECTIVE) !== undefined));
    return elements.map((element) => withoutDirectives(element, depth + 1));
  }
  if (!isPlainObject(value)) return value;
  const out: PlainObject = {};
  for (const key of Object.keys(value)) {
    if (isDirectiveKey(key) || value[key] === null || isDeletion(value[key])) continue;
    setOwn(out, key, withoutDirectives(value[key], depth + 1));
  }
  return out;
}

function isDeletion(value: unknown): boolean {
  return isPlainObject(value) && getOwn(value, DIRECTIVE) === "delete";
}

function isDirectiveKey(key: string): boolean {
  return key === DIRECTIVE || key === RETAIN_KEYS || key.startsWith(ORDER_PREFIX) || key.startsWith(DELETE_PREFIX);
}

/** Where the type is not known, as below free-form fields, objects merge and lists are replaced. */
function rulesOf(model: string | undefined, field: string): FieldRules {
  if (model === undefined) return { model: undefined, mergeKey: "", mergesList: false, replaces: false };
  const strategies = patchStrategyOf(model, field)?.split(",") ?? [];
  return {
    model: modelUnder(fieldSchema(model, field)),
    mergeKey: mergeKeyOf(model, field) ?? "",
    mergesList: strategies.includes("merge"),
    replaces: strategies.includes("replace"),
  };
}

function fieldSchema(model: string, field: string): Schema | undefined {
  if (!hasModel(model)) return undefined;
  const { fields } = modelOf(model);
  return Object.hasOwn(fields, field) ? fields[field] : undefined;
}

/** The model of an object, or of a list's elements. */
function modelUnder(schema: Schema | undefined): string | undefined {
  if (schema?.type === "object") return schema.ref;
  return schema?.type === "array" ? modelUnder(schema.items) : undefined;
}
