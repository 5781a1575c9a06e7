// What the checks before a start read from /proc.
import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { test } from "node:test";
import { checkPortFree, listenerInode, missingPackages } from "./preflight.ts";

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:192B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1111 1 0
   1: 0200007F:192C 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2222 1 0
   2: 0100007F:192D 0100007F:1234 01 00000000:00000000 00:00000000 00000000     0        0 3333 1 0
   3: 00000000:192E 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4444 1 0
`;

test("listenerInode sees listeners on loopback and on all addresses, but no connections and no other addresses", () => {
  assert.deepEqual(
    [6443, 6444, 6445, 6446].map((port) => listenerInode(TABLE, port)),
    ["1111", undefined, undefined, "4444"],
  );
});

test("checkPortFree names the port and its owner", async (context) => {
  const server = createServer();
  context.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  assert.throws(() => checkPortFree(port), new RegExp(`port ${port} is in use by .*\\(pid ${process.pid}\\)`));
  await new Promise((resolve) => server.close(resolve));
  checkPortFree(port);
});

test("missingPackages speaks of Debian packages, not of programs", () => {
  const missing = missingPackages("/nonexistent");
  assert.ok(missing.includes("etcd-server") && missing.includes("iproute2"));
  assert.equal(missing.filter((name) => name === "containerd").length, 1);
});
