// What the Endpoints of a Service hold.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod, Service } from "@skiff/api/types.ts";
import { planEndpoints } from "./plan-endpoints.ts";
import { TriggerTimes } from "./trigger-times.ts";

const metadata = (name: string) => ({
  name,
  namespace: "ns",
  uid: name,
  resourceVersion: "1",
  creationTimestamp: "2026-01-01T00:00:00Z",
});

function service(spec: Partial<Service["spec"]> = {}): Service {
  return {
    metadata: metadata("web"),
    spec: { clusterIP: "10.96.0.1", ports: [{ port: 80, targetPort: 8080, protocol: "TCP" }], ...spec },
  };
}

function pod(name: string, ip: string, ready = true, extra: Partial<Pod["metadata"]> = {}): Pod {
  return {
    metadata: { ...metadata(name), ...extra },
    spec: { nodeName: "n1", containers: [] },
    status: {
      phase: "Running",
      podIP: ip,
      conditions: [{ type: "Ready", status: ready ? "True" : "False", lastTransitionTime: "2026-01-01T00:00:01Z" }],
    },
  };
}

test("planEndpoints keeps ready and other addresses apart, sorted, and leaves out pods that go", () => {
  const leaving = { deletionTimestamp: "2026-01-01T00:00:00Z" };
  const { subsets } = planEndpoints(service(), [
    pod("b", "10.0.0.2"),
    pod("a", "10.0.0.1"),
    pod("c", "10.0.0.3", false),
    pod("d", "10.0.0.4", true, leaving),
  ]);
  assert.equal(subsets.length, 1);
  assert.deepEqual(
    subsets[0]?.addresses?.map(({ ip }) => ip),
    ["10.0.0.1", "10.0.0.2"],
  );
  assert.deepEqual(
    subsets[0]?.notReadyAddresses?.map(({ ip }) => ip),
    ["10.0.0.3"],
  );
  assert.deepEqual(subsets[0]?.ports, [{ port: 8080, protocol: "TCP" }]);
});

test("planEndpoints publishes all addresses as ready when the Service asks for it", () => {
  const { subsets } = planEndpoints(service({ publishNotReadyAddresses: true }), [pod("c", "10.0.0.3", false)]);
  assert.deepEqual([subsets[0]?.addresses?.length, subsets[0]?.notReadyAddresses], [1, undefined]);
});

test("planEndpoints cuts at a thousand addresses, ready ones first", () => {
  const ready = Array.from({ length: 900 }, (_, i) => pod(`r${i}`, `10.0.${i >> 8}.${i & 255}`));
  const others = Array.from({ length: 300 }, (_, i) => pod(`n${i}`, `10.1.${i >> 8}.${i & 255}`, false));
  const { subsets, isTruncated } = planEndpoints(service(), [...others, ...ready]);
  assert.ok(isTruncated);
  assert.deepEqual([subsets[0]?.addresses?.length, subsets[0]?.notReadyAddresses?.length], [900, 100]);
});

test("planEndpoints gives a headless Service without ports its addresses, and no other one", () => {
  assert.deepEqual(
    planEndpoints(service({ ports: [], clusterIP: "None" }), [pod("a", "10.0.0.1")]).subsets[0]?.ports,
    undefined,
  );
  assert.deepEqual(planEndpoints(service({ ports: [] }), [pod("a", "10.0.0.1")]).subsets, []);
});

test("trigger times report the earliest change since the last look", () => {
  const times = new TriggerTimes();
  assert.equal(times.next(service(), [pod("a", "10.0.0.1")]), "2026-01-01T00:00:00Z");
  assert.equal(times.next(service(), [pod("a", "10.0.0.1")]), undefined);
  assert.equal(times.next(service(), [pod("a", "10.0.0.1"), pod("b", "10.0.0.2")]), "2026-01-01T00:00:01Z");
});
