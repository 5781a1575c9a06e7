// Volumes, claims and the classes and drivers behind them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { csiDriverKind } from "./csi-driver.ts";
import { created, judgeNew, judgeUpdate, updated } from "./judge.ts";
import { persistentVolumeKind } from "./persistent-volume/persistent-volume.ts";
import { persistentVolumeClaimKind } from "./persistent-volume-claim/persistent-volume-claim.ts";
import { storageClassKind } from "./storage-class.ts";
import { volumeAttachmentKind } from "./volume-attachment.ts";

const volume = (extra: object = {}) => ({
  spec: { capacity: { storage: "1Gi" }, accessModes: ["ReadWriteOnce"], hostPath: { path: "/x" }, ...extra },
});
const claim = (extra: object = {}) => ({
  spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, ...extra },
});

const BAD_VOLUMES: readonly (readonly [object, ...string[]])[] = [
  [{ hostPath: undefined }, "spec: Required value: must specify a volume type"],
  [{ nfs: { server: "s", path: "/" } }, "spec.nfs: Forbidden: may not specify more than 1 volume type"],
  [{ accessModes: [] }, "spec.accessModes: Required value"],
  [
    { accessModes: ["ReadWriteOncePod", "ReadOnlyMany"] },
    "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes",
  ],
  [
    { capacity: {} },
    "spec.capacity: Required value",
    'spec.capacity: Unsupported value: null: supported values: "storage"',
  ],
  [{ capacity: { storage: "0" } }, 'spec.capacity[storage]: Invalid value: "0": must be greater than zero'],
  [
    { persistentVolumeReclaimPolicy: "Keep" },
    'spec.persistentVolumeReclaimPolicy: Unsupported value: "Keep": supported values: "Delete", "Recycle", "Retain"',
  ],
  [
    { hostPath: undefined, local: { path: "/x" } },
    "spec.nodeAffinity: Required value: Local volume requires node affinity",
  ],
  [{ hostPath: undefined, csi: { driver: "d.example.com" } }, "spec.csi.volumeHandle: Required value"],
];

test("persistent volume: one source, some capacity", () => {
  assert.deepEqual(judgeNew(persistentVolumeKind, volume()), []);
  for (const [extra, ...expected] of BAD_VOLUMES) {
    assert.deepEqual(judgeNew(persistentVolumeKind, volume(extra)), expected);
  }
});

test("persistent volume: the source stays", () => {
  const previous = created(persistentVolumeKind, volume());
  assert.deepEqual(previous.status?.phase, "Pending");
  const errors = judgeUpdate(persistentVolumeKind, previous, (next) => {
    if (next.spec?.hostPath) next.spec.hostPath.path = "/y";
  });
  assert.deepEqual(errors, [
    "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation",
  ]);
});

test("claim: what must be said", () => {
  assert.deepEqual(judgeNew(persistentVolumeClaimKind, claim()), []);
  assert.deepEqual(judgeNew(persistentVolumeClaimKind, {}), [
    "spec.accessModes: Required value: at least 1 access mode is required",
    "spec.resources[storage]: Required value",
  ]);
  assert.deepEqual(judgeNew(persistentVolumeClaimKind, claim({ dataSource: { kind: "Thing", name: "a" } })), [
    "spec.dataSource: Invalid value: \"Thing\": must be 'PersistentVolumeClaim' when referencing the default apiGroup",
    "spec.dataSourceRef: Invalid value: \"Thing\": must be 'PersistentVolumeClaim' when referencing the default apiGroup",
  ]);
});

test("claim: it is bound once, and grows when bound", () => {
  const pending = created(persistentVolumeClaimKind, claim());
  const grow = (storage: string) => (next: typeof pending) => {
    if (next.spec) next.spec.resources = { requests: { storage } };
  };
  assert.match(
    judgeUpdate(persistentVolumeClaimKind, pending, grow("2Gi")).join(),
    /^spec: Forbidden: spec is immutable after/,
  );
  const bind = (name: string) => (next: typeof pending) => {
    if (next.spec) next.spec.volumeName = name;
  };
  const { object: named, errors } = updated(persistentVolumeClaimKind, pending, bind("pv"));
  assert.deepEqual(errors, []);
  const bound = { ...named, status: { phase: "Bound", capacity: { storage: "1Gi" } } };
  assert.deepEqual(judgeUpdate(persistentVolumeClaimKind, bound, grow("2Gi")), []);
  assert.equal(judgeUpdate(persistentVolumeClaimKind, bound, bind("other")).length, 1);
  assert.deepEqual(judgeUpdate(persistentVolumeClaimKind, bound, grow("1Mi")), [
    "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity",
  ]);
});

test("storage class: its name tells the default, its provisioner stays", () => {
  const annotations = { "storageclass.kubernetes.io/is-default-class": "true" };
  const previous = created(storageClassKind, { metadata: { annotations }, provisioner: "example.com/p" });
  const cells = storageClassKind.columns.slice(0, 5).map((column) => column.value(previous, 0));
  assert.deepEqual(cells, ["x (default)", "example.com/p", "Delete", "Immediate", false]);
  const errors = judgeUpdate(storageClassKind, previous, (next) => {
    next.provisioner = "example.com/q";
    next.reclaimPolicy = "Retain";
    next.volumeBindingMode = "WaitForFirstConsumer";
  });
  assert.deepEqual(errors, [
    "provisioner: Forbidden: updates to provisioner are forbidden.",
    "reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.",
    'volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable',
  ]);
});

test("csi driver: only what may change counts generations", () => {
  const previous = created(csiDriverKind, { metadata: { name: "d.example.com" }, spec: {} });
  const { object } = updated(csiDriverKind, previous, (next) => {
    next.spec.requiresRepublish = true;
  });
  assert.equal(object.metadata.generation, 2);
  const fixed = judgeUpdate(csiDriverKind, previous, (next) => {
    next.spec.attachRequired = false;
  });
  assert.deepEqual(fixed, ["spec.attachRequired: Invalid value: false: field is immutable"]);
});

test("volume attachment: exactly one source, and the spec stays", () => {
  const spec = { attacher: "d.example.com", nodeName: "n", source: {} };
  assert.deepEqual(judgeNew(volumeAttachmentKind, { spec }), [
    "spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName",
  ]);
  const previous = created(volumeAttachmentKind, { spec: { ...spec, source: { persistentVolumeName: "pv" } } });
  assert.deepEqual(previous.status, { attached: false });
  const errors = judgeUpdate(volumeAttachmentKind, previous, (next) => {
    next.spec.nodeName = "m";
  });
  assert.match(errors.join(), /^spec: .*field is immutable$/);
});
