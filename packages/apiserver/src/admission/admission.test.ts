// The admission plug-ins over objects in memory.
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import type { KindDefinition } from "@skiff/api/kind.ts";
import { findKind } from "@skiff/api/kinds/index.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import { csiDrivers, namespaces, nodes, pods, serviceAccounts } from "@skiff/api/resource-ref.ts";
import type { CertificateSigningRequest, Node, Pod, ServiceAccount } from "@skiff/api/types.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { makeCertificateRequest } from "@skiff/component-base/x509/certificate-request.ts";
import type { UserInfo } from "../authn/authenticator.ts";
import type { Authorizer } from "../authz/authorizer.ts";
import { MemoryReader } from "../authz/memory-reader.ts";
import type { AdmissionRequest } from "./admission.ts";
import { defaultTolerationSeconds } from "./default-toleration-seconds.ts";
import { createNamespaceLifecycle } from "./namespace-lifecycle.ts";
import { forbiddenNodeLabels } from "./node-labels.ts";
import { createNodeRestriction } from "./node-restriction.ts";
import { createServiceAccountPlugin } from "./service-account.ts";
import { taintNodesByCondition } from "./taint-nodes-by-condition.ts";

const signal = new AbortController().signal;
const alice: UserInfo = { name: "alice", groups: [], extra: {} };
const kubelet: UserInfo = { name: "system:node:n1", groups: ["system:nodes"], extra: {} };
const clock = { ...realClock, sleep: async () => {} };

function request(plural: string, object: object | undefined, more: Partial<AdmissionRequest> = {}): AdmissionRequest {
  const kind = findKind("", plural) as KindDefinition;
  const body = object as KubeObject | undefined;
  return {
    operation: "CREATE",
    kind,
    subresource: "",
    namespace: kind.namespaced ? "ns" : "",
    name: body?.metadata.name ?? "",
    object: body,
    oldObject: undefined,
    user: alice,
    dryRun: false,
    warn() {},
    ...more,
  };
}

function newPod(spec: Partial<Pod["spec"]> = {}, metadata: object = {}): Pod {
  const full = { name: "web", namespace: "ns", uid: "", resourceVersion: "", creationTimestamp: "", ...metadata };
  return { metadata: full, spec: { containers: [{ name: "a" }, { name: "b" }], ...spec } };
}

/** Gives nobody any right. */
const nobody: Authorizer = { name: "nobody", authorize: () => ({ verdict: "no-opinion", reason: "" }) };

test("NamespaceLifecycle wants a living namespace and guards the system's own", async () => {
  const reader = new MemoryReader();
  const admit = async (r: AdmissionRequest) => createNamespaceLifecycle(reader).admit?.(r, signal);
  await assert.rejects(admit(request("pods", newPod())), { code: 404, message: 'namespaces "ns" not found' });
  reader.put(namespaces, { metadata: { name: "ns" }, spec: {}, status: { phase: "Terminating" } });
  await assert.rejects(
    admit(request("pods", newPod())),
    (error: { details: { causes: object[] }; message: string }) => {
      assert.match(error.message, /unable to create new content in namespace ns because it is being terminated$/);
      assert.deepEqual(error.details.causes, [
        { reason: "NamespaceTerminating", message: "namespace ns is being terminated", field: "metadata.namespace" },
      ]);
      return true;
    },
  );
  await admit(request("pods", newPod(), { operation: "UPDATE" }));
  await admit(request("pods", undefined, { operation: "DELETE", name: "web" }));
  const deletion = request("namespaces", undefined, { operation: "DELETE", name: "kube-system" });
  await assert.rejects(admit(deletion), {
    message: 'namespaces "kube-system" is forbidden: this namespace may not be deleted',
  });
});

test("ServiceAccount gives a pod its account, token and pull secrets", async () => {
  const reader = new MemoryReader();
  const plugin = createServiceAccountPlugin({ reader, clock });
  reader.put<ServiceAccount>(serviceAccounts, {
    metadata: { name: "default", namespace: "ns" },
    imagePullSecrets: [{ name: "reg" }],
  });
  const mount = { name: "own", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" };
  const pod = newPod({ containers: [{ name: "a" }, { name: "b", volumeMounts: [mount] }] });
  await plugin.admit?.(request("pods", pod), signal);
  await plugin.validate?.(request("pods", pod), signal);
  assert.equal(pod.spec.serviceAccountName, "default");
  assert.deepEqual(pod.spec.imagePullSecrets, [{ name: "reg" }]);
  const [volume] = pod.spec.volumes ?? [];
  assert.match(volume?.name ?? "", /^kube-api-access-[a-z0-9]{5}$/);
  assert.equal(volume?.projected?.sources?.[0]?.serviceAccountToken?.expirationSeconds, 3607);
  assert.deepEqual(pod.spec.containers[0]?.volumeMounts, [
    { name: volume?.name, readOnly: true, mountPath: mount.mountPath },
  ]);
  assert.deepEqual(pod.spec.containers[1]?.volumeMounts, [mount]);
  const without = newPod({ automountServiceAccountToken: false });
  await plugin.admit?.(request("pods", without), signal);
  assert.equal(without.spec.volumes, undefined);
});

test("ServiceAccount names an account that is missing after its retries", async () => {
  const plugin = createServiceAccountPlugin({ reader: new MemoryReader(), clock });
  const pod = newPod({ serviceAccountName: "x" }, { name: "", generateName: "web-" });
  await assert.rejects(async () => plugin.admit?.(request("pods", pod), signal), {
    message: 'pods "web-" is forbidden: error looking up service account ns/x: serviceaccount "x" not found',
  });
});

test("DefaultTolerationSeconds adds what the pod does not say itself", () => {
  const pod = newPod({ tolerations: [{ key: "node.kubernetes.io/not-ready", operator: "Exists" }] });
  defaultTolerationSeconds.admit(request("pods", pod));
  assert.deepEqual(pod.spec.tolerations?.[1], {
    key: "node.kubernetes.io/unreachable",
    operator: "Exists",
    effect: "NoExecute",
    tolerationSeconds: 300,
  });
  defaultTolerationSeconds.admit(request("pods", pod));
  assert.equal(pod.spec.tolerations?.length, 2);
});

test("TaintNodesByCondition taints a new node once", () => {
  const node = { metadata: { name: "n1" }, spec: {} } as Node;
  taintNodesByCondition.admit(request("nodes", node));
  taintNodesByCondition.admit(request("nodes", node));
  assert.deepEqual(node.spec.taints, [{ key: "node.kubernetes.io/not-ready", effect: "NoSchedule" }]);
});

test("NodeRestriction keeps a kubelet to its own node, pods and tokens", async () => {
  const reader = new MemoryReader();
  const admit = async (r: AdmissionRequest) =>
    createNodeRestriction(reader, nobody).admit?.({ ...r, user: kubelet }, signal);
  await assert.rejects(admit(request("nodes", { metadata: { name: "n2" } })), /is not allowed to modify node "n2"/);
  await admit(request("nodes", { metadata: { name: "n1", labels: { "kubernetes.io/os": "linux" } } }));
  const before = { metadata: { name: "n1" }, spec: { taints: [{ key: "a", effect: "NoSchedule" }] } };
  const untainted = request(
    "nodes",
    { metadata: { name: "n1" }, spec: {} },
    { operation: "UPDATE", oldObject: before as Node },
  );
  await assert.rejects(admit(untainted), /is not allowed to modify taints/);
  await assert.rejects(admit(request("pods", newPod())), /can only create mirror pods/);
  reader.put(pods, newPod({ nodeName: "n2" }));
  const remove = request("pods", undefined, { operation: "DELETE", name: "web" });
  await assert.rejects(admit(remove), /can only delete pods with spec.nodeName set to itself/);
  reader.put(pods, newPod({ nodeName: "n1" }));
  await admit(remove);
});

test("NodeRestriction keeps claims in a pod's status and other nodes' ResourceSlices from a kubelet", async () => {
  const admit = async (r: AdmissionRequest) =>
    createNodeRestriction(new MemoryReader(), nobody).admit?.({ ...r, user: kubelet }, signal);
  const mine = newPod({ nodeName: "n1" });
  const claiming: Pod = { ...mine, status: { resourceClaimStatuses: [{ name: "a", resourceClaimName: "theirs" }] } };
  const status = { operation: "UPDATE", subresource: "status", oldObject: mine } as const;
  await admit(request("pods", mine, status));
  await assert.rejects(admit(request("pods", claiming, status)), /cannot update resource claim statuses/);
  const kind = findKind("resource.k8s.io", "resourceslices") as KindDefinition;
  const slice = (nodeName: string) => ({ metadata: { name: "s" }, spec: { nodeName } });
  const foreign = slice("n2") as unknown as KubeObject;
  await admit(request("pods", slice("n1"), { kind }));
  await assert.rejects(admit(request("pods", foreign, { kind })), /can only create ResourceSlice/);
  const takeOver = { kind, operation: "UPDATE", oldObject: foreign } as const;
  await assert.rejects(admit(request("pods", slice("n1"), takeOver)), { code: 403 });
  const deletion = { kind, operation: "DELETE", oldObject: foreign, name: "s" } as const;
  await assert.rejects(admit(request("pods", undefined, deletion)), { code: 403 });
});

test("NodeRestriction lets a kubelet ask for certificates of its own name only", async () => {
  const admit = async (r: AdmissionRequest) =>
    createNodeRestriction(new MemoryReader(), nobody).admit?.({ ...r, user: kubelet }, signal);
  const kind = findKind("certificates.k8s.io", "certificatesigningrequests") as KindDefinition;
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const asking = (commonName: string, signerName: string) => {
    const pem = makeCertificateRequest({ commonName, organizations: ["system:nodes"] }, privateKey);
    const spec = { signerName, request: Buffer.from(pem).toString("base64"), usages: [] };
    return request("nodes", { metadata: { name: "csr" }, spec }, { kind });
  };
  for (const signer of ["kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet"]) {
    await admit(asking("system:node:n1", signer));
    await assert.rejects(admit(asking("system:node:n2", signer)), /can only create a node CSR with CN=system:node:n1/);
  }
  await admit(asking("anybody", "example.com/signer"));
  const broken = asking("system:node:n1", "kubernetes.io/kubelet-serving");
  Object.assign((broken.object as CertificateSigningRequest).spec, { request: "AAAA" });
  await assert.rejects(admit(broken), /unable to parse csr/);
});

test("NodeRestriction lets a kubelet report a claim's size and conditions, and change nothing else of it", async () => {
  const admit = async (r: AdmissionRequest) =>
    createNodeRestriction(new MemoryReader(), nobody).admit?.({ ...r, user: kubelet }, signal);
  const claim = (labels: object, status: object) => ({
    metadata: { name: "data", namespace: "ns", labels },
    spec: { volumeName: "pv" },
    status: { phase: "Bound", ...status },
  });
  const oldObject = claim({}, {}) as unknown as KubeObject;
  const update = (next: object) =>
    request("persistentvolumeclaims", next, { operation: "UPDATE", subresource: "status", oldObject });
  await admit(update(claim({}, { capacity: { storage: "2Gi" }, conditions: [] })));
  const refused = /is not allowed to update fields other than status.capacity and status.conditions/;
  await assert.rejects(admit(update(claim({ a: "b" }, {}))), refused);
  await assert.rejects(admit(update(claim({}, { phase: "Lost" }))), refused);
  await assert.rejects(admit({ ...update(claim({}, {})), subresource: "" }), /may only update PVC status/);
});

test("NodeRestriction lets a kubelet have tokens that are bound to its pods only", async () => {
  const reader = new MemoryReader();
  const uid = reader.put(pods, newPod({ nodeName: "n1" }, { uid: "u1" })).metadata.uid;
  const ask = async (boundObjectRef: object | undefined, audiences: string[] = []) => {
    const object = { metadata: { name: "sa" }, spec: { audiences, boundObjectRef } };
    const token = request("serviceaccounts", object, { subresource: "token", user: kubelet });
    await createNodeRestriction(reader, rights).admit?.(token, signal);
  };
  let granted = "";
  const rights: Authorizer = {
    name: "rights",
    authorize: ({ user, verb, group, resource, namespace, name }) => {
      const asked = [user.name, verb, group, resource, namespace, name].join(" ");
      return { verdict: asked === granted ? "allow" : "no-opinion", reason: "" };
    },
  };
  const bound = { apiVersion: "v1", kind: "Pod", name: "web", uid };
  await ask(bound);
  await assert.rejects(ask(undefined), /node requested token not bound to a pod/);
  await assert.rejects(ask({ ...bound, uid: "other" }), /does not match the UID in record/);
  await assert.rejects(ask(bound, ["vault"]), /audience "vault" not found in pod spec volume/);
  granted = `${kubelet.name} request-serviceaccounts-token-audience  vault ns sa`;
  await ask(bound, ["vault"]);
  await assert.rejects(ask(bound, ["safe"]), /audience "safe" not found in pod spec volume/);
  await assert.rejects(ask(bound, ["vault", "vault"]), /node may only request 0 or 1 audiences/);
  granted = "";
  reader.put(pods, newPod({ nodeName: "n1", volumes: [{ name: "v", csi: { driver: "d" } }] }, { uid: "u1" }));
  await assert.rejects(ask(bound, ["vault"]), { code: 403 });
  reader.put(csiDrivers, { metadata: { name: "d" }, spec: { tokenRequests: [{ audience: "vault" }] } });
  await ask(bound, ["vault"]);
  reader.put(pods, newPod({ nodeName: "n2" }, { uid: "u1" }));
  await assert.rejects(ask(bound), /bound to a pod scheduled on a different node/);
});

test("NodeRestriction wants mirror pods owned by the node and free of references", async () => {
  const reader = new MemoryReader();
  const uid = reader.put<Node>(nodes, { metadata: { name: "n1" }, spec: {} }).metadata.uid;
  const owner = { apiVersion: "v1", kind: "Node", name: "n1", uid, controller: true };
  const mirror = (spec: object, owners: object[]) =>
    newPod(
      { nodeName: "n1", ...spec },
      { annotations: { "kubernetes.io/config.mirror": "x" }, ownerReferences: owners },
    );
  const admit = async (pod: Pod) =>
    createNodeRestriction(reader, nobody).admit?.(request("pods", pod, { user: kubelet }), signal);
  await admit(mirror({}, [owner]));
  await assert.rejects(admit(mirror({}, [])), /with an owner reference set to itself/);
  await assert.rejects(admit(mirror({}, [{ ...owner, uid: "x" }])), /UID mismatch: expected uid-n1 got x/);
  await assert.rejects(admit(mirror({ serviceAccountName: "sa" }, [owner])), /reference a service account/);
});

test("forbiddenNodeLabels allows a kubelet's own labels and no restricted ones", () => {
  const next = {
    "kubernetes.io/hostname": "n1",
    "node.kubernetes.io/x": "y",
    foo: "bar",
    "node-restriction.kubernetes.io/a": "b",
    "node-role.kubernetes.io/control-plane": "",
  };
  assert.deepEqual(forbiddenNodeLabels({}, next), [
    "node-restriction.kubernetes.io/a",
    "node-role.kubernetes.io/control-plane",
  ]);
  assert.deepEqual(forbiddenNodeLabels(next, next), []);
});
