// The metrics of an autoscaler, each of one type with one target.
import type { V2MetricIdentifier, V2MetricSpec, V2MetricTarget } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { compareQuantities } from "../../quantity.ts";
import { validateLabelSelector } from "../../validation/label-selector.ts";
import { isDns1123Label, isPathSegmentName } from "../../validation/names.ts";
import {
  type FieldPath,
  forbiddenField,
  invalidAll,
  invalidValue,
  notSupported,
  required,
} from "../../validation/path.ts";
import { validateContainerResourceName } from "../resource-names.ts";
import { validateReference } from "./validate-reference.ts";

// The type of a metric and the field that has to hold it.
const SOURCES = {
  ContainerResource: "containerResource",
  External: "external",
  Object: "object",
  Pods: "pods",
  Resource: "resource",
} as const;

/** With `minReplicas` zero a metric is needed that exists without pods. */
export function validateMetrics(
  metrics: readonly V2MetricSpec[],
  path: FieldPath,
  minReplicas: number | undefined,
): FieldError[] {
  const errors = metrics.flatMap((metric, i) => validateMetric(metric, path.index(i)));
  // At zero replicas there are no pods left to measure.
  if (minReplicas !== 0 || metrics.some(({ type }) => type === "Object" || type === "External")) return errors;
  return [
    ...errors,
    forbiddenField(path, "must specify at least one Object or External metric to support scaling to zero replicas"),
  ];
}

/** The first source in upstream's order is judged, whatever the type; what does not belong to the type is too much. */
function validateMetric(metric: V2MetricSpec, path: FieldPath): FieldError[] {
  const type = metric.type ?? "";
  const at = path.child("type");
  const expected = isSourceType(type) ? SOURCES[type] : undefined;
  const unsupported = notSupported(at, type, Object.keys(SOURCES));
  const errors: FieldError[] = type ? [] : [required(at, "must specify a metric source type")];
  if (!expected) errors.push(unsupported);
  // A metric may come with more than one source by mistake: the first is judged for itself.
  const present = ORDER.filter((field) => metric[field]);
  const [first] = present;
  if (first) errors.push(...RULES[first](metric, path.child(first)));
  if (!expected) errors.push(unsupported);
  else if (!metric[expected]) {
    errors.push(required(path.child(expected), "must populate information for the given metric source"));
  }
  if (present.length === 1) return errors;
  const surplus = present.filter((field) => field !== expected);
  const detail = "must populate the given metric source only";
  return [...errors, ...surplus.map((field) => forbiddenField(path.child(field), detail))];
}

function isSourceType(type: string): type is keyof typeof SOURCES {
  return Object.hasOwn(SOURCES, type);
}

type SourceField = (typeof SOURCES)[keyof typeof SOURCES];

// Upstream checks the sources in this order.
const ORDER: readonly SourceField[] = ["object", "external", "pods", "resource", "containerResource"];

const RULES: Readonly<Record<SourceField, (metric: V2MetricSpec, path: FieldPath) => FieldError[]>> = {
  // One object's own figure, such as the requests that an Ingress sees.
  object: ({ object }, path) => [
    ...validateReference(object?.describedObject, path.child("describedObject")),
    ...validateIdentifier(object?.metric, path.child("metric")),
    ...validateTarget(object?.target, path.child("target")),
    ...requireOne(object?.target, ["value", "averageValue"], path, "must set either a target value or averageValue"),
  ],
  // A figure from outside of the cluster, such as a queue's length.
  external: ({ external }, path) => {
    const { value, averageValue } = external?.target ?? {};
    const isDouble = value !== undefined && averageValue !== undefined;
    const detail = "may not set both a target value for metric and a per-pod target";
    return [
      ...validateIdentifier(external?.metric, path.child("metric")),
      ...validateTarget(external?.target, path.child("target")),
      ...requireOne(external?.target, ["value", "averageValue"], path, NO_EXTERNAL_TARGET),
      ...(isDouble ? [forbiddenField(path.child("target", "value"), detail)] : []),
    ];
  },
  // Per pod there is an average and nothing else to aim at.
  pods: ({ pods }, path) => [
    ...validateIdentifier(pods?.metric, path.child("metric")),
    ...validateTarget(pods?.target, path.child("target")),
    ...requireOne(pods?.target, ["averageValue"], path, "must specify a positive target averageValue"),
  ],
  // CPU or memory of whole pods, by what they request or by amount.
  resource: ({ resource }, path) => [
    ...(resource?.name ? [] : [required(path.child("name"), "must specify a resource name")]),
    ...validateResourceTarget(resource?.target, path.child("target")),
  ],
  // The same for one container, so that a sidecar does not dilute it.
  containerResource: ({ containerResource }, path) => {
    const { name, container, target } = containerResource ?? {};
    const names = path.child("name");
    const at = path.child("container");
    return [
      ...(name ? validateContainerResourceName(name, names) : [required(names, "must specify a resource name")]),
      ...(container
        ? invalidAll(at, container, isDns1123Label(container))
        : [required(at, "must specify a container")]),
      ...validateResourceTarget(target, path.child("target")),
    ];
  },
};

const NO_EXTERNAL_TARGET = "must set either a target value for metric or a per-pod target";

/** The name goes into a URL of the metrics API. */
function validateIdentifier(identifier: V2MetricIdentifier | undefined, path: FieldPath): FieldError[] {
  const name = identifier?.name;
  const at = path.child("name");
  return [
    ...(name ? invalidAll(at, name, isPathSegmentName(name)) : [required(at, "must specify a metric name")]),
    ...validateLabelSelector(identifier?.selector, path.child("selector")),
  ];
}

/** Every value must be positive: the controller divides by it. */
function validateTarget(target: V2MetricTarget | undefined, path: FieldPath): FieldError[] {
  const { type, value, averageValue, averageUtilization } = target ?? {};
  const errors: FieldError[] = [];
  if (!type) errors.push(required(path.child("type"), "must specify a metric target type"));
  if (!["Utilization", "Value", "AverageValue"].includes(type ?? "")) {
    errors.push(invalidValue(path.child("type"), type ?? "", "must be either Utilization, Value, or AverageValue"));
  }
  if (value !== undefined && compareQuantities(value, "0") <= 0) {
    errors.push(invalidValue(path.child("value"), value, "must be positive"));
  }
  if (averageValue !== undefined && compareQuantities(averageValue, "0") <= 0) {
    errors.push(invalidValue(path.child("averageValue"), averageValue, "must be positive"));
  }
  if (averageUtilization !== undefined && averageUtilization < 1) {
    errors.push(invalidValue(path.child("averageUtilization"), averageUtilization, "must be greater than 0"));
  }
  return errors;
}

/** A share of the request, or an amount; a resource has no plain value. */
function validateResourceTarget(target: V2MetricTarget | undefined, path: FieldPath): FieldError[] {
  const errors = validateTarget(target, path);
  const hasShare = target?.averageUtilization !== undefined;
  const hasValue = target?.averageValue !== undefined;
  if (!hasShare && !hasValue) {
    const detail = "must set either a target raw value or a target utilization";
    return [...errors, required(path.child("averageUtilization"), detail)];
  }
  if (!hasShare || !hasValue) return errors;
  const detail = "may not set both a target raw value and a target utilization";
  return [...errors, forbiddenField(path.child("averageValue"), detail)];
}

/** `path` is the source's. */
function requireOne(
  target: V2MetricTarget | undefined,
  fields: readonly ("value" | "averageValue")[],
  path: FieldPath,
  detail: string,
): FieldError[] {
  const isSet = fields.some((field) => target?.[field] !== undefined);
  return isSet ? [] : [required(path.child("target", "averageValue"), detail)];
}
