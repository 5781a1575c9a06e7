// The answers of upstream's apiserver to wrong volume sources, of pods and of PersistentVolumes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeNew } from "../judge.ts";
import { persistentVolumeKind } from "../persistent-volume/persistent-volume.ts";
import { podKind } from "../pod/pod.ts";

type Case = readonly [source: object, ...errors: string[]];

const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const IQN = "iqn.2014-12.world.srv:storage.target01";

const POD_VOLUMES: readonly Case[] = [
  [{}],
  [{ fc: {} }, "fc.targetWWNs: Required value: must specify either targetWWNs or wwids, but not both"],
  [{ fc: { targetWWNs: ["w"] } }, "fc.lun: Required value: lun is required if targetWWNs is specified"],
  [{ csi: {} }, "csi.driver: Required value", `csi.driver: Invalid value: "": ${SUBDOMAIN}`],
  [{ csi: { driver: "d", nodePublishSecretRef: { name: "-x" } } }, `csi.name: Invalid value: "-x": ${SUBDOMAIN}`],
  [{ gcePersistentDisk: {} }, "persistentDisk.pdName: Required value"],
  [
    { awsElasticBlockStore: { volumeID: "v", partition: 256 } },
    "awsElasticBlockStore.partition: Invalid value: 256: must be between 1 and 255, inclusive",
  ],
  [
    { azureDisk: { diskName: "d", diskURI: "x", cachingMode: "Some", kind: "Dedicated" } },
    'azureDisk.cachingMode: Unsupported value: "Some": supported values: "None", "ReadOnly", "ReadWrite"',
    'azureDisk.diskURI: Unsupported value: "x": supported values: "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"',
  ],
  [{ cinder: { volumeID: "v", secretRef: {} } }, "cinder.secretRef.name: Required value"],
  [{ flocker: {} }, "flocker: Required value: one of datasetName and datasetUUID is required"],
  [
    { flexVolume: { driver: "a/b", options: { "x.k8s.io/y": "1" } } },
    'flexVolume.options[x.k8s.io/y]: Invalid value: "x.k8s.io/y": kubernetes.io and k8s.io namespaces are reserved',
  ],
  [
    { iscsi: { targetPortal: "p", iqn: "x", lun: 256, chapAuthSession: true, initiatorName: "iqn.x" } },
    'iscsi.iqn: Invalid value: "x": must be valid format starting with iqn, eui, or naa',
    "iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive",
    "iscsi.secretRef: Required value",
    'iscsi.initiatorname: Invalid value: "iqn.x": must be valid format',
  ],
  [
    { quobyte: { registry: "r", volume: "v" } },
    'quobyte.registry: Invalid value: "r": must be a host:port pair or multiple pairs separated by commas',
  ],
  [{ nfs: { server: "s" } }, "nfs.path: Required value", 'nfs.path: Invalid value: "": must be an absolute path'],
  [
    { storageos: { secretRef: {} } },
    "storageos.volumeName: Required value",
    "storageos.secretRef.name: Required value",
  ],
  // The first in upstream's order counts, whatever the order of the writer.
  [
    { cephfs: { monitors: ["m"] }, downwardAPI: {}, hostPath: { path: "/x" } },
    "cephFS: Forbidden: may not specify more than 1 volume type",
    "downwarAPI: Forbidden: may not specify more than 1 volume type",
  ],
  [
    { downwardAPI: { items: [{}] } },
    "downwardAPI.path: Required value",
    "downwardAPI: Required value: one of fieldRef and resourceFieldRef is required",
  ],
  [
    {
      projected: {
        sources: [
          { secret: { name: "a", items: [{ key: "k", path: "p" }] } },
          { configMap: { name: "b", items: [{ key: "k", path: "p" }] } },
          {},
        ],
      },
    },
    'projected: Invalid value: "b": conflicting duplicate paths',
  ],
  [
    { projected: { sources: [{ secret: { name: "a" }, configMap: { name: "b" } }] } },
    "projected.sources[0]: Forbidden: may not specify more than 1 volume type per source",
  ],
];

test("pod volumes: the errors of each source", () => {
  for (const [source, ...errors] of POD_VOLUMES) {
    const spec = { containers: [{ name: "c", image: "i" }], volumes: [{ name: "v", ...source }] };
    const expected = errors.map((error) => `spec.volumes[0].${error}`);
    assert.deepEqual(judgeNew(podKind, { spec }), expected, JSON.stringify(source));
  }
});

const PERSISTENT: readonly Case[] = [
  [
    { iscsi: { targetPortal: "p", iqn: "x", lun: 0, secretRef: {} } },
    'iscsi.iqn: Invalid value: "x": must be valid format',
    "iscsi.secretRef.name: Required value",
  ],
  [
    { iscsi: { targetPortal: "p".repeat(64), iqn: IQN, lun: 0, initiatorName: IQN } },
    `iscsi.targetportal: Invalid value: "${"p".repeat(64)}": Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.`,
  ],
  [
    { cinder: { volumeID: "v", secretRef: {} } },
    "cinder.secretRef.name: Required value",
    "cinder.secretRef.namespace: Required value",
  ],
  [
    { azureFile: { secretName: "s", shareName: "x", secretNamespace: "" } },
    "azureFile.secretNamespace: Required value",
  ],
  [
    { glusterfs: { endpoints: "e", path: "p", endpointsNamespace: "" } },
    'glusterfs.endpointsNamespace: Invalid value: "": if the endpointnamespace is set, it must be a valid namespace name',
  ],
];

test("persistent volumes: the errors of each source", () => {
  for (const [source, ...errors] of PERSISTENT) {
    const spec = { capacity: { storage: "1Gi" }, accessModes: ["ReadWriteOnce"], ...source };
    assert.deepEqual(
      judgeNew(persistentVolumeKind, { spec }),
      errors.map((error) => `spec.${error}`),
    );
  }
});
