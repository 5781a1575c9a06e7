// autoscaling/v1: one CPU target as a field; everything newer as JSON in annotations, in the words of its time.
import type {
  HorizontalPodAutoscaler,
  V2HorizontalPodAutoscaler,
  V2HorizontalPodAutoscalerSpec,
  V2HorizontalPodAutoscalerStatus,
  V2MetricSpec,
} from "../../../generated/types.ts";
import type { ServedVersion } from "../../kind.ts";
import type { KubeObject } from "../../object.ts";
import { metricFromStored, metricStatusFromStored, metricToStored } from "./autoscaling-metrics.ts";

const PREFIX = "autoscaling.alpha.kubernetes.io/";
const METRICS = `${PREFIX}metrics`;
const BEHAVIOR = `${PREFIX}behavior`;
const CURRENT_METRICS = `${PREFIX}current-metrics`;
const CONDITIONS = `${PREFIX}conditions`;
// Taken off on the way in and put on the way out; nobody sees them in v2.
const OURS = [METRICS, BEHAVIOR, CURRENT_METRICS, CONDITIONS];

/** Still served upstream, and what `kubectl autoscale` of older releases writes. */
export const horizontalPodAutoscalerV1: ServedVersion = {
  version: "v1",
  model: "HorizontalPodAutoscaler",
  toStored: (object) => toStored(object as HorizontalPodAutoscaler),
  fromStored: (object) => fromStored(object as V2HorizontalPodAutoscaler),
};

/** Broken annotations are read as absent: a write must not fail for what a tool left there. */
function toStored({ spec: given, status, ...object }: HorizontalPodAutoscaler): KubeObject {
  const annotations = object.metadata.annotations ?? {};
  const { targetCPUUtilizationPercentage: target, ...spec } = given ?? {
    maxReplicas: 0,
    scaleTargetRef: { kind: "", name: "" },
  };
  const extra = readList(annotations[METRICS]).map(metricToStored);
  const metrics = target === undefined ? extra : [cpuMetric(target), ...extra];
  const behavior = readObject(annotations[BEHAVIOR]);
  const stored = {
    ...object,
    metadata: withAnnotations(object.metadata, annotations, {}),
    spec: { ...spec, ...(metrics.length > 0 ? { metrics } : {}), ...(behavior ? { behavior } : {}) },
    status: statusToStored(status, annotations),
  };
  return stored as KubeObject;
}

function cpuMetric(averageUtilization: number): V2MetricSpec {
  return { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization } } };
}

/** The CPU's share is the one figure that v1 has a field for. */
function statusToStored(
  status: HorizontalPodAutoscaler["status"],
  annotations: Readonly<Record<string, string>>,
): V2HorizontalPodAutoscalerStatus {
  const { currentCPUUtilizationPercentage: cpu, ...rest } = status ?? { currentReplicas: 0, desiredReplicas: 0 };
  const conditions = readList(annotations[CONDITIONS]) as V2HorizontalPodAutoscalerStatus["conditions"];
  const current = { averageUtilization: cpu ?? 0 };
  return {
    ...rest,
    ...(cpu === undefined ? {} : { currentMetrics: [{ type: "Resource", resource: { name: "cpu", current } }] }),
    ...(conditions?.length ? { conditions } : {}),
  };
}

/** The first CPU target becomes the field, everything else goes into the annotations. */
function fromStored({ spec, status, ...object }: V2HorizontalPodAutoscaler): KubeObject {
  const { metrics = [], behavior, ...rest } = spec ?? ({} as V2HorizontalPodAutoscalerSpec);
  const cpu = metrics.find(isCpuTarget);
  const others = metrics.filter((metric) => metric !== cpu);
  const { conditions, currentMetrics = [], ...kept } = status ?? { desiredReplicas: 0 };
  const currentCpu = currentMetrics.find(({ type, resource }) => type === "Resource" && resource?.name === "cpu");
  const utilization = currentCpu?.resource?.current.averageUtilization;
  // v1 has one field for the CPU's share and none for anything else.
  const otherCurrent = currentMetrics.filter((metric) => metric !== currentCpu || utilization === undefined);
  const annotations = {
    ...(others.length > 0 ? { [METRICS]: JSON.stringify(others.map(metricFromStored)) } : {}),
    ...(behavior ? { [BEHAVIOR]: JSON.stringify(behavior) } : {}),
    ...(otherCurrent.length > 0 ? { [CURRENT_METRICS]: JSON.stringify(otherCurrent.map(metricStatusFromStored)) } : {}),
    ...(conditions?.length ? { [CONDITIONS]: JSON.stringify(conditions) } : {}),
  };
  const target = cpu?.resource?.target.averageUtilization;
  return {
    ...object,
    metadata: withAnnotations(object.metadata, object.metadata.annotations ?? {}, annotations),
    spec: { ...rest, ...(target === undefined ? {} : { targetCPUUtilizationPercentage: target }) },
    status: {
      currentReplicas: 0,
      ...kept,
      ...(utilization === undefined ? {} : { currentCPUUtilizationPercentage: utilization }),
    },
  } as KubeObject;
}

/** A target by amount has no place in v1's field, which is a percentage. */
function isCpuTarget({ type, resource }: V2MetricSpec): boolean {
  return type === "Resource" && resource?.name === "cpu" && resource.target.averageUtilization !== undefined;
}

/** The metadata with our annotations replaced by these. */
function withAnnotations(
  metadata: KubeObject["metadata"],
  before: Readonly<Record<string, string>>,
  ours: Readonly<Record<string, string>>,
): KubeObject["metadata"] {
  const kept = Object.entries(before).filter(([key]) => !OURS.includes(key));
  const annotations = { ...Object.fromEntries(kept), ...ours };
  const { annotations: _before, ...rest } = metadata;
  return Object.keys(annotations).length > 0 ? { ...rest, annotations } : rest;
}

function readList(text: string | undefined): unknown[] {
  const value = read(text);
  return Array.isArray(value) ? value : [];
}

function readObject(text: string | undefined): object | undefined {
  const value = read(text);
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
}

/** Annotations are anybody's text: what is no JSON says nothing. */
function read(text: string | undefined): unknown {
  if (!text) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
