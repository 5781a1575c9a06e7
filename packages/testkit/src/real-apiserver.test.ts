import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConfigMap } from "@skiff/api/types.ts";
import { RealApiserver } from "./real-apiserver.ts";
import { waitFor } from "./wait-for.ts";

const MAPS = "/api/v1/namespaces/default/configmaps";
const map = (name: string) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { a: "1" } });

test("what the apiserver acknowledged survives SIGKILL of it and of etcd", async () => {
  await using server = await RealApiserver.start();
  const acknowledged: string[] = [];
  const write = async (name: string) => {
    const { status } = await server.ask("POST", MAPS, map(name));
    if (status === 201) acknowledged.push(name);
  };
  await waitFor(
    "the namespace default",
    async () => (await server.ask("GET", "/api/v1/namespaces/default")).status === 200,
  );
  await Promise.all(Array.from({ length: 20 }, (_, index) => write(`before-${index}`)));
  // Writes are under way when the process dies: only those that were answered count.
  const underWay = Array.from({ length: 20 }, (_, index) => write(`during-${index}`).catch(() => {}));
  await Promise.all([...underWay, server.kill()]);
  await server.etcd.kill();
  await server.etcd.restart();
  await server.restart();
  const { items } = (await server.ask("GET", MAPS)).body as { items: ConfigMap[] };
  const names = new Set(items.map((item) => item.metadata.name));
  assert.ok(acknowledged.length >= 20);
  assert.deepEqual(
    acknowledged.filter((name) => !names.has(name)),
    [],
  );
});

test("no program may do what is not its own", async () => {
  await using server = await RealApiserver.start();
  const read = (user: string, path: string) => server.ask("GET", path, undefined, "application/json", user);
  await waitFor("the roles of the scheduler", async () => (await read("scheduler", "/api/v1/pods")).status === 200);
  assert.equal((await read("scheduler", "/api/v1/namespaces/default/secrets")).status, 403);
  assert.equal((await read("kube-proxy", "/api/v1/pods")).status, 403);
  assert.equal((await read("kubelet-node-1", "/api/v1/namespaces/default/secrets/other")).status, 403);
  const other = { apiVersion: "v1", kind: "Node", metadata: { name: "node-2" } };
  assert.equal((await server.ask("POST", "/api/v1/nodes", other)).status, 201);
  const patch = { status: { phase: "Running" } };
  const asNode1 = await server.ask(
    "PATCH",
    "/api/v1/nodes/node-2/status",
    patch,
    "application/merge-patch+json",
    "kubelet-node-1",
  );
  assert.equal(asNode1.status, 403);
});
