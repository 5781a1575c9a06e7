// Whom a node turns away, with upstream's reasons.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node, Pod, PodSpec } from "@skiff/api/types.ts";
import type { AdmissionFacts } from "./admit-pod.ts";
import { admitPod } from "./admit-pod.ts";
import { sampleContainer, sampleMeta, samplePod } from "./testing/sample-pods.ts";

const node: Node = { metadata: sampleMeta("n1"), spec: { taints: [{ key: "gone", effect: "NoExecute" }] } };
const facts: AdmissionFacts = {
  others: [],
  node: undefined,
  allocatable: { cpu: "1", memory: "1Gi", pods: "2" },
  pressures: [],
  allowedSysctls: ["kernel.msg*"],
};

function verdict(pod: Pod, more: Partial<AdmissionFacts> = {}): string {
  const answer = admitPod(pod, { ...facts, ...more });
  return answer.admitted ? "admitted" : `${answer.reason}: ${answer.message}`;
}

const asking = (cpu: string) => samplePod({ containers: [sampleContainer("c", { resources: { requests: { cpu } } })] });

test("admitPod counts resources and pods", () => {
  assert.equal(verdict(asking("600m")), "admitted");
  assert.equal(
    verdict(asking("600m"), { others: [asking("500m")] }),
    "OutOfcpu: Node didn't have enough resource: cpu, requested: 600, used: 500, capacity: 1000",
  );
  assert.match(verdict(samplePod(), { others: [samplePod(), samplePod()] }), /^OutOfpods: /);
});

test("admitPod refuses pods that do not belong on the node", () => {
  assert.match(
    verdict(samplePod({ nodeSelector: { a: "b" } }), { node }),
    /^NodeAffinity: Predicate NodeAffinity failed/,
  );
  assert.match(verdict(samplePod(), { node }), /^TaintToleration: /);
  const tolerations = [{ operator: "Exists" }];
  assert.equal(verdict(samplePod({ tolerations }), { node }), "admitted");
  assert.match(verdict(samplePod({ os: { name: "windows" } })), /^PodOSNotSupported: /);
});

test("admitPod turns away who wants no groups but those it names where the runtime cannot", () => {
  const asking = (supplementalGroupsPolicy: string) => samplePod({ securityContext: { supplementalGroupsPolicy } });
  const on = (features: object) => ({ node: { ...node, spec: {}, status: { features } } });
  const message = "SupplementalGroupsPolicy=Strict is not supported in this node";
  assert.equal(verdict(asking("Strict"), on({})), `SupplementalGroupsPolicyNotSupported: ${message}`);
  assert.equal(verdict(asking("Merge"), on({})), "admitted");
  assert.equal(verdict(asking("Strict"), on({ supplementalGroupsPolicy: true })), "admitted");
});

test("admitPod lets safe and allowed sysctls through, in the pod's own namespaces only", () => {
  const setting = (name: string, more: Partial<PodSpec> = {}) =>
    verdict(samplePod({ securityContext: { sysctls: [{ name, value: "1" }] }, ...more }));
  assert.equal(setting("net.ipv4.tcp_syncookies"), "admitted");
  assert.equal(setting("kernel.msgmax"), "admitted");
  assert.equal(setting("kernel.sem"), 'SysctlForbidden: forbidden sysctl: "kernel.sem" not allowlisted');
  assert.match(setting("kernel.msgmax", { hostIPC: true }), /not allowed with host ipc enabled/);
  assert.match(setting("net/ipv4/tcp_syncookies", { hostNetwork: true }), /not allowed with host net enabled/);
});

test("admitPod turns pods away under pressure, but not critical ones", () => {
  const memory = { pressures: ["MemoryPressure"] };
  assert.equal(verdict(samplePod(), memory), "Evicted: The node had condition: [MemoryPressure]. ");
  assert.equal(verdict(asking("1m"), memory), "admitted");
  assert.equal(verdict(samplePod({ tolerations: [{ operator: "Exists" }] }), memory), "admitted");
  assert.match(verdict(asking("1m"), { pressures: ["DiskPressure"] }), /^Evicted: /);
  assert.equal(verdict(samplePod({ priority: 2_000_000_000 }), { pressures: ["DiskPressure"] }), "admitted");
});

test("admitPod turns away whom AppArmor shall confine where the kernel has none", () => {
  const confined = (type: string) => samplePod({ securityContext: { appArmorProfile: { type } } });
  const own = { appArmorProfile: { type: "Localhost", localhostProfile: "p" } };
  const message = "AppArmor: Cannot enforce AppArmor: AppArmor is not enabled on the host";
  assert.equal(verdict(confined("RuntimeDefault"), { hasAppArmor: false }), message);
  assert.equal(
    verdict(samplePod({ containers: [sampleContainer("c", { securityContext: own })] }), { hasAppArmor: false }),
    message,
  );
  assert.equal(verdict(confined("RuntimeDefault"), { hasAppArmor: true }), "admitted");
  assert.equal(verdict(confined("Unconfined"), { hasAppArmor: false }), "admitted");
});
