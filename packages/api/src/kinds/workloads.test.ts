// Deployments and ReplicaSets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { deploymentKind } from "./deployment.ts";
import { created, judgeNew, judgeUpdate, updated } from "./judge.ts";
import { replicaSetKind } from "./replica-set.ts";

const template = { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "c", image: "nginx:1" }] } };
const selector = { matchLabels: { app: "web" } };
const web = (spec: object = {}) => ({ spec: { selector, template, ...spec } });

test("deployment defaults are upstream's", () => {
  const { spec, status, metadata } = created(deploymentKind, web());
  assert.deepEqual([spec?.replicas, spec?.revisionHistoryLimit, spec?.progressDeadlineSeconds], [1, 10, 600]);
  assert.deepEqual(spec?.strategy, {
    type: "RollingUpdate",
    rollingUpdate: { maxUnavailable: "25%", maxSurge: "25%" },
  });
  assert.equal(spec?.template.spec?.restartPolicy, "Always");
  // Only pods themselves get their requests from limits and know about service links.
  assert.equal(spec?.template.spec?.enableServiceLinks, undefined);
  assert.deepEqual([status, metadata.generation], [{}, 1]);
});

const BAD: readonly (readonly [object, ...string[]])[] = [
  [web({ replicas: -1 }), "spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
  [{ spec: { template } }, "spec.selector: Required value"],
  [web({ selector: {} }), "spec.selector: Invalid value: {}: empty selector is invalid for deployment"],
  [
    web({ selector: { matchLabels: { app: "db" } } }),
    'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
  ],
  [
    web({ selector: { matchExpressions: [{ key: "app", operator: "In" }] } }),
    "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
    'spec.selector: Invalid value: {"matchExpressions":[{"key":"app","operator":"In"}]}: invalid label selector',
  ],
  [
    web({ strategy: { type: "Recreate", rollingUpdate: {} } }),
    "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
  ],
  [
    web({ strategy: { type: "Canary" } }),
    'spec.strategy: Unsupported value: {"Type":"Canary","RollingUpdate":null}: supported values: "Recreate", "RollingUpdate"',
  ],
  [
    web({ strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: "0%" } } }),
    'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0',
  ],
  [
    web({ strategy: { rollingUpdate: { maxSurge: "x", maxUnavailable: "101%" } } }),
    `spec.strategy.rollingUpdate.maxSurge: Invalid value: "x": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')`,
    'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
  ],
  [
    web({ progressDeadlineSeconds: 5, minReadySeconds: 5 }),
    "spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds",
  ],
  [
    web({ template: { ...template, spec: { ...template.spec, restartPolicy: "Never", activeDeadlineSeconds: 5 } } }),
    'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported",
  ],
];

test("deployment validation speaks upstream's words", () => {
  assert.deepEqual(judgeNew(deploymentKind, web()), []);
  for (const [manifest, ...expected] of BAD) assert.deepEqual(judgeNew(deploymentKind, manifest), expected);
});

test("deployment updates count generations and keep the selector", () => {
  const previous = created(deploymentKind, web());
  const relabelled = updated(deploymentKind, previous, (next) => {
    next.metadata.labels = { a: "b" };
  });
  assert.equal(relabelled.object.metadata.generation, 1);
  const annotated = updated(deploymentKind, previous, (next) => {
    next.metadata.annotations = { a: "b" };
  });
  assert.equal(annotated.object.metadata.generation, 2);
  const scaled = updated(deploymentKind, previous, (next) => deploymentKind.scale?.write(next, 3));
  assert.deepEqual([scaled.object.metadata.generation, scaled.object.spec?.replicas], [2, 3]);
  const errors = judgeUpdate(deploymentKind, previous, (next) => {
    if (!next.spec) return;
    next.spec.selector = { matchLabels: { app: "web", tier: "x" } };
    next.spec.template.metadata = { labels: { app: "web", tier: "x" } };
  });
  assert.deepEqual(errors, [
    'spec.selector: Invalid value: {"matchLabels":{"app":"web","tier":"x"}}: field is immutable',
  ]);
});

test("deployment status is judged for sense and leaves labels alone", () => {
  const previous = created(deploymentKind, web());
  const change = { replicas: 1, readyReplicas: 2 };
  const { object, errors } = updated(
    deploymentKind,
    previous,
    (next) => {
      next.status = change;
      next.metadata.labels = { a: "b" };
    },
    true,
  );
  assert.equal(object.metadata.labels, undefined);
  assert.equal(object.metadata.generation, 1);
  assert.deepEqual(
    errors.map(({ field, detail }) => `${field}: ${detail}`),
    ["status.readyReplicas: cannot be greater than status.replicas"],
  );
});

test("replica set: zeros are written, scale tells its selector, columns show both counts", () => {
  const set = created(replicaSetKind, web());
  assert.deepEqual([set.spec?.replicas, set.status], [1, { replicas: 0 }]);
  assert.deepEqual(replicaSetKind.scale?.read(set), { specReplicas: 1, statusReplicas: 0, selector: "app=web" });
  const cells = replicaSetKind.columns.map((column) => column.value(set, 0));
  assert.deepEqual(cells.slice(1, 4), [1, 0, 0]);
  assert.deepEqual(cells.slice(5), ["c", "nginx:1", "app=web"]);
  assert.deepEqual(judgeNew(replicaSetKind, { spec: { selector: {}, template } }), [
    "spec.selector: Invalid value: {}: empty selector is invalid for deployment",
  ]);
});
