// NFS volumes as mount(8) takes them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { nfsMount } from "./nfs-mount.ts";

test("nfsMount puts the colons of an address in brackets and asks for no more than the pod may", () => {
  const share = { server: "files.example.com", path: "/a" };
  assert.deepEqual(nfsMount(share), { from: "files.example.com:/a", options: [] });
  assert.equal(nfsMount({ server: "10.0.0.1", path: "/a" }).from, "10.0.0.1:/a");
  assert.equal(nfsMount({ server: "fd00::1", path: "/a" }).from, "[fd00::1]:/a");
  assert.deepEqual(nfsMount({ ...share, readOnly: true }, { options: ["soft"] }).options, ["ro", "soft"]);
  assert.deepEqual(nfsMount(share, { options: ["soft"], isReadOnly: true }).options, ["ro", "soft"]);
});
