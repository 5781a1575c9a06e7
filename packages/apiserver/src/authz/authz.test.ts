// Authorization by roles and by node over changing objects.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { KindDefinition } from "@skiff/api/kind.ts";
import { roleKind } from "@skiff/api/kinds/role.ts";
import { roleBindingKind } from "@skiff/api/kinds/role-binding.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import {
  clusterRoleBindings,
  clusterRoles,
  persistentVolumes,
  pods,
  roleBindings,
  roles,
  volumeAttachments,
} from "@skiff/api/resource-ref.ts";
import type { Pod, PolicyRule, RbacV1Subject } from "@skiff/api/types.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import type { AdmissionRequest } from "../admission/admission.ts";
import type { UserInfo } from "../authn/authenticator.ts";
import type { AuthorizationAttributes, Decision } from "./authorizer.ts";
import { createRbacEscalationCheck } from "./escalation.ts";
import { createAuthorizer } from "./index.ts";
import { MemoryReader } from "./memory-reader.ts";
import { describeRules, ruleAllows, uncoveredRules } from "./rbac-rules.ts";

const signal = new AbortController().signal;
const alice: UserInfo = { name: "alice", groups: ["devs", "system:authenticated"], extra: {} };
const node: UserInfo = { name: "system:node:n1", groups: ["system:nodes"], extra: {} };

function setUp(...modes: string[]) {
  const reader = new MemoryReader();
  const authorizer = createAuthorizer(modes, { reader, clock: realClock, log: silentLogger() });
  return { reader, authorizer };
}

function asks(user: UserInfo, verb: string, resource: string, more: Partial<AuthorizationAttributes> = {}) {
  const [plural = "", subresource = ""] = resource.split("/");
  return {
    user,
    verb,
    isResourceRequest: true,
    namespace: "ns",
    group: "",
    version: "v1",
    resource: plural,
    subresource,
    name: "",
    path: "",
    ...more,
  } satisfies AuthorizationAttributes;
}

function reading(resources: string[], verbs = ["get", "list"]): PolicyRule[] {
  return [{ apiGroups: [""], resources, verbs }];
}

function bind(reader: MemoryReader, subject: RbacV1Subject, kind: string, role: string, namespace = "ns", name = "b") {
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind, name: role };
  const binding = { metadata: { name, ...(namespace ? { namespace } : {}) }, roleRef, subjects: [subject] };
  if (namespace) reader.put(roleBindings, binding);
  else reader.put(clusterRoleBindings, binding);
}

test("RBAC follows bindings as they come, change and go", async () => {
  const { reader, authorizer } = setUp("RBAC");
  const verdict = async () => (await authorizer.authorize(asks(alice, "get", "pods"))).verdict;
  assert.equal(await verdict(), "no-opinion");
  bind(reader, { kind: "Group", name: "devs" }, "Role", "r");
  const missing = await authorizer.authorize(asks(alice, "get", "pods"));
  assert.equal(missing.reason, 'RBAC: roles.rbac.authorization.k8s.io "r" not found');
  reader.put(roles, { metadata: { name: "r", namespace: "ns" }, rules: reading(["pods"]) });
  const allowed = await authorizer.authorize(asks(alice, "get", "pods"));
  assert.deepEqual(allowed, {
    verdict: "allow",
    reason: 'RBAC: allowed by RoleBinding "b/ns" of Role "r" to Group "devs"',
  });
  assert.equal((await authorizer.authorize(asks(alice, "get", "pods", { namespace: "other" }))).verdict, "no-opinion");
  bind(reader, { kind: "User", name: "bob" }, "Role", "r");
  assert.equal(await verdict(), "no-opinion");
  bind(reader, { kind: "User", name: "alice" }, "Role", "r");
  assert.equal(await verdict(), "allow");
  reader.remove(roleBindings, "ns", "b");
  assert.equal(await verdict(), "no-opinion");
});

test("RBAC gives service accounts, cluster bindings and aggregated roles their rights", async () => {
  const { reader, authorizer } = setUp("RBAC");
  reader.put(clusterRoles, { metadata: { name: "part", labels: { to: "all" } }, rules: reading(["pods/log"]) });
  const aggregationRule = { clusterRoleSelectors: [{ matchLabels: { to: "all" } }] };
  reader.put(clusterRoles, { metadata: { name: "all" }, aggregationRule });
  bind(reader, { kind: "ServiceAccount", name: "sa", namespace: "ns" }, "ClusterRole", "all", "");
  const account: UserInfo = { name: "system:serviceaccount:ns:sa", groups: [], extra: {} };
  assert.equal((await authorizer.authorize(asks(account, "get", "pods/log"))).verdict, "allow");
  assert.equal((await authorizer.authorize(asks(account, "get", "pods"))).verdict, "no-opinion");
  reader.put(clusterRoles, { metadata: { name: "late", labels: { to: "all" } }, rules: reading(["pods"]) });
  assert.equal((await authorizer.authorize(asks(account, "get", "pods"))).verdict, "allow");
});

test("createAuthorizer lets system:masters do everything and nobody else by default", async () => {
  const { authorizer } = setUp("Node", "RBAC");
  const master: UserInfo = { name: "root", groups: ["system:masters"], extra: {} };
  assert.equal((await authorizer.authorize(asks(master, "delete", "nodes"))).verdict, "allow");
  assert.equal((await authorizer.authorize(asks(alice, "get", "nodes"))).verdict, "no-opinion");
  assert.throws(() => setUp("Typo"), /unknown authorization mode "Typo"/);
});

test("ruleAllows matches wildcards, subresources, names and paths as upstream", () => {
  const rule = { apiGroups: ["*"], resources: ["*/scale", "pods"], resourceNames: ["a"], verbs: ["get"] };
  const allows = (resource: string, name: string) => ruleAllows(rule, asks(alice, "get", resource, { name }));
  assert.equal(allows("deployments/scale", "a"), true);
  assert.equal(allows("pods/log", "a"), false);
  assert.equal(allows("pods", "b"), false);
  const urls = { nonResourceURLs: ["/healthz/*"], verbs: ["get"] };
  const visits = (path: string) => ruleAllows(urls, asks(alice, "get", "", { isResourceRequest: false, path }));
  assert.deepEqual([visits("/healthz/etcd"), visits("/healthz"), visits("/metrics")], [true, false, false]);
});

test("uncoveredRules finds what is not held, verb by verb", () => {
  const held = reading(["pods"], ["get"]);
  const missing = uncoveredRules(held, reading(["pods", "pods/log"], ["get", "list"]));
  assert.equal(
    describeRules(missing),
    '{APIGroups:[""], Resources:["pods"], Verbs:["list"]}\n{APIGroups:[""], Resources:["pods/log"], Verbs:["get" "list"]}',
  );
  assert.deepEqual(uncoveredRules([{ apiGroups: ["*"], resources: ["*"], verbs: ["*"] }], reading(["pods/log"])), []);
});

function write(kind: unknown, object: KubeObject, user = alice): AdmissionRequest {
  return {
    operation: "CREATE",
    kind: kind as KindDefinition,
    subresource: "",
    namespace: "ns",
    name: object.metadata.name,
    object,
    oldObject: undefined,
    user,
    dryRun: false,
    warn() {},
  };
}

test("createRbacEscalationCheck refuses rights that the writer does not hold unless it may bind or escalate", async () => {
  const { reader, authorizer } = setUp("RBAC");
  reader.put(roles, { metadata: { name: "mine", namespace: "ns" }, rules: reading(["pods"]) });
  bind(reader, { kind: "User", name: "alice" }, "Role", "mine");
  const check = createRbacEscalationCheck(authorizer);
  const grant = (rules: PolicyRule[]) =>
    check.validate?.(write(roleKind, { metadata: meta("new"), rules } as KubeObject), signal);
  await grant(reading(["pods"]));
  await assert.rejects(async () => grant(reading(["secrets"], ["get"])), {
    message:
      'roles.rbac.authorization.k8s.io "new" is forbidden: user "alice" (groups=["devs" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}',
  });
  const binding = (role: string) =>
    check.validate?.(
      write(roleBindingKind, { metadata: meta("x"), roleRef: { kind: "ClusterRole", name: role } } as KubeObject),
      signal,
    );
  await assert.rejects(async () => binding("none"), /clusterroles.rbac.authorization.k8s.io "none" not found/);
  reader.put(clusterRoles, { metadata: { name: "big" }, rules: reading(["nodes"]) });
  await assert.rejects(async () => binding("big"), /attempting to grant RBAC permissions/);
  const mayBind = [{ apiGroups: ["rbac.authorization.k8s.io"], resources: ["clusterroles"], verbs: ["bind"] }];
  reader.put(clusterRoles, { metadata: { name: "binder" }, rules: mayBind });
  bind(reader, { kind: "User", name: "alice" }, "ClusterRole", "binder", "", "c");
  await binding("big");
});

function meta(name: string) {
  return { name, namespace: "ns", uid: "", resourceVersion: "", creationTimestamp: "" };
}

function podOn(nodeName: string | undefined): Omit<Pod, "metadata"> & { metadata: Partial<Pod["metadata"]> } {
  const env = [{ name: "A", valueFrom: { secretKeyRef: { name: "s1", key: "k" } } }];
  const volumes = [{ name: "v", projected: { sources: [{ configMap: { name: "kube-root-ca.crt" } }] } }];
  const spec = {
    ...(nodeName ? { nodeName } : {}),
    serviceAccountName: "sa",
    containers: [{ name: "c", env }],
    volumes,
  };
  return { metadata: { name: "p", namespace: "ns" }, spec };
}

test("the Node authorizer allows what the node's pods refer to, while they do", async () => {
  const { reader, authorizer } = setUp("Node");
  const decide = async (verb: string, resource: string, name: string): Promise<Decision> =>
    authorizer.authorize(asks(node, verb, resource, { name }));
  reader.put(pods, podOn(undefined));
  assert.equal(
    (await decide("get", "secrets", "s1")).reason,
    "no relationship found between node 'n1' and this object",
  );
  reader.put(pods, podOn("n1"));
  const allowed: [string, string, string][] = [
    ["get", "secrets", "s1"],
    ["watch", "configmaps", "kube-root-ca.crt"],
    ["create", "serviceaccounts/token", "sa"],
    ["get", "pods", "p"],
  ];
  for (const [verb, resource, name] of allowed) assert.equal((await decide(verb, resource, name)).verdict, "allow");
  assert.equal((await decide("update", "secrets", "s1")).reason, "can only read resources of this type");
  assert.equal((await decide("get", "secrets", "s2")).verdict, "no-opinion");
  reader.remove(pods, "ns", "p");
  assert.equal((await decide("get", "secrets", "s1")).verdict, "no-opinion");
});

test("the Node authorizer lets a node read the volume behind a claim of its pods", async () => {
  const { reader, authorizer } = setUp("Node");
  const pod = podOn("n1");
  reader.put(pods, {
    ...pod,
    spec: { ...pod.spec, volumes: [{ name: "v", persistentVolumeClaim: { claimName: "data" } }] },
  });
  const decide = async (name: string) => {
    return (await authorizer.authorize(asks(node, "get", "persistentvolumes", { name, namespace: "" }))).verdict;
  };
  reader.put(persistentVolumes, { metadata: { name: "disk" }, spec: { claimRef: { namespace: "ns", name: "data" } } });
  reader.put(persistentVolumes, { metadata: { name: "other" }, spec: { claimRef: { namespace: "x", name: "data" } } });
  assert.deepEqual(
    [await decide("disk"), await decide("other"), await decide("gone")],
    ["allow", "no-opinion", "no-opinion"],
  );
  reader.remove(persistentVolumes, "", "disk");
  assert.equal(await decide("disk"), "no-opinion");
});

test("the Node authorizer lets a node read its attachments, and the secrets of its volumes for drivers on nodes", async () => {
  const { reader, authorizer } = setUp("Node");
  const decide = async (resource: string, name: string, namespace = "", group = "") => {
    return (await authorizer.authorize(asks(node, "get", resource, { name, namespace, group }))).verdict;
  };
  const attachment = (nodeName: string) => ({ attacher: "d", nodeName, source: { persistentVolumeName: "disk" } });
  reader.put(volumeAttachments, { metadata: { name: "mine" }, spec: attachment("n1") });
  reader.put(volumeAttachments, { metadata: { name: "theirs" }, spec: attachment("n2") });
  const attachments = ["mine", "theirs"].map((name) => decide("volumeattachments", name, "", "storage.k8s.io"));
  assert.deepEqual(await Promise.all(attachments), ["allow", "no-opinion"]);
  const pod = podOn("n1");
  const volumes = [{ name: "v", persistentVolumeClaim: { claimName: "data" } }];
  reader.put(pods, { ...pod, spec: { ...pod.spec, volumes } });
  const ref = (name: string) => ({ namespace: "drivers", name });
  const csi = {
    driver: "d",
    volumeHandle: "h",
    nodeStageSecretRef: ref("stage"),
    controllerPublishSecretRef: ref("no"),
  };
  const claimRef = { namespace: "ns", name: "data" };
  reader.put(persistentVolumes, { metadata: { name: "disk" }, spec: { claimRef, csi } });
  assert.equal(await decide("secrets", "stage", "drivers"), "allow");
  assert.equal(await decide("secrets", "no", "drivers"), "no-opinion");
  reader.remove(persistentVolumes, "", "disk");
  assert.equal(await decide("secrets", "stage", "drivers"), "no-opinion");
});

test("the Node authorizer narrows nodes, leases and pod lists to the node's own", async () => {
  const { authorizer } = setUp("Node");
  const decide = async (verb: string, resource: string, more: Partial<AuthorizationAttributes>) =>
    (await authorizer.authorize(asks(node, verb, resource, { namespace: "", ...more }))).verdict;
  assert.equal(await decide("get", "nodes", { name: "n1" }), "allow");
  assert.equal(await decide("get", "nodes", { name: "n2" }), "no-opinion");
  assert.equal(await decide("list", "pods", { fieldSelector: "spec.nodeName=n1" }), "allow");
  assert.equal(await decide("list", "pods", { fieldSelector: "spec.nodeName=n2" }), "no-opinion");
  assert.equal(await decide("list", "pods", {}), "no-opinion");
  // One term that ends like the wanted one, behind an escaped comma.
  assert.equal(await decide("list", "pods", { fieldSelector: "metadata.name!=x\\,spec.nodeName=n1" }), "no-opinion");
  const slices = { group: "resource.k8s.io" };
  assert.equal(await decide("list", "resourceslices", slices), "no-opinion");
  assert.equal(await decide("watch", "resourceslices", { ...slices, fieldSelector: "spec.nodeName=n1" }), "allow");
  const lease = { group: "coordination.k8s.io", namespace: "kube-node-lease" };
  assert.equal(await decide("update", "leases", { ...lease, name: "n1" }), "allow");
  assert.equal(await decide("update", "leases", { ...lease, name: "n2" }), "no-opinion");
  assert.equal(await decide("update", "leases", { ...lease, name: "n1", namespace: "kube-system" }), "no-opinion");
});
