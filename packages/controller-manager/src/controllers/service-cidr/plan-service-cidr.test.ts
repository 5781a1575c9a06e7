// When a ServiceCIDR may go.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { IPAddress, ServiceCIDR } from "@skiff/api/types.ts";
import { canDelete } from "./plan-service-cidr.ts";

const meta = (name: string, labels = {}) => ({
  ...{ name, labels, uid: name, resourceVersion: "1", creationTimestamp: "" },
});
const cidr = (name: string, ...cidrs: string[]): ServiceCIDR => ({ metadata: meta(name), spec: { cidrs } });
const address = (name: string, manager = "ipallocator.k8s.io"): IPAddress => ({
  metadata: meta(name, { "ipaddress.kubernetes.io/managed-by": manager }),
  spec: { parentRef: { resource: "services", namespace: "default", name: "web" } },
});

test("canDelete lets a range go that nobody needs, or whose addresses lie in another one", () => {
  const going = cidr("going", "10.1.0.0/24", "fd00::/112");
  const wide = cidr("wide", "10.1.0.0/16");
  assert.equal(canDelete(going, [going], []), true);
  assert.equal(canDelete(going, [going], [address("10.2.0.1")]), true);
  assert.equal(canDelete(going, [going], [address("10.1.0.1")]), false);
  assert.equal(canDelete(going, [going], [address("fd00::1")]), false);
  assert.equal(canDelete(going, [going, wide], [address("10.1.0.1")]), true);
  assert.equal(canDelete(going, [going, wide], [address("10.1.0.1"), address("fd00::1")]), false);
  assert.equal(canDelete(going, [going], [address("10.1.0.1", "somebody-else")]), true);
});
