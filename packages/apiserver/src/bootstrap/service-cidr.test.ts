// What becomes of the default ServiceCIDR in each state that an apiserver may find it in.
import assert from "node:assert/strict";
import { test } from "node:test";
import { planServiceCidr } from "./service-cidr.ts";

const found = (cidrs: string[], status = "", deletionTimestamp?: string) => ({
  metadata: {
    ...{ name: "kubernetes", uid: "u", resourceVersion: "1", creationTimestamp: "" },
    ...(deletionTimestamp ? { deletionTimestamp } : {}),
  },
  spec: { cidrs },
  status: { conditions: status ? [{ type: "Ready", status, reason: "", message: "", lastTransitionTime: "" }] : [] },
});

test("planServiceCidr makes, widens and marks the object, and leaves alone what others decided", () => {
  const [v4, both] = [["10.0.0.0/16"], ["10.0.0.0/16", "fd00::/108"]];
  assert.equal(planServiceCidr(undefined, v4), "create");
  assert.equal(planServiceCidr(found(v4), v4), "ready");
  assert.equal(planServiceCidr(found(v4, "Unknown"), v4), "ready");
  assert.equal(planServiceCidr(found(v4, "True"), v4), "none");
  assert.equal(planServiceCidr(found(v4, "False"), v4), "none");
  assert.equal(planServiceCidr(found(v4), both), "widen");
  assert.equal(planServiceCidr(found(both), v4), "warn");
  assert.equal(planServiceCidr(found(v4, "", "2026-01-01T00:00:00Z"), v4), "none");
});
