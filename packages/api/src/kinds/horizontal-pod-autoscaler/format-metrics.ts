// The Targets column of autoscalers: `cpu: 12%/80%, 3/5 + 1 more...`.
import type { V2MetricSpec, V2MetricStatus, V2MetricTarget, V2MetricValueStatus } from "../../../generated/types.ts";

// As many as fit a line of a terminal beside the other columns.
const SHOWN = 2;

/** Current value and target per metric; `<unknown>` until the controller has measured. Both lists have one order. */
export function formatMetrics(specs: readonly V2MetricSpec[], statuses: readonly V2MetricStatus[]): string {
  if (specs.length === 0) return "<none>";
  const shown = specs.slice(0, SHOWN).map((spec, i) => formatMetric(spec, statuses[i]));
  const more = specs.length > SHOWN ? ` + ${specs.length - SHOWN} more...` : "";
  return shown.join(", ") + more;
}

// Before the first measurement, or while the metrics server does not answer.
const UNKNOWN = "<unknown>";

/** Current value, slash, target; resources have their name before it. */
function formatMetric(spec: V2MetricSpec, status: V2MetricStatus | undefined): string {
  switch (spec.type) {
    case "External":
      return ofValue(spec.external?.target, status?.external?.current);
    case "Object":
      return ofValue(spec.object?.target, status?.object?.current);
    case "Pods":
      return `${status?.pods?.current.averageValue ?? UNKNOWN}/${spec.pods?.target.averageValue ?? "0"}`;
    case "Resource":
      return ofResource(spec.resource, status?.resource?.current);
    case "ContainerResource":
      return ofResource(spec.containerResource, status?.containerResource?.current);
    default:
      return "<unknown type>";
  }
}

function ofValue(target: V2MetricTarget | undefined, current: V2MetricValueStatus | undefined): string {
  if (target?.averageValue === undefined) return `${current?.value ?? UNKNOWN}/${target?.value ?? "0"}`;
  return `${current?.averageValue ?? UNKNOWN}/${target.averageValue} (avg)`;
}

/** As a share of what the pods request, or as an amount. */
function ofResource(
  source: { readonly name: string; readonly target: V2MetricTarget } | undefined,
  current: V2MetricValueStatus | undefined,
): string {
  const { name = "", target } = source ?? {};
  if (target?.averageValue !== undefined) return `${name}: ${current?.averageValue ?? UNKNOWN}/${target.averageValue}`;
  const share = current?.averageUtilization === undefined ? UNKNOWN : `${current.averageUtilization}%`;
  const wanted = target?.averageUtilization === undefined ? "<auto>" : `${target.averageUtilization}%`;
  return `${name}: ${share}/${wanted}`;
}
