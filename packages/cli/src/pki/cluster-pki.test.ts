// A cluster's certificates: what they say, whether a real TLS stack takes them, when they are made again.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { ClusterNames } from "./certificate-list.ts";
import { ensurePki } from "./cluster-pki.ts";
import { credentialsOfKubeconfig } from "./kubeconfig.ts";

const NOW = Date.UTC(2026, 5, 1);
const SERVER = "https://10.42.0.1:6443";
const names: ClusterNames = {
  controlPlaneAddresses: ["10.42.0.1"],
  controlPlaneNames: [],
  apiService: "10.42.64.1",
  nodes: [{ name: "node-1", addresses: ["10.42.0.11"] }],
};

function scratch() {
  const root = mkdtempSync(join(tmpdir(), "skiff-pki-"));
  return {
    folders: { pki: join(root, "pki"), kubeconfigs: join(root, "kubeconfigs") },
    [Symbol.dispose]: () => rmSync(root, { recursive: true }),
  };
}

test("ensurePki names programs as upstream does, and answers for every address of the apiserver", async () => {
  using dir = scratch();
  await ensurePki(dir.folders, names, SERVER, NOW);
  const read = (file: string) => new X509Certificate(readFileSync(join(dir.folders.pki, file)));
  const apiserver = read("apiserver.crt");
  for (const address of ["10.42.0.1", "10.42.64.1", "127.0.0.1"]) assert.ok(apiserver.checkIP(address), address);
  for (const host of ["kubernetes.default.svc", "localhost"]) assert.ok(apiserver.checkHost(host), host);
  assert.ok(apiserver.verify(read("ca.crt").publicKey));
  assert.ok(read("etcd/server.crt").verify(read("etcd/ca.crt").publicKey));
  const { cert, server } = credentialsOfKubeconfig(
    readFileSync(join(dir.folders.kubeconfigs, "kubelet-node-1.conf"), "utf8"),
  );
  assert.equal(new X509Certificate(cert).subject, "O=system:nodes\nCN=system:node:node-1");
  assert.equal(server, SERVER);
});

test("ensurePki keeps what is fresh, renews what ends soon, and makes anew what got another name", async () => {
  using dir = scratch();
  const first = await ensurePki(dir.folders, names, SERVER, NOW);
  assert.ok(first > 10);
  assert.equal(await ensurePki(dir.folders, names, SERVER, NOW), 0);
  assert.equal(await ensurePki(dir.folders, { ...names, apiService: "10.42.64.2" }, SERVER, NOW), 1);
  const lateMs = NOW + 300 * 86_400_000;
  assert.equal(await ensurePki(dir.folders, { ...names, apiService: "10.42.64.2" }, SERVER, lateMs), first);
});

test("ensurePki shows keys to nobody else", async () => {
  using dir = scratch();
  await ensurePki(dir.folders, names, SERVER, NOW);
  for (const file of ["ca.key", "apiserver.key", "sa.key", "etcd/server.key"]) {
    assert.equal(statSync(join(dir.folders.pki, file)).mode & 0o777, 0o600, file);
  }
});
