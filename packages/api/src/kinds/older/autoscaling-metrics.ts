// Metrics as autoscaling/v1 keeps them in its annotations: flat fields where v2 has targets and identifiers.
import type { V2MetricSpec, V2MetricStatus, V2MetricTarget, V2MetricValueStatus } from "../../../generated/types.ts";

// JSON as it stands in the annotation, whose fields have no types.
type Flat = Record<string, unknown>;

/** A v2 metric in the form that the annotation has. */
export function metricFromStored(metric: V2MetricSpec): object {
  const { type, object, pods, resource, containerResource, external } = metric;
  return clean({
    type,
    object: object && {
      target: object.describedObject,
      metricName: object.metric.name,
      selector: object.metric.selector,
      // The old field was required.
      targetValue: object.target.value ?? "0",
      averageValue: object.target.averageValue,
    },
    pods: pods && {
      metricName: pods.metric.name,
      selector: pods.metric.selector,
      targetAverageValue: pods.target.averageValue,
    },
    resource: resource && { name: resource.name, ...resourceTarget(resource.target) },
    containerResource: containerResource && {
      name: containerResource.name,
      container: containerResource.container,
      ...resourceTarget(containerResource.target),
    },
    external: external && {
      metricName: external.metric.name,
      metricSelector: external.metric.selector,
      targetValue: external.target.value,
      targetAverageValue: external.target.averageValue,
    },
  });
}

/** The old fields for a target of CPU or memory. */
function resourceTarget({ averageUtilization, averageValue }: V2MetricTarget): Flat {
  return { targetAverageUtilization: averageUtilization, targetAverageValue: averageValue };
}

/** `value` is what somebody wrote; the result is judged like any other metric. */
export function metricToStored(value: unknown): V2MetricSpec {
  const metric = fields(value);
  const { type } = metric;
  const out: Flat = { type };
  if (metric.object) {
    const { target, metricName, selector, targetValue, averageValue } = fields(metric.object);
    // v2 has one target with a type, where two fields stood.
    const wanted = averageValue ? { type: "AverageValue", averageValue } : { type: "Value", value: targetValue };
    out.object = { describedObject: target, metric: { name: metricName, selector }, target: wanted };
  }
  if (metric.pods) {
    const { metricName, selector, targetAverageValue: averageValue } = fields(metric.pods);
    out.pods = { metric: { name: metricName, selector }, target: { type: "AverageValue", averageValue } };
  }
  for (const field of ["resource", "containerResource"] as const) {
    if (!metric[field]) continue;
    const { name, container, targetAverageUtilization, targetAverageValue } = fields(metric[field]);
    const share = { type: "Utilization", averageUtilization: targetAverageUtilization };
    const target =
      targetAverageUtilization === undefined ? { type: "AverageValue", averageValue: targetAverageValue } : share;
    out[field] = { name, container, target };
  }
  if (metric.external) {
    const { metricName, metricSelector, targetValue, targetAverageValue } = fields(metric.external);
    const target =
      targetValue === undefined
        ? { type: "AverageValue", averageValue: targetAverageValue }
        : { type: "Value", value: targetValue };
    out.external = { metric: { name: metricName, selector: metricSelector }, target };
  }
  return clean(out) as unknown as V2MetricSpec;
}

/** What the controller measured, in the same old form. */
export function metricStatusFromStored(metric: V2MetricStatus): object {
  const { type, object, pods, resource, containerResource, external } = metric;
  return clean({
    type,
    object: object && {
      target: object.describedObject,
      metricName: object.metric.name,
      selector: object.metric.selector,
      currentValue: object.current.value ?? "0",
      averageValue: object.current.averageValue,
    },
    pods: pods && {
      metricName: pods.metric.name,
      selector: pods.metric.selector,
      currentAverageValue: pods.current.averageValue,
    },
    resource: resource && { name: resource.name, ...current(resource.current) },
    containerResource: containerResource && {
      name: containerResource.name,
      container: containerResource.container,
      ...current(containerResource.current),
    },
    external: external && {
      metricName: external.metric.name,
      metricSelector: external.metric.selector,
      currentValue: external.current.value ?? "0",
      currentAverageValue: external.current.averageValue,
    },
  });
}

/** The old fields for what was measured. */
function current({ averageUtilization, averageValue }: V2MetricValueStatus): Flat {
  return { currentAverageUtilization: averageUtilization, currentAverageValue: averageValue };
}

/** The members of an object, none for anything else: an annotation may hold any JSON. */
function fields(value: unknown): Flat {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

/** Without what is undefined, all the way down. */
function clean(value: Flat): Flat {
  return JSON.parse(JSON.stringify(value)) as Flat;
}
