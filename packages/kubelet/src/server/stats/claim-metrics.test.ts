import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { samplePod } from "../../testing/sample-pods.ts";
import { ClaimMetrics } from "./claim-metrics.ts";

test("ClaimMetrics shows each claim once, and measures only pods that have one", async () => {
  const claims = { volumes: [{ name: "v", persistentVolumeClaim: { claimName: "data" } }] };
  const pods = [samplePod(claims, { uid: "a" }), samplePod(claims, { uid: "b" }), samplePod({}, { uid: "c" })];
  const measured: string[] = [];
  const stats = async ({ metadata }: { metadata: { uid?: string } }) => {
    measured.push(metadata.uid ?? "");
    const pvcRef = { name: "data", namespace: "default" };
    return [{ pvcRef, capacityBytes: 10, availableBytes: 6, volumeHealthStats: { abnormal: true } }, { name: "tmp" }];
  };
  const metrics = new ClaimMetrics({
    pods: { list: () => pods },
    volumes: { stats },
    clock: new FakeClock(),
  });
  const text = await metrics.render();
  assert.deepEqual(measured, ["a", "b"]);
  const lines = text.split("\n");
  const shown = lines.filter((line) => line.startsWith("kubelet_volume_stats_"));
  const labels = '{namespace="default",persistentvolumeclaim="data"}';
  assert.deepEqual(shown, [
    `kubelet_volume_stats_capacity_bytes${labels} 10`,
    `kubelet_volume_stats_available_bytes${labels} 6`,
    `kubelet_volume_stats_health_status_abnormal${labels} 1`,
  ]);
});
