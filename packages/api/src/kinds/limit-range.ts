// LimitRange: bounds and defaults of what pods, containers and claims of a namespace may ask for.
import type { LimitRange, LimitRangeItem } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { compareQuantities, quantityMilliValue } from "../quantity.ts";
import { limitRanges } from "../resource-ref.ts";
import { isQualifiedName } from "../validation/names.ts";
import {
  duplicate,
  type FieldPath,
  forbiddenField,
  invalidAll,
  invalidValue,
  required,
  root,
} from "../validation/path.ts";
import { createdAtColumn, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { validateContainerResourceName, validateResourceName } from "./resource-names.ts";

type Amounts = Readonly<Record<string, string>>;

// What the admission plugin knows how to bound.
const STANDARD_TYPES = ["Container", "PersistentVolumeClaim", "Pod"];

/** Read by the LimitRanger admission plugin, which fills in defaults and refuses (403) what is out of bounds. */
export const limitRangeKind = defineKind<LimitRange>({
  ref: limitRanges,
  shortNames: ["limits"],
  applyDefaults({ spec }) {
    for (const item of spec?.limits ?? []) if (item.type === "Container") defaultContainerItem(item);
  },
  prepareForCreate({ metadata }) {
    // Upstream names an unnamed range by itself.
    if (!metadata.name && !metadata.generateName) metadata.name = metadata.uid;
  },
  validate({ spec }) {
    const path = root("spec").child("limits");
    const seen = new Set<string>();
    return (spec?.limits ?? []).flatMap((item, i) => {
      const at = path.index(i);
      const repeated: FieldError[] = seen.has(item.type) ? [duplicate(at.child("type"), item.type)] : [];
      seen.add(item.type);
      return [...validateType(item.type, at.child("type")), ...repeated, ...validateItem(item, at)];
    });
  },
  columns: [nameColumn, createdAtColumn],
});

/** A maximum is the default limit, and that the default request, unless they are given. */
function defaultContainerItem(item: LimitRangeItem): void {
  item.default = { ...item.max, ...item.default };
  item.defaultRequest = { ...item.min, ...item.default, ...item.defaultRequest };
}

/** Three types, or a qualified name for those who enforce their own. */
function validateType(type: string, path: FieldPath): FieldError[] {
  const errors = invalidAll(path, type, isQualifiedName(type));
  if (errors.length > 0 || type.includes("/") || STANDARD_TYPES.includes(type)) return errors;
  return [invalidValue(path, type, "must be a standard limit type or fully qualified")];
}

/** One type's bounds and defaults; each resource by itself. */
function validateItem(item: LimitRangeItem, path: FieldPath): FieldError[] {
  const errors = [...validateNames(item, "max", path), ...validateNames(item, "min", path)];
  for (const field of ["default", "defaultRequest"] as const) {
    if (item.type !== "Pod") errors.push(...validateNames(item, field, path));
    // A pod's sum cannot be defaulted: there is no telling which container should get it.
    else if (Object.keys(item[field] ?? {}).length > 0) {
      errors.push(forbiddenField(path.child(field), "may not be specified when `type` is 'Pod'"));
    }
  }
  // Storage is all that claims ask for.
  if (item.type === "PersistentVolumeClaim" && !item.min?.storage && !item.max?.storage) {
    const detail = "either minimum or maximum storage value is required, but neither was provided";
    errors.push(required(path.child("limits"), detail));
  }
  errors.push(...validateNames(item, "maxLimitRequestRatio", path));
  const { min, max, default: limit, defaultRequest, maxLimitRequestRatio } = item;
  const resources = new Set(
    [min, max, limit, defaultRequest, maxLimitRequestRatio].flatMap((a) => Object.keys(a ?? {})),
  );
  for (const resource of resources) {
    errors.push(...validateBounds(item, resource, path));
  }
  return errors;
}

type AmountsField = "default" | "defaultRequest" | "max" | "maxLimitRequestRatio" | "min";

/** Pods and containers ask for what containers can have, everything else for any resource. */
function validateNames(item: LimitRangeItem, field: AmountsField, path: FieldPath): FieldError[] {
  const rule = item.type === "Pod" || item.type === "Container" ? validateContainerResourceName : validateResourceName;
  return Object.keys(item[field] ?? {}).flatMap((name) => rule(name, path.child(field).key(name)));
}

/** The bounds and defaults of one resource, in ascending order: min, default request, default limit, max. */
function validateBounds(item: LimitRangeItem, resource: string, path: FieldPath): FieldError[] {
  const { min = {}, max = {}, default: limit = {}, defaultRequest: request = {} } = item;
  const errors: FieldError[] = [];
  const check = (low: Amounts, high: Amounts, field: string, shown: Amounts, words: readonly [string, string]) => {
    const [a, b] = [amountOf(low, resource), amountOf(high, resource)];
    if (a === undefined || b === undefined || compareQuantities(a, b) <= 0) return;
    const detail = `${words[0]} value ${a} is greater than ${words[1]} value ${b}`;
    errors.push(invalidValue(path.child(field).key(resource), shown[resource], detail));
  };
  check(min, max, "min", min, ["min", "max"]);
  check(min, request, "defaultRequest", request, ["min", "default request"]);
  check(request, max, "defaultRequest", request, ["default request", "max"]);
  check(request, limit, "defaultRequest", request, ["default request", "default limit"]);
  check(min, limit, "default", min, ["min", "default"]);
  check(limit, max, "default", max, ["default", "max"]);
  return [...errors, ...validateRatio(item, resource, path.child("maxLimitRequestRatio").key(resource))];
}

/** Names are the writer's, and every object inherits a `constructor`. */
function amountOf(amounts: Amounts, resource: string): string | undefined {
  return Object.hasOwn(amounts, resource) ? amounts[resource] : undefined;
}

/** How many times the request the limit may be. */
function validateRatio(
  { min, max, maxLimitRequestRatio }: LimitRangeItem,
  resource: string,
  path: FieldPath,
): FieldError[] {
  const ratio = amountOf(maxLimitRequestRatio ?? {}, resource);
  if (ratio === undefined) return [];
  const errors: FieldError[] = [];
  if (compareQuantities(ratio, "1") < 0) errors.push(invalidValue(path, ratio, `ratio ${ratio} is less than 1`));
  const [low, high] = [amountOf(min ?? {}, resource), amountOf(max ?? {}, resource)];
  if (low === undefined || high === undefined || compareQuantities(low, "0") <= 0) return errors;
  // No request within the bounds could have a larger ratio, so that it would bound nothing.
  const widest = quantityMilliValue(high) / quantityMilliValue(low);
  if (quantityMilliValue(ratio) / 1000 <= widest) return errors;
  return [...errors, invalidValue(path, ratio, `ratio ${ratio} is greater than max/min = ${widest.toFixed(6)}`)];
}
