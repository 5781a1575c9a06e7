// The predicates that the scheduler and the kubelet share.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Container, Pod, PodSpec, ResourceRequirements } from "../../generated/types.ts";
import { findPortConflict, hostPortsOf } from "./host-ports.ts";
import { matchesNodeSelectorAndAffinity, matchesNodeSelectorTerm } from "./node-affinity.ts";
import { podQos } from "./qos.ts";
import { containerLimit, hasPodLevelResources, podLimits, podRequests, podReservation } from "./resources.ts";
import { findUntolerated, tolerates } from "./taints.ts";

function podOf(spec: Partial<PodSpec>): Pod {
  const metadata = { name: "p", uid: "u", resourceVersion: "1", creationTimestamp: "2024-01-01T00:00:00Z" };
  return { metadata, spec: { containers: [], ...spec } };
}

const container = (resources: ResourceRequirements, restartPolicy?: string): Container => ({
  name: "c",
  resources,
  ...(restartPolicy ? { restartPolicy } : {}),
});

const cpu = (amount: string, restartPolicy?: string) => container({ requests: { cpu: amount } }, restartPolicy);

test("podRequests takes the largest moment: init containers run beside the sidecars before them", () => {
  const containers = [cpu("100m"), cpu("200m")];
  assert.deepEqual(podRequests(podOf({ containers })), { cpu: 300 });
  assert.deepEqual(podRequests(podOf({ containers, initContainers: [cpu("1")] })), { cpu: 1000 });
  const initContainers = [cpu("50m", "Always"), cpu("1"), cpu("25m", "Always")];
  assert.deepEqual(podRequests(podOf({ containers, initContainers })), { cpu: 1050 });
});

test("podRequests adds overhead and lets the pod's own requests win; podLimits adds overhead to limits only", () => {
  const spec = {
    containers: [container({ requests: { memory: "1Mi" }, limits: { cpu: "1" } })],
    overhead: { memory: "1Ki", cpu: "10m" },
    resources: { requests: { memory: "2Mi" } },
  };
  assert.deepEqual(podRequests(podOf(spec)), { memory: 2 * 1024 ** 2 + 1024, cpu: 10 });
  assert.deepEqual(podLimits(podOf(spec)), { cpu: 1010 });
});

test("podQos follows limits and requests of CPU and memory", () => {
  const both = { cpu: "1", memory: "1Gi" };
  assert.equal(podQos(podOf({ containers: [container({})] })), "BestEffort");
  assert.equal(podQos(podOf({ containers: [container({ requests: both, limits: both })] })), "Guaranteed");
  assert.equal(podQos(podOf({ containers: [container({ requests: { cpu: "1" }, limits: both })] })), "Burstable");
  assert.equal(
    podQos(podOf({ containers: [container({ requests: both, limits: both }), container({})] })),
    "Burstable",
  );
  assert.equal(podQos(podOf({ containers: [container({ requests: { "a/b": "1" } })] })), "BestEffort");
});

test("tolerates compares key, value and effect", () => {
  const taint = { key: "k", value: "v", effect: "NoSchedule" };
  assert.equal(tolerates({ operator: "Exists" }, taint), true);
  assert.equal(tolerates({ key: "k", value: "v" }, taint), true);
  assert.equal(tolerates({ key: "k", value: "w" }, taint), false);
  assert.equal(tolerates({ key: "k", operator: "Exists", effect: "NoExecute" }, taint), false);
  assert.equal(tolerates({ key: "k", operator: "Lt", value: "5" }, taint), false);
});

test("findUntolerated heeds only the effects asked for", () => {
  const taints = [
    { key: "a", effect: "PreferNoSchedule" },
    { key: "b", effect: "NoSchedule" },
  ];
  assert.equal(findUntolerated(taints, [], ["NoExecute"]), undefined);
  assert.equal(findUntolerated(taints, [], ["NoSchedule", "NoExecute"])?.key, "b");
  assert.equal(findUntolerated(taints, [{ key: "b", operator: "Exists" }], ["NoSchedule"]), undefined);
});

test("podReservation keeps free what a container has until its resize is done, unless it never will be", () => {
  const list = (cpu: string) => ({ cpu });
  const pod = (wanted: string, allocated: string, actual: string, reason?: string) => {
    const status = { name: "c", resources: { requests: list(actual) }, allocatedResources: list(allocated) };
    const conditions = reason ? [{ type: "PodResizePending", status: "True", reason }] : [];
    const spec = { containers: [{ name: "c", resources: { requests: list(wanted) } }] };
    return { ...podOf(spec), status: { containerStatuses: [status], conditions } } as unknown as ReturnType<
      typeof podOf
    >;
  };
  assert.deepEqual(podReservation(pod("1", "500m", "500m")), { cpu: 1000 });
  assert.deepEqual(podReservation(pod("100m", "100m", "500m")), { cpu: 500 });
  assert.deepEqual(podReservation(pod("8", "500m", "250m", "Deferred")), { cpu: 8000 });
  assert.deepEqual(podReservation(pod("8", "500m", "250m", "Infeasible")), { cpu: 500 });
});

test("podReservation counts what the pod as a whole has, wants and was granted, not the sums in its status", () => {
  const pod = (wanted: string, allocated: string, actual: string, reason?: string) => {
    const conditions = reason ? [{ type: "PodResizePending", status: "True", reason }] : [];
    const spec = { resources: { requests: { cpu: wanted } }, containers: [{ name: "c" }] };
    const has = { requests: { cpu: actual, memory: "1Gi" } };
    const status = { resources: has, allocatedResources: { cpu: allocated, memory: "1Gi" }, conditions };
    return { ...podOf(spec), status };
  };
  assert.deepEqual(podReservation(pod("1", "500m", "500m")), { cpu: 1000 });
  assert.deepEqual(podReservation(pod("100m", "100m", "500m")), { cpu: 500 });
  assert.deepEqual(podReservation(pod("8", "500m", "250m", "Infeasible")), { cpu: 500 });
});

test("containerLimit falls back on the pod's own limit, and a limit of zero is none", () => {
  const one = container({ limits: { memory: "1Gi", cpu: "0" } });
  const pod = podOf({ resources: { limits: { cpu: "2", memory: "4Gi" } }, containers: [one] });
  const found = ["memory", "cpu", "ephemeral-storage"].map((name) => containerLimit(pod, one, name));
  assert.deepEqual(found, ["1Gi", "2", undefined]);
  assert.equal(hasPodLevelResources(pod), true);
  assert.equal(hasPodLevelResources(podOf({ resources: {} })), false);
});

test("node affinity joins nodeSelector with alternatives of required terms", () => {
  const node = { metadata: { name: "n1", labels: { zone: "a", cores: "8" } } };
  const affine = (...nodeSelectorTerms: object[]) =>
    podOf({ affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } });
  const zone = (value: string) => ({ matchExpressions: [{ key: "zone", operator: "In", values: [value] }] });
  assert.equal(matchesNodeSelectorAndAffinity(podOf({ nodeSelector: { zone: "a" } }), node), true);
  assert.equal(matchesNodeSelectorAndAffinity(podOf({ nodeSelector: { zone: "b" } }), node), false);
  assert.equal(matchesNodeSelectorAndAffinity(affine(zone("b"), zone("a")), node), true);
  assert.equal(matchesNodeSelectorAndAffinity(affine(zone("b")), node), false);
  assert.equal(matchesNodeSelectorAndAffinity(affine({}), node), false);
  const many = { matchExpressions: [{ key: "cores", operator: "Gt", values: ["7"] }] };
  const named = { matchFields: [{ key: "metadata.name", operator: "In", values: ["n1"] }] };
  assert.equal(matchesNodeSelectorTerm({ ...many, ...named }, node), true);
  assert.equal(
    matchesNodeSelectorTerm({ matchExpressions: [{ key: "x", operator: "NotIn", values: ["y"] }] }, node),
    true,
  );
});

test("host ports conflict on overlapping addresses of one protocol", () => {
  const pod = podOf({
    containers: [{ name: "c", ports: [{ containerPort: 80, hostPort: 80 }, { containerPort: 81 }] }],
  });
  const wanted = hostPortsOf(pod);
  assert.deepEqual(wanted, [{ protocol: "TCP", ip: "0.0.0.0", port: 80 }]);
  assert.ok(findPortConflict(wanted, [{ protocol: "TCP", ip: "10.0.0.1", port: 80 }]));
  assert.equal(findPortConflict(wanted, [{ protocol: "UDP", ip: "0.0.0.0", port: 80 }]), undefined);
  const onAddress = [{ protocol: "TCP", ip: "10.0.0.2", port: 80 }];
  assert.equal(findPortConflict(onAddress, [{ protocol: "TCP", ip: "10.0.0.1", port: 80 }]), undefined);
});
