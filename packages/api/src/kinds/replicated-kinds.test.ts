// StatefulSets, DaemonSets, ReplicationControllers and disruption budgets: defaults, rules, updates.
import assert from "node:assert/strict";
import { test } from "node:test";
import { daemonSetKind } from "./daemon-set.ts";
import { created, judgeNew, judgeUpdate, updated } from "./judge.ts";
import { podDisruptionBudgetKind } from "./pod-disruption-budget.ts";
import { replicationControllerKind } from "./replication-controller.ts";
import { statefulSetKind } from "./stateful-set.ts";

const template = { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "c", image: "i" }] } };
const selected = (extra: object = {}) => ({ spec: { selector: { matchLabels: { app: "web" } }, template, ...extra } });

test("stateful set: defaults reach into claim templates", () => {
  const claim = { metadata: { name: "data" }, spec: { accessModes: ["ReadWriteOnce"] } };
  const { spec, status } = created(statefulSetKind, selected({ volumeClaimTemplates: [claim] }));
  assert.deepEqual(spec?.updateStrategy, { type: "RollingUpdate", rollingUpdate: { partition: 0 } });
  assert.deepEqual(spec?.persistentVolumeClaimRetentionPolicy, { whenDeleted: "Retain", whenScaled: "Retain" });
  assert.deepEqual(
    [spec?.replicas, spec?.podManagementPolicy, status],
    [1, "OrderedReady", { replicas: 0, availableReplicas: 0 }],
  );
  const [made] = spec?.volumeClaimTemplates ?? [];
  assert.deepEqual(
    [made?.kind, made?.spec?.volumeMode, made?.status?.phase],
    ["PersistentVolumeClaim", "Filesystem", "Pending"],
  );
});

const BAD_STATEFUL_SETS: readonly (readonly [object, string])[] = [
  [{ selector: {} }, "selector: Invalid value: {}: empty selector is invalid for statefulset"],
  [
    { podManagementPolicy: "Random" },
    `podManagementPolicy: Invalid value: "Random": must be 'OrderedReady' or 'Parallel'`,
  ],
  [
    { updateStrategy: { type: "OnDelete", rollingUpdate: { partition: 1 } } },
    `updateStrategy.rollingUpdate: Invalid value: {"partition":1}: only allowed for updateStrategy 'RollingUpdate'`,
  ],
  [
    { updateStrategy: { rollingUpdate: { maxUnavailable: "0%" } } },
    'updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "0%": cannot be 0',
  ],
  [{ ordinals: { start: -1 } }, "ordinals.start: Invalid value: -1: must be greater than or equal to 0"],
];

test("stateful set: validation and what may change", () => {
  for (const [extra, expected] of BAD_STATEFUL_SETS) {
    assert.deepEqual(judgeNew(statefulSetKind, selected(extra)), [`spec.${expected}`]);
  }
  const previous = created(statefulSetKind, selected());
  const change = (fields: object) =>
    judgeUpdate(statefulSetKind, previous, (next) => Object.assign(next.spec ?? {}, fields));
  assert.deepEqual(change({ replicas: 3, minReadySeconds: 1 }), []);
  assert.deepEqual(change({ serviceName: "other" }), [
    "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
  ]);
  assert.deepEqual(judgeNew(statefulSetKind, { metadata: { name: "a.b" }, ...selected() }).length, 1);
});

test("daemon set: the template's generation is counted apart, in an annotation", () => {
  const key = "deprecated.daemonset.template.generation";
  const previous = created(daemonSetKind, selected());
  assert.equal(previous.metadata.annotations?.[key], "1");
  const { object } = updated(daemonSetKind, previous, (next) => {
    if (next.spec) next.spec.minReadySeconds = 5;
  });
  assert.deepEqual([object.metadata.annotations?.[key], object.metadata.generation], ["1", 2]);
  const { object: replaced } = updated(daemonSetKind, previous, (next) => {
    if (next.spec?.template.spec) next.spec.template.spec.hostNetwork = true;
  });
  assert.deepEqual([replaced.metadata.annotations?.[key], replaced.metadata.generation], ["2", 2]);
});

const rolling = (rollingUpdate: object) => selected({ updateStrategy: { type: "RollingUpdate", rollingUpdate } });
const ROLLING = "spec.updateStrategy.rollingUpdate";

test("daemon set: one of surge and unavailability moves an update on", () => {
  assert.deepEqual(judgeNew(daemonSetKind, rolling({ maxUnavailable: 0, maxSurge: 1 })), []);
  assert.deepEqual(judgeNew(daemonSetKind, rolling({ maxUnavailable: 0, maxSurge: 0 })), [
    `${ROLLING}.maxUnavailable: Required value: cannot be 0 when maxSurge is 0`,
  ]);
  assert.deepEqual(judgeNew(daemonSetKind, rolling({ maxUnavailable: 1, maxSurge: "101%" })), [
    `${ROLLING}.maxSurge: Invalid value: "101%": may not be set when maxUnavailable is non-zero`,
    `${ROLLING}.maxSurge: Invalid value: "101%": must not be greater than 100%`,
  ]);
  const other = judgeUpdate(daemonSetKind, created(daemonSetKind, selected()), (next) => {
    if (next.spec) next.spec.selector = { matchLabels: { app: "web", b: "c" } };
  });
  assert.match(other.join(), /spec\.selector: .*: field is immutable/);
});

test("replication controller: the template's labels are its selector, and scale tells it as text", () => {
  const made = created(replicationControllerKind, { spec: { template } });
  assert.deepEqual([made.spec?.selector, made.metadata.labels], [{ app: "web" }, { app: "web" }]);
  assert.deepEqual(replicationControllerKind.scale?.read(made), {
    specReplicas: 1,
    statusReplicas: 0,
    selector: "app=web",
  });
  assert.deepEqual(judgeNew(replicationControllerKind, { spec: { selector: { app: "x" }, template } }), [
    'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
  ]);
  assert.deepEqual(judgeNew(replicationControllerKind, {}), [
    "spec.selector: Required value",
    "spec.template: Required value",
  ]);
});

test("disruption budget: one bound, within 100%", () => {
  const judge = (spec: object) => judgeNew(podDisruptionBudgetKind, { spec });
  assert.deepEqual(judge({ minAvailable: "50%" }), []);
  assert.deepEqual(judge({ minAvailable: "150%" }), [
    'spec.minAvailable: Invalid value: "150%": must not be greater than 100%',
  ]);
  assert.match(
    judge({ minAvailable: 1, maxUnavailable: 1 }).join(),
    /: minAvailable and maxUnavailable cannot be both set$/,
  );
  const cells = podDisruptionBudgetKind.columns.map((column) =>
    column.value(created(podDisruptionBudgetKind, { spec: { maxUnavailable: 1 } }), 0),
  );
  assert.deepEqual(cells.slice(1, 4), ["N/A", "1", 0]);
});
