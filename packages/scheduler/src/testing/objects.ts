// Pods and nodes for tests.
import type { Node, NodeSpec, Pod, PodSpec } from "@skiff/api/types.ts";

let version = 0;

export function makePod(name: string, spec: Partial<PodSpec> = {}, requests: Record<string, string> = {}): Pod {
  return {
    metadata: {
      name,
      namespace: "default",
      uid: `uid-${name}`,
      resourceVersion: String(++version),
      creationTimestamp: "2026-01-02T03:04:05Z",
    },
    spec: {
      containers: [{ name: "main", image: "web:1", resources: { requests } }],
      schedulerName: "default-scheduler",
      ...spec,
    },
  };
}

export function makeNode(name: string, { labels = {}, allocatable = {}, ...spec }: NodeSpec & NodeParts = {}): Node {
  return {
    metadata: {
      name,
      labels,
      uid: `uid-${name}`,
      resourceVersion: String(++version),
      creationTimestamp: "2026-01-02T03:04:05Z",
    },
    spec,
    status: { allocatable: { cpu: "4", memory: "8Gi", pods: "110", ...allocatable } },
  };
}

interface NodeParts {
  readonly labels?: Record<string, string>;
  readonly allocatable?: Record<string, string>;
}
