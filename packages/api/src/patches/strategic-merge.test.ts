// Strategic merge: keys, directives and the order of elements.
import assert from "node:assert/strict";
import { test } from "node:test";
import { applyStrategicMerge } from "./strategic-merge.ts";

const pod = {
  metadata: { finalizers: ["a", "b"], labels: { x: "1", y: "2" } },
  spec: {
    containers: [
      { name: "web", image: "web:1", args: ["-a", "-b"], ports: [{ containerPort: 80 }] },
      { name: "log", image: "log:1" },
    ],
    volumes: [{ name: "v", emptyDir: {} }],
    tolerations: [{ key: "k" }],
  },
};

function patchSpec(spec: unknown): Record<string, unknown> {
  return (applyStrategicMerge("Pod", pod, { spec }) as { spec: Record<string, unknown> }).spec;
}

const names = (list: unknown) => (list as { name: string }[]).map(({ name }) => name);

test("strategic merge pairs elements by key and replaces atomic lists", () => {
  const before = structuredClone(pod);
  const spec = patchSpec({
    containers: [
      { name: "log", image: "log:2" },
      { name: "web", args: ["-c"], ports: [{ containerPort: 443 }] },
    ],
    tolerations: [{ key: "other" }],
  });
  assert.deepEqual(spec.containers, [
    { name: "log", image: "log:2" },
    { name: "web", image: "web:1", args: ["-c"], ports: [{ containerPort: 443 }, { containerPort: 80 }] },
  ]);
  assert.deepEqual(spec.tolerations, [{ key: "other" }]);
  assert.deepEqual(pod, before);
});

test("strategic merge puts additions first, as upstream does", () => {
  assert.deepEqual(names(patchSpec({ containers: [{ name: "new", image: "x" }] }).containers), ["new", "web", "log"]);
});

test("strategic merge removes by null, by element and by primitive", () => {
  const patched = applyStrategicMerge("Pod", pod, {
    metadata: { labels: { x: null, z: "3" }, "$deleteFromPrimitiveList/finalizers": ["a"], finalizers: ["c"] },
    spec: { containers: [{ name: "web", $patch: "delete" }], tolerations: null },
  });
  assert.deepEqual(patched, {
    metadata: { finalizers: ["c", "b"], labels: { y: "2", z: "3" } },
    spec: { containers: [{ name: "log", image: "log:1" }], volumes: [{ name: "v", emptyDir: {} }] },
  });
});

test("strategic merge replaces maps and lists when told so", () => {
  assert.deepEqual(patchSpec({ containers: [{ $patch: "replace" }, { name: "only", image: "x" }] }).containers, [
    { name: "only", image: "x" },
  ]);
  const patched = applyStrategicMerge("Pod", pod, { metadata: { labels: { $patch: "replace", only: "1" } } });
  assert.deepEqual((patched as typeof pod).metadata.labels, { only: "1" });
});

test("strategic merge retains only the keys that $retainKeys lists", () => {
  const volumes = [{ name: "v", $retainKeys: ["name", "hostPath"], hostPath: { path: "/x" } }];
  assert.deepEqual(patchSpec({ volumes }).volumes, [{ name: "v", hostPath: { path: "/x" } }]);
  const bad = [{ name: "v", $retainKeys: ["name"], hostPath: { path: "/x" } }];
  assert.throws(() => patchSpec({ volumes: bad }), { code: 400, message: "invalid patch format of retainKeys" });
  const deployment = { spec: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } } } };
  const patch = { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } };
  assert.deepEqual(applyStrategicMerge("Deployment", deployment, patch), { spec: { strategy: { type: "Recreate" } } });
});

test("strategic merge orders lists by $setElementOrder", () => {
  const spec = patchSpec({
    "$setElementOrder/containers": [{ name: "log" }, { name: "new" }, { name: "web" }],
    containers: [{ name: "new", image: "x" }],
  });
  assert.deepEqual(names(spec.containers), ["log", "new", "web"]);
  const mismatch = { "$setElementOrder/containers": [{ name: "log" }], containers: [{ name: "new" }] };
  assert.throws(() => patchSpec(mismatch), /doesn't match \$setElementOrder list/);
});

test("strategic merge keeps server-side elements in place around the ordered ones", () => {
  const doc = { spec: { containers: ["a", "sidecar", "b"].map((name) => ({ name })) } };
  const patch = { spec: { "$setElementOrder/containers": [{ name: "a" }, { name: "b" }] } };
  const patched = applyStrategicMerge("Pod", doc, patch) as typeof doc;
  assert.deepEqual(names(patched.spec.containers), ["a", "sidecar", "b"]);
});

test("strategic merge refuses elements without their key and unknown directives", () => {
  assert.throws(() => patchSpec({ containers: [{ image: "x" }] }), {
    message: "map: map[image:x] does not contain declared merge key: name",
  });
  assert.throws(
    () => patchSpec({ containers: [{ name: "web", $patch: "frob" }] }),
    /^ApiError: unknown patch type: frob/,
  );
  assert.throws(() => patchSpec({ containers: ["web"] }), { message: "list element types are not identical" });
  assert.throws(() => applyStrategicMerge("Pod", pod, []), { code: 400 });
});

test("strategic merge leaves no directive or null in what it adds", () => {
  const spec = patchSpec({
    securityContext: { runAsUser: null, runAsGroup: 1 },
    affinity: { $patch: "delete" },
    initContainers: [
      { name: "i", image: null },
      { name: "gone", $patch: "delete" },
    ],
  });
  assert.deepEqual(spec.securityContext, { runAsGroup: 1 });
  assert.equal("affinity" in spec, false);
  assert.deepEqual(spec.initContainers, [{ name: "i" }]);
});

test("strategic merge stays linear in the lengths of both lists", () => {
  const listOf = (prefix: string) => Array.from({ length: 50_000 }, (_, i) => ({ name: `${prefix}${i}` }));
  const patched = applyStrategicMerge(
    "Pod",
    { spec: { containers: listOf("a") } },
    { spec: { containers: listOf("b") } },
  );
  assert.equal((patched as typeof pod).spec.containers.length, 100_000);
});
