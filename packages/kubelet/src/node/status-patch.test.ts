import assert from "node:assert/strict";
import { test } from "node:test";
import { isSameStatus, statusPatch } from "./status-patch.ts";

const own = {
  capacity: { cpu: "2", "hugepages-2Mi": "8Mi" },
  allocatable: { cpu: "1", "hugepages-2Mi": "8Mi" },
  addresses: [{ type: "Hostname", address: "n1" }],
};

test("statusPatch takes back what the kubelet gave out before, and leaves what others gave", () => {
  const known = {
    capacity: { cpu: "2", "hugepages-3Mi": "9Mi", "ephemeral-storage": "1Gi", "example.com/theirs": "4" },
    allocatable: { cpu: "2", "hugepages-3Mi": "9Mi" },
  };
  assert.deepEqual(statusPatch(known, own), {
    capacity: { "hugepages-3Mi": null, "ephemeral-storage": null, cpu: "2", "hugepages-2Mi": "8Mi" },
    allocatable: { "hugepages-3Mi": null, cpu: "1", "hugepages-2Mi": "8Mi" },
    addresses: [{ $patch: "replace" }, { type: "Hostname", address: "n1" }],
  });
});

test("isSameStatus sees what is to be taken back, and neither what others gave nor the time of the last look", () => {
  const condition = { type: "Ready", status: "True" as const };
  const shown = {
    ...own,
    capacity: { ...own.capacity, "example.com/theirs": "4" },
    conditions: [{ ...condition, lastHeartbeatTime: "2026-01-01T00:00:00Z" }],
  };
  const told = { ...own, conditions: [{ ...condition, lastHeartbeatTime: "2026-01-01T00:05:00Z" }] };
  assert.equal(isSameStatus(shown, told), true);
  assert.equal(isSameStatus({ ...shown, capacity: { ...shown.capacity, "hugepages-1Gi": "1Gi" } }, told), false);
  assert.equal(isSameStatus({ ...shown, allocatable: { cpu: "1" } }, told), false);
});
