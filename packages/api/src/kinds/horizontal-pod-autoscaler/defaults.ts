// What an autoscaler gets when its writer says nothing: half a rule is filled up from upstream's own.
import type {
  V2HorizontalPodAutoscaler,
  V2HorizontalPodAutoscalerSpec,
  V2HPAScalingPolicy,
  V2HPAScalingRules,
} from "../../../generated/types.ts";

// Upstream's defaults: four pods or twice as many every 15 seconds, whichever is more; down at any speed.
const SCALE_UP: readonly V2HPAScalingPolicy[] = [
  { type: "Pods", value: 4, periodSeconds: 15 },
  { type: "Percent", value: 100, periodSeconds: 15 },
];
const SCALE_DOWN: readonly V2HPAScalingPolicy[] = [{ type: "Percent", value: 100, periodSeconds: 15 }];

/** Fills an autoscaler in place. Without metrics it holds CPU at 80 % of what is requested. */
export function applyAutoscalerDefaults(autoscaler: V2HorizontalPodAutoscaler): void {
  autoscaler.spec ??= {} as V2HorizontalPodAutoscalerSpec;
  const { spec } = autoscaler;
  spec.minReplicas ??= 1;
  if (!spec.metrics?.length) {
    const target = { type: "Utilization", averageUtilization: 80 };
    spec.metrics = [{ type: "Resource", resource: { name: "cpu", target } }];
  }
  // An absent `behavior` stays absent: the controller's flags (stabilization of five minutes) decide then.
  if (spec.behavior) {
    const up = spec.behavior.scaleUp ?? {};
    spec.behavior.scaleUp = withRules(
      { ...up, stabilizationWindowSeconds: up.stabilizationWindowSeconds ?? 0 },
      SCALE_UP,
    );
    spec.behavior.scaleDown = withRules(spec.behavior.scaleDown ?? {}, SCALE_DOWN);
  }
  autoscaler.status ??= { desiredReplicas: 0 };
  autoscaler.status.currentReplicas ??= 0;
}

function withRules(rules: V2HPAScalingRules, policies: readonly V2HPAScalingPolicy[]): V2HPAScalingRules {
  return {
    ...rules,
    // An empty list of policies is an error, a missing one is filled.
    selectPolicy: rules.selectPolicy ?? "Max",
    policies: rules.policies ?? policies.map((policy) => ({ ...policy })),
  };
}
