// Deployments and ReplicaSets for tests, from the few figures that matter.
import type { Deployment, DeploymentStatus, ReplicaSet } from "@skiff/api/types.ts";

export interface DeploymentSketch {
  readonly replicas: number;
  readonly maxSurge?: number | string;
  readonly maxUnavailable?: number | string;
  readonly recreate?: boolean;
  readonly paused?: boolean;
  readonly deadline?: number;
  readonly historyLimit?: number;
  readonly status?: DeploymentStatus;
  readonly image?: string;
  readonly annotations?: Record<string, string>;
}

export function deployment(sketch: DeploymentSketch): Deployment {
  const { replicas, maxSurge = "25%", maxUnavailable = "25%", recreate, status, annotations } = sketch;
  return {
    metadata: {
      name: "web",
      namespace: "ns",
      uid: "d",
      resourceVersion: "1",
      creationTimestamp: "",
      generation: 1,
      annotations,
    },
    spec: {
      replicas,
      selector: { matchLabels: { app: "web" } },
      strategy: recreate
        ? { type: "Recreate" }
        : { type: "RollingUpdate", rollingUpdate: { maxSurge, maxUnavailable } },
      template: {
        metadata: { labels: { app: "web" } },
        spec: { containers: [{ name: "c", image: sketch.image ?? "img:1" }] },
      },
      paused: sketch.paused,
      progressDeadlineSeconds: sketch.deadline,
      revisionHistoryLimit: sketch.historyLimit,
    },
    status,
  };
}

export interface ReplicaSetSketch {
  readonly replicas: number;
  readonly available?: number;
  readonly ready?: number;
  /** Pods that exist; as many as are asked for when absent. */
  readonly actual?: number;
  readonly created?: string;
  readonly annotations?: Record<string, string>;
  readonly image?: string;
  readonly observed?: number;
}

export function replicaSet(name: string, sketch: ReplicaSetSketch): ReplicaSet {
  const { replicas, available = 0, created = "2026-01-01T00:00:00Z", annotations } = sketch;
  return {
    metadata: {
      name,
      namespace: "ns",
      uid: name,
      resourceVersion: "1",
      creationTimestamp: created,
      generation: 1,
      annotations,
    },
    spec: {
      replicas,
      selector: { matchLabels: { app: "web" } },
      template: {
        metadata: { labels: { app: "web", "pod-template-hash": "abc" } },
        spec: { containers: [{ name: "c", image: sketch.image ?? "img:0" }] },
      },
    },
    status: {
      replicas: sketch.actual ?? replicas,
      readyReplicas: sketch.ready ?? available,
      availableReplicas: available,
      observedGeneration: sketch.observed ?? 1,
    },
  };
}
