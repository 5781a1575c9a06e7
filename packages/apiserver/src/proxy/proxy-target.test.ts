// Which addresses the apiserver lets itself be sent to.
import assert from "node:assert/strict";
import { test } from "node:test";
import { pods } from "@skiff/api/resource-ref.ts";
import type { Pod } from "@skiff/api/types.ts";
import { MemoryReader } from "../authz/memory-reader.ts";
import { proxyable, resolveProxyTarget } from "./proxy-target.ts";

test("proxyable takes pod addresses and refuses those of the apiserver's own machine", () => {
  for (const host of ["10.98.128.29", "1.2.3.4", "fd00::1", "example.com"]) assert.equal(proxyable(host), host);
  for (const host of ["127.0.0.1", "169.254.1.1", "0.0.0.0", "::1", "fe80::1", "::ffff:127.0.0.1", "localhost", ""]) {
    assert.throws(() => proxyable(host), { message: "address not allowed" }, host);
  }
});

test("resolveProxyTarget takes the pod's own port where none is named, and no port that is none", async () => {
  const reader = new MemoryReader();
  const containers = [{ name: "c", ports: [{ containerPort: 8080 }] }];
  reader.put<Pod>(pods, {
    metadata: { name: "p", namespace: "ns" },
    spec: { containers },
    status: { podIP: "10.0.0.1" },
  });
  const portOf = async (name: string) =>
    (await resolveProxyTarget(reader, { resource: "pods", namespace: "ns", name }, new AbortController().signal)).port;
  assert.deepEqual([await portOf("p"), await portOf("p:81"), await portOf("http:p:")], [8080, 81, 8080]);
  for (const port of ["0", "-1", "65536", "99999", "abc", "1e3", "80@evil"]) {
    await assert.rejects(portOf(`p:${port}`), { code: 503, message: /invalid port$/ }, port);
  }
});
