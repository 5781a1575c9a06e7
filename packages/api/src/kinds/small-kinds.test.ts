// The rules and columns of the kinds that fit one file.
import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterRoleKind } from "./cluster-role.ts";
import { clusterRoleBindingKind } from "./cluster-role-binding.ts";
import { configMapKind } from "./config-map.ts";
import { endpointSliceKind } from "./endpoint-slice.ts";
import { endpointsKind } from "./endpoints.ts";
import { eventKind } from "./event.ts";
import { created, judgeNew, judgeUpdate, updated } from "./judge.ts";
import { leaseKind } from "./lease.ts";
import { namespaceKind } from "./namespace.ts";
import { nodeKind } from "./node.ts";
import { roleKind } from "./role.ts";
import { roleBindingKind } from "./role-binding.ts";
import { secretKind } from "./secret.ts";

const BAD_KEY =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const base64 = (text: string) => Buffer.from(text).toString("base64");

test("config map: keys, size and immutability", () => {
  assert.deepEqual(judgeNew(configMapKind, { data: { "a/b": "x" } }), [`data[a/b]: Invalid value: "a/b": ${BAD_KEY}`]);
  assert.deepEqual(judgeNew(configMapKind, { data: { a: "x" }, binaryData: { a: base64("x") } }), [
    'data[a]: Invalid value: "a": duplicate of key present in binaryData',
  ]);
  assert.deepEqual(judgeNew(configMapKind, { data: { a: "x".repeat(1024 * 1024 + 1) } }), [
    "[]: Too long: may not be more than 1048576 bytes",
  ]);
  const previous = created(configMapKind, { data: { a: "1" }, immutable: true });
  const changes = judgeUpdate(configMapKind, previous, (next) => {
    next.data = { a: "2" };
    next.immutable = false;
  });
  assert.deepEqual(changes, [
    "immutable: Forbidden: field is immutable when `immutable` is set",
    "data: Forbidden: field is immutable when `immutable` is set",
  ]);
});

test("secret: stringData folds into data, types promise keys, the type stays", () => {
  const secret = created(secretKind, { data: { a: base64("old") }, stringData: { a: "new", b: "ü" } });
  assert.deepEqual(
    [secret.type, secret.data, secret.stringData],
    ["Opaque", { a: base64("new"), b: base64("ü") }, undefined],
  );
  assert.deepEqual(judgeNew(secretKind, { type: "constructor" }), []);
  assert.deepEqual(judgeNew(secretKind, { type: "kubernetes.io/tls" }), [
    "data[tls.crt]: Required value",
    "data[tls.key]: Required value",
  ]);
  const type = "kubernetes.io/dockerconfigjson";
  assert.deepEqual(judgeNew(secretKind, { type, stringData: { ".dockerconfigjson": "{hidden" } }), [
    "data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": invalid character 'h' looking for beginning of object key string",
  ]);
  assert.deepEqual(
    judgeUpdate(secretKind, secret, (next) => {
      next.type = "other";
    }),
    ['type: Invalid value: "other": field is immutable'],
  );
  const fixed = created(secretKind, { data: { a: base64("a") }, immutable: true });
  const told = judgeUpdate(secretKind, fixed, (next) => {
    next.data = { "b d": base64("a") };
  });
  // What may not change comes before what is wrong in itself.
  assert.deepEqual(
    told.map((error) => error.split(":")[0]),
    ["data", "data[b d]"],
  );
});

test("rbac: rules", () => {
  assert.deepEqual(judgeNew(roleKind, { rules: [{ verbs: ["get"] }] }), [
    "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
    "rules[0].resources: Required value: resource rules must supply at least one resource",
  ]);
  const url = { rules: [{ verbs: [], nonResourceURLs: ["/x"] }] };
  assert.deepEqual(judgeNew(clusterRoleKind, url), [
    "rules[0].verbs: Required value: verbs must contain at least one value",
  ]);
  assert.deepEqual(
    judgeNew(roleKind, url).at(1),
    'rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs',
  );
  assert.deepEqual(judgeNew(clusterRoleKind, { metadata: { name: "system:node" }, rules: [] }), []);
  assert.deepEqual(judgeNew(clusterRoleKind, { metadata: { name: "a/b" } }), [
    "metadata.name: Invalid value: \"a/b\": may not contain '/'",
  ]);
});

test("rbac: bindings", () => {
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "view" };
  const user = { kind: "User", name: "jane" };
  const binding = created(roleBindingKind, { roleRef: { kind: "ClusterRole", name: "view" }, subjects: [user] });
  assert.equal(binding.roleRef.apiGroup, "rbac.authorization.k8s.io");
  assert.equal(binding.subjects?.[0]?.apiGroup, "rbac.authorization.k8s.io");
  const account = { kind: "ServiceAccount", name: "robot" };
  assert.deepEqual(judgeNew(clusterRoleBindingKind, { roleRef: { ...roleRef, kind: "Role" }, subjects: [account] }), [
    'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
    "subjects[0].namespace: Required value",
  ]);
  const change = judgeUpdate(roleBindingKind, binding, (next) => {
    next.roleRef.name = "edit";
  });
  assert.deepEqual(change, [
    'roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"ClusterRole","Name":"edit"}: cannot change roleRef',
  ]);
  const cells = roleBindingKind.columns.map((column) => column.value(binding, 0));
  assert.deepEqual([cells[1], cells[3], cells[5]], ["ClusterRole/view", "jane", ""]);
});

test("namespace: finalizer, label and phase", () => {
  const namespace = created(namespaceKind, { metadata: { name: "dev" } });
  assert.deepEqual(namespace.spec.finalizers, ["kubernetes"]);
  assert.deepEqual(namespace.metadata.labels, { "kubernetes.io/metadata.name": "dev" });
  assert.deepEqual([namespace.status, namespace.metadata.generation], [{ phase: "Active" }, undefined]);
  const { object } = updated(namespaceKind, namespace, (next) => {
    next.spec.finalizers = [];
  });
  assert.deepEqual(object.spec.finalizers, ["kubernetes"]);
  const finalize = namespaceKind.subresources.find(({ name }) => name === "finalize")?.rules;
  const next = structuredClone(namespace);
  next.spec.finalizers = [];
  finalize?.prepareForUpdate(next, namespace, "2026-01-01T00:00:01Z");
  assert.deepEqual([next.spec.finalizers, finalize?.validateUpdate(next, namespace)], [[], []]);
  assert.deepEqual(
    judgeUpdate(namespaceKind, namespace, (n) => Object.assign(n, { status: { phase: "Terminating" } }), true),
    ["status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty"],
  );
});

test("node: creators say the status, ranges are set once, taints are judged", () => {
  const node = created(nodeKind, { spec: { podCIDR: "10.1.0.0/24" }, status: { phase: "x" } });
  assert.deepEqual([node.spec?.podCIDRs, node.status?.phase], [["10.1.0.0/24"], "x"]);
  const moved = judgeUpdate(nodeKind, node, (next) => Object.assign(next, { spec: { podCIDR: "10.2.0.0/24" } }));
  assert.deepEqual(moved, [
    'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
    "[]: Forbidden: node updates may only change labels, taints, or capacity",
  ]);
  const host = { type: "InternalIP", address: "192.0.2.7" };
  const twice = judgeUpdate(nodeKind, node, (n) => Object.assign(n.status ?? {}, { addresses: [host, host] }), true);
  assert.deepEqual(twice, ['status.addresses[1]: Duplicate value: {"Type":"InternalIP","Address":"192.0.2.7"}']);
  const patched = judgeUpdate(nodeKind, node, (next) => Object.assign(next.spec ?? {}, { podCIDR: "10.2.0.0/24" }));
  assert.deepEqual(patched, moved);
  const taint = { key: "a", effect: "NoSchedule" };
  assert.deepEqual(judgeNew(nodeKind, { spec: { taints: [taint, taint, { key: "b", effect: "Maybe" }] } }), [
    'metadata.taints[1]: Duplicate value: {"Key":"a","Value":"","Effect":"NoSchedule","TimeAdded":null}: taints must be unique by key and effect pair',
    'metadata.taints[2].effect: Unsupported value: "Maybe": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
  ]);
});

const NOW = Date.parse("2026-01-01T00:00:05Z");

test("node columns", () => {
  const labels = { "node-role.kubernetes.io/control-plane": "", "kubernetes.io/role": "edge" };
  const node = created(nodeKind, {
    metadata: { name: "n1", labels },
    spec: { unschedulable: true },
    status: {
      conditions: [{ type: "Ready", status: "True" }],
      addresses: [{ type: "InternalIP", address: "10.0.0.1" }],
      nodeInfo: { kubeletVersion: "v1.36.0", kernelVersion: "6.18" },
    },
  });
  const cells = nodeKind.columns.map((column) => column.value(node, NOW));
  assert.deepEqual(cells, [
    "n1",
    "Ready,SchedulingDisabled",
    "control-plane,edge",
    "5s",
    "v1.36.0",
    "10.0.0.1",
    "<none>",
    "<unknown>",
    "6.18",
    "<unknown>",
  ]);
});

test("event: namespaces match, new style needs a reporter, columns read times in order", () => {
  const involvedObject = { kind: "Pod", name: "web", namespace: "default" };
  assert.deepEqual(judgeNew(eventKind, { involvedObject }), []);
  assert.deepEqual(judgeNew(eventKind, { involvedObject: { ...involvedObject, namespace: "other" } }), [
    'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
  ]);
  const eventTime = "2026-01-01T00:00:00.000000Z";
  const fine = {
    involvedObject,
    eventTime,
    reportingComponent: "kubelet",
    reportingInstance: "n1",
    action: "Run",
    reason: "Ran",
  };
  assert.deepEqual(judgeNew(eventKind, fine), []);
  assert.equal(judgeNew(eventKind, { ...fine, reportingInstance: "" })[0], "reportingInstance: Required value");
  const event = created(eventKind, { ...fine, type: "Normal", message: " ran \n" });
  const cells = eventKind.columns.map((column) => column.value(event, Date.parse("2026-01-01T00:05:00Z")));
  assert.deepEqual(cells, ["5m", "Normal", "Ran", "pod/web", "", "kubelet, n1", "ran", "5m", 1, "x"]);
});

test("event: writers through events.k8s.io/v1 say all of it, and may only go on with the series", () => {
  const version = eventKind.otherVersions?.find(({ group, version }) => group === "events.k8s.io" && version === "v1");
  const words = (errors: readonly { field: string; detail: string }[] | undefined) =>
    errors?.map(({ field, detail }) => `${field}: ${detail}`);
  const involvedObject = { kind: "Pod", name: "web", namespace: "default" };
  const loose = created(eventKind, { involvedObject, count: 2, source: { component: "c" }, series: { count: 1 } });
  assert.deepEqual(words(version?.validateCreate?.(loose)), [
    "series.count: should be at least 2",
    "series.lastObservedTime: ",
    "eventTime: ",
    "type: has invalid value: ",
    "count: needs to be unset",
    "source: needs to be unset",
  ]);
  const eventTime = "2026-01-01T00:00:00.000000Z";
  const event = created(eventKind, { involvedObject, eventTime, type: "Normal", reason: "Ran" });
  assert.deepEqual(version?.validateCreate?.(event), []);
  const next = { ...event, reason: "Ran on", series: { count: 2, lastObservedTime: eventTime } };
  assert.deepEqual(words(version?.validateUpdate?.(next, event)), [
    "reason: field is immutable",
    "reason: field is immutable",
  ]);
});

test("lease: durations", () => {
  assert.deepEqual(judgeNew(leaseKind, { spec: { leaseDurationSeconds: 0, leaseTransitions: -1 } }), [
    "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
    "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
  ]);
  assert.deepEqual(judgeNew(leaseKind, { spec: { holderIdentity: "" } }), []);
});

test("endpoints: addresses that can be routed to", () => {
  assert.deepEqual(
    judgeNew(endpointsKind, { subsets: [{ addresses: [{ ip: "169.254.1.1" }], ports: [{ port: 0 }] }] }),
    [
      'subsets[0].addresses[0].ip: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
      "subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
    ],
  );
  const ips = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::4"].map((ip) => ({ ip }));
  const object = created(endpointsKind, { subsets: [{ addresses: ips, ports: [{ port: 80 }] }] });
  assert.equal(endpointsKind.columns[1]?.value(object, 0), "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 1 more...");
});

test("endpoint slice: address types, ports and generation", () => {
  const endpoints = [{ addresses: ["10.0.0.1"] }];
  assert.deepEqual(judgeNew(endpointSliceKind, { addressType: "IPv6", endpoints, ports: [{}, {}] }), [
    'endpoints[0].addresses[0]: Invalid value: "10.0.0.1": must be an IPv6 address',
    'ports[1].name: Duplicate value: ""',
  ]);
  const slice = created(endpointSliceKind, { addressType: "IPv4", endpoints, ports: [{ port: 80 }] });
  assert.deepEqual([slice.metadata.generation, slice.ports], [1, [{ port: 80, name: "", protocol: "TCP" }]]);
  const generation = (change: (next: typeof slice) => void) =>
    updated(endpointSliceKind, slice, change).object.metadata.generation;
  assert.equal(
    generation((next) => Object.assign(next.metadata, { annotations: { a: "b" } })),
    1,
  );
  assert.equal(
    generation((next) => next.endpoints?.push({ addresses: ["10.0.0.2"] })),
    2,
  );
  assert.deepEqual(
    endpointSliceKind.columns.slice(1, 4).map((column) => column.value(slice, 0)),
    ["IPv4", "80", "10.0.0.1"],
  );
});
