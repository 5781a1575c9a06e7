import assert from "node:assert/strict";
import { test } from "node:test";
import { statusPatch } from "./status-patch.ts";

test("statusPatch is undefined when only absent and empty fields differ", () => {
  assert.equal(statusPatch({ phase: "Running", reason: undefined }, { phase: "Running" }), undefined);
  const container = { name: "c", image: "i", imageID: "", ready: false, restartCount: 0 };
  assert.equal(
    statusPatch({ containerStatuses: [container] }, { containerStatuses: [{ ...container, lastState: {} }] }),
    undefined,
  );
});

test("statusPatch sends only what changed and clears what is gone", () => {
  const before = { phase: "Pending", reason: "Evicted", hostIP: "192.0.2.1" };
  assert.deepEqual(statusPatch(before, { phase: "Running", hostIP: "192.0.2.1" }), { phase: "Running", reason: null });
});

test("statusPatch sends changed conditions alone, with the fields that they lost as null", () => {
  const scheduled = { type: "PodScheduled", status: "True" };
  const ready = { type: "Ready", status: "False", reason: "ContainersNotReady" };
  const patch = statusPatch(
    { conditions: [scheduled, ready] },
    { conditions: [scheduled, { type: "Ready", status: "True" }] },
  );
  assert.deepEqual(patch, { conditions: [{ type: "Ready", status: "True", reason: null }] });
});

test("statusPatch replaces addresses, which would merge otherwise", () => {
  const patch = statusPatch({ podIPs: [{ ip: "10.0.0.1" }] }, { podIPs: [{ ip: "10.0.0.2" }] });
  assert.deepEqual(patch, { podIPs: [{ $patch: "replace" }, { ip: "10.0.0.2" }] });
  assert.deepEqual(statusPatch({}, { podIPs: [{ ip: "10.0.0.2" }] }), { podIPs: [{ ip: "10.0.0.2" }] });
});
