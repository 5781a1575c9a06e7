// Clients that nobody here wrote, against a real server: Debian's python3-kubernetes, the official JavaScript client.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  AppsV1Api,
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  KubernetesObjectApi,
  makeInformer,
  PatchStrategy,
  setHeaderOptions,
  type V1ConfigMap,
} from "@kubernetes/client-node";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { serveApi } from "../testing/serve-api.ts";

const { server } = await serveApi();

const PYTHON = "/usr/bin/python3";
const hasPython = existsSync("/usr/lib/python3/dist-packages/kubernetes");
const SCRIPT = fileURLToPath(new URL("../testing/python-client.py", import.meta.url));

test("python3-kubernetes creates, lists, watches, patches, replaces and deletes", {
  skip: !hasPython && "no python3-kubernetes",
}, async () => {
  const { stdout } = await promisify(execFile)(PYTHON, [SCRIPT, server.kubeconfig], { timeout: 60_000 });
  const steps = new Map(
    stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
      .map(({ step, ...facts }) => [step, facts]),
  );
  assert.deepEqual(steps.get("create").data, { a: "1" });
  assert.deepEqual(steps.get("list").names, ["py"]);
  assert.deepEqual(steps.get("replace").data, { a: "1", b: "2", c: "3" });
  assert.deepEqual(steps.get("conflict"), { code: 409, reason: "Conflict" });
  assert.equal(steps.get("delete").status, "Success");
  assert.deepEqual(steps.get("watch").events, [
    ["MODIFIED", "py", { a: "1", b: "2" }],
    ["MODIFIED", "py", { a: "1", b: "2", c: "3" }],
    ["DELETED", "py", { a: "1", b: "2", c: "3" }],
  ]);
  assert.deepEqual(steps.get("deployment"), { strategy: "RollingUpdate", replicas: 5 });
  assert.deepEqual(steps.get("dynamic"), { kind: "NodeList", groups: true });
});

function javascriptConfig(): KubeConfig {
  const config = new KubeConfig();
  config.loadFromFile(server.kubeconfig);
  return config;
}

test("the JavaScript client's informer follows its namespace, through a restart of the server as well", async () => {
  const config = javascriptConfig();
  const core = config.makeApiClient(CoreV1Api);
  const namespace = "informed";
  await core.createNamespace({ body: { metadata: { name: namespace } } });
  const make = (name: string, value: string) => ({ metadata: { name, namespace }, data: { value } });
  await core.createNamespacedConfigMap({ namespace, body: make("before", "1") });
  const informer = makeInformer<V1ConfigMap>(config, `/api/v1/namespaces/${namespace}/configmaps`, () =>
    core.listNamespacedConfigMap({ namespace }),
  );
  const seen: string[] = [];
  for (const verb of ["add", "update", "delete"] as const) {
    informer.on(verb, (object) => seen.push(`${verb} ${object.metadata?.name} ${object.data?.value}`));
  }
  let broken = 0;
  informer.on("error", () => {
    broken += 1;
  });
  await informer.start();
  await waitFor("the first object", () => seen.includes("add before 1"));
  await core.createNamespacedConfigMap({ namespace, body: make("after", "1") });
  await core.replaceNamespacedConfigMap({ namespace, name: "after", body: make("after", "2") });
  await core.deleteNamespacedConfigMap({ namespace, name: "before" });
  await waitFor("three events", () => seen.length === 4);
  assert.deepEqual(seen, ["add before 1", "add after 1", "update after 2", "delete before 1"]);
  await server.stop();
  await server.restart();
  await core.createNamespacedConfigMap({ namespace, body: make("later", "1") });
  const arrived = async () => {
    // As its documentation says: after an error it is for its owner to start it again.
    if (broken > 0) await informer.start();
    broken = 0;
    return seen.includes("add later 1");
  };
  await waitFor("the object after the restart", arrived, { timeoutMs: 20_000 });
  assert.deepEqual(seen.slice(4), ["add later 1"]);
  await informer.stop();
});

test("the JavaScript client patches in each way, reads any kind by its name and lists custom paths", async () => {
  const config = javascriptConfig();
  const apps = config.makeApiClient(AppsV1Api);
  const containers = [{ name: "c", image: "one" }];
  const template = { metadata: { labels: { app: "js" } }, spec: { containers } };
  const spec = { replicas: 1, selector: { matchLabels: { app: "js" } }, template };
  const namespace = "default";
  await apps.createNamespacedDeployment({ namespace, body: { metadata: { name: "js" }, spec } });
  const patch = (body: object, strategy: (typeof PatchStrategy)[keyof typeof PatchStrategy]) =>
    apps.patchNamespacedDeployment({ namespace, name: "js", body }, setHeaderOptions("content-type", strategy));
  await patch([{ op: "replace", path: "/spec/replicas", value: 3 }], PatchStrategy.JsonPatch);
  await patch({ metadata: { labels: { a: "b" } } }, PatchStrategy.MergePatch);
  const side = [{ name: "side", image: "two" }];
  const after = await patch({ spec: { template: { spec: { containers: side } } } }, PatchStrategy.StrategicMergePatch);
  assert.equal(after.spec?.replicas, 3);
  assert.deepEqual(after.metadata?.labels, { a: "b" });
  assert.deepEqual(after.spec?.template.spec?.containers.map(({ name }) => name).sort(), ["c", "side"]);
  const objects = KubernetesObjectApi.makeApiClient(config);
  const read = await objects.read({ apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "js", namespace } });
  assert.equal(read.metadata?.uid, after.metadata?.uid);
  const custom = config.makeApiClient(CustomObjectsApi);
  const list = await custom.listNamespacedCustomObject({
    group: "apps",
    version: "v1",
    namespace,
    plural: "deployments",
  });
  assert.ok((list as { items: unknown[] }).items.length >= 1);
  const error = await apps.readNamespacedDeployment({ namespace, name: "none" }).catch((thrown: unknown) => thrown);
  assert.equal((error as { code?: number }).code, 404);
});
