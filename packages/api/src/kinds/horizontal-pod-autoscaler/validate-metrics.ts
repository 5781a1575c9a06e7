// The metrics of an autoscaler, each of one type with one target.
import type { V2MetricIdentifier, V2MetricSpec, V2MetricTarget } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { compareQuantities } from "../../quantity.ts";
import { validateLabelSelector } from "../../validation/label-selector.ts";
import { isPathSegmentName } from "../../validation/names.ts";
import {
  type FieldPath,
  forbiddenField,
  invalidAll,
  invalidValue,
  notSupported,
  required,
} from "../../validation/path.ts";
import { validateReference } from "./validate-reference.ts";

const SOURCES = {
  ContainerResource: "containerResource",
  External: "external",
  Object: "object",
  Pods: "pods",
  Resource: "resource",
} as const;

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

function validateMetric(metric: V2MetricSpec, path: FieldPath): FieldError[] {
  if (!metric.type) return [required(path.child("type"), "must specify a metric source type")];
  if (!isSourceType(metric.type)) return [notSupported(path.child("type"), metric.type, Object.keys(SOURCES))];
  const expected = SOURCES[metric.type];
  const errors: FieldError[] = [];
  for (const field of Object.values(SOURCES)) {
    if (field !== expected && metric[field]) {
      const detail = "must populate the given metric source only";
      errors.push(forbiddenField(path.child(field), detail));
    }
  }
  if (!metric[expected]) {
    return [...errors, required(path.child(expected), "must populate information for the given metric source")];
  }
  return [...errors, ...validateSource(metric, path.child(expected))];
}

function isSourceType(type: string): type is keyof typeof SOURCES {
  return Object.hasOwn(SOURCES, type);
}

function validateSource(metric: V2MetricSpec, path: FieldPath): FieldError[] {
  const { object, external, pods, resource, containerResource } = metric;
  const target = path.child("target");
  if (metric.type === "Object" && object) {
    return [
      ...validateReference(object.describedObject, path.child("describedObject")),
      ...validateIdentifier(object.metric, path.child("metric")),
      ...validateTarget(object.target, target),
      ...requireOne(
        object.target,
        ["value", "averageValue"],
        target,
        "must set either a target raw value or a target raw value per-pod value",
      ),
    ];
  }
  if (metric.type === "External" && external) {
    return [
      ...validateIdentifier(external.metric, path.child("metric")),
      ...validateTarget(external.target, target),
      ...requireOne(
        external.target,
        ["value", "averageValue"],
        target,
        "must set either a target value for metric or a per-pod target",
      ),
      ...(external.target?.value !== undefined && external.target.averageValue !== undefined
        ? [forbiddenField(target.child("value"), "may not set both a target value for metric and a per-pod target")]
        : []),
    ];
  }
  if (metric.type === "Pods" && pods) {
    return [
      ...validateIdentifier(pods.metric, path.child("metric")),
      ...validateTarget(pods.target, target),
      ...requireOne(
        pods.target,
        ["averageValue"],
        target,
        "must specify a positive target averageValue",
        "averageValue",
      ),
    ];
  }
  const source = metric.type === "Resource" ? resource : containerResource;
  return [
    ...(source?.name ? [] : [required(path.child("name"), "must specify a resource name")]),
    ...(metric.type === "ContainerResource" && !containerResource?.container
      ? [required(path.child("container"), "must specify a container")]
      : []),
    ...validateTarget(source?.target, target),
    ...validateResourceTarget(source?.target, target),
  ];
}

function validateIdentifier(identifier: V2MetricIdentifier | undefined, path: FieldPath): FieldError[] {
  const name = identifier?.name;
  const at = path.child("name");
  return [
    ...(name ? invalidAll(at, name, isPathSegmentName(name)) : [required(at)]),
    ...validateLabelSelector(identifier?.selector, path.child("selector")),
  ];
}

function validateTarget(target: V2MetricTarget | undefined, path: FieldPath): FieldError[] {
  const { type, value, averageValue, averageUtilization } = target ?? {};
  const errors: FieldError[] = [];
  if (!type) errors.push(required(path.child("type"), "must specify a metric target type"));
  else if (!["Utilization", "Value", "AverageValue"].includes(type)) {
    errors.push(invalidValue(path.child("type"), type, "must be either Utilization, Value, or AverageValue"));
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

function validateResourceTarget(target: V2MetricTarget | undefined, path: FieldPath): FieldError[] {
  const hasShare = target?.averageUtilization !== undefined;
  const hasValue = target?.averageValue !== undefined;
  if (!hasShare && !hasValue) {
    const detail = "must set either a target raw value or a target utilization";
    return [required(path.child("averageUtilization"), detail)];
  }
  if (!hasShare || !hasValue) return [];
  return [forbiddenField(path.child("averageValue"), "may not set both a target raw value and a target utilization")];
}

function requireOne(
  target: V2MetricTarget | undefined,
  fields: readonly ("value" | "averageValue")[],
  path: FieldPath,
  detail: string,
  shown = "averageValue",
): FieldError[] {
  return fields.some((field) => target?.[field] !== undefined) ? [] : [required(path.child(shown), detail)];
}
