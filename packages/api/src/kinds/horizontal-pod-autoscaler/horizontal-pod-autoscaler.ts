// HorizontalPodAutoscaler: keeps a workload's replica count where its metrics want it.

import type { V2HorizontalPodAutoscaler } from "../../../generated/types.ts";
import { horizontalPodAutoscalers } from "../../resource-ref.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind } from "../define-kind.ts";
import { horizontalPodAutoscalerV1 } from "../older/horizontal-pod-autoscaler.ts";
import { sameAs } from "../older/same.ts";
import { applyAutoscalerDefaults } from "./defaults.ts";
import { formatMetrics } from "./format-metrics.ts";
import { validateAutoscaler, validateAutoscalerStatus } from "./validate.ts";

/** Stored as autoscaling/v2; autoscaling/v1 knows CPU alone and keeps the rest in annotations. */
export const horizontalPodAutoscalerKind = defineKind<V2HorizontalPodAutoscaler>({
  ref: horizontalPodAutoscalers,
  otherVersions: [horizontalPodAutoscalerV1, sameAs("v2beta2", "V2beta2HorizontalPodAutoscaler", "v1.23", "v1.26")],
  shortNames: ["hpa"],
  categories: ["all"],
  model: "V2HorizontalPodAutoscaler",
  hasStatus: true,
  hasGeneration: false,
  applyDefaults: applyAutoscalerDefaults,
  // Upstream writes both counts whatever they are.
  prepareForCreate(autoscaler) {
    autoscaler.status = { desiredReplicas: 0, currentReplicas: 0 };
  },
  validate: validateAutoscaler,
  validateStatusUpdate: validateAutoscalerStatus,
  columns: [
    nameColumn,
    column("Reference", ["V2HorizontalPodAutoscalerSpec", "scaleTargetRef"], ({ spec }) => {
      return `${spec?.scaleTargetRef.kind ?? ""}/${spec?.scaleTargetRef.name ?? ""}`;
    }),
    column("Targets", ["V2HorizontalPodAutoscalerSpec", "metrics"], ({ spec, status }) =>
      formatMetrics(spec?.metrics ?? [], status?.currentMetrics ?? []),
    ),
    column("MinPods", ["V2HorizontalPodAutoscalerSpec", "minReplicas"], ({ spec }) =>
      String(spec?.minReplicas ?? "<unset>"),
    ),
    column("MaxPods", ["V2HorizontalPodAutoscalerSpec", "maxReplicas"], ({ spec }) => spec?.maxReplicas ?? 0),
    column(
      "Replicas",
      ["V2HorizontalPodAutoscalerStatus", "currentReplicas"],
      ({ status }) => status?.currentReplicas ?? 0,
    ),
    ageColumn,
  ],
});
