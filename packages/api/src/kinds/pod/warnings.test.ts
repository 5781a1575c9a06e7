// What writers of pods are warned of.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "../../../generated/types.ts";
import { podWarnings } from "./warnings.ts";

const pod = (spec: object) => ({ metadata: { name: "p" }, spec }) as Pod;

test("podWarnings tells of likely mistakes on creation, and of nothing on update", () => {
  const container = {
    name: "c",
    env: [
      { name: "A", value: "1" },
      { name: "A", value: "2" },
      { name: "A", value: "$(A):3" },
    ],
    ports: [{ containerPort: 80 }, { containerPort: 80, protocol: "UDP" }, { containerPort: 80 }],
    resources: { requests: { memory: "100m", cpu: "100m" } },
  };
  const risky = pod({
    containers: [container],
    nodeSelector: { "beta.kubernetes.io/os": "linux", constructor: "x" },
    terminationGracePeriodSeconds: -1,
  });
  assert.deepEqual(podWarnings(risky), [
    'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
    "spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1",
    'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
    "spec.containers[0].ports[2]: duplicate port definition with spec.containers[0].ports[0]",
    'spec.containers[0].resources.requests[memory]: fractional byte value "100m" is invalid, must be an integer',
  ]);
  assert.deepEqual(podWarnings(risky, risky), []);
  assert.deepEqual(podWarnings(pod({ containers: [{ name: "c", resources: { limits: { memory: "1Gi" } } }] })), []);
});
