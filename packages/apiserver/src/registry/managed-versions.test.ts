// The version that owners of fields are recorded with, against a real server and etcd.
import assert from "node:assert/strict";
import { test } from "node:test";
import { serveApi } from "../testing/serve-api.ts";
import type { TestAnswer } from "../testing/test-client.ts";

const { client } = await serveApi();
const V1 = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers";
const V2 = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
const OLD_JOBS = "/apis/batch/v1beta1/namespaces/default/cronjobs";

const scaler = (name: string, spec: object) => ({
  apiVersion: "autoscaling/v1",
  kind: "HorizontalPodAutoscaler",
  metadata: { name },
  spec: { maxReplicas: 5, scaleTargetRef: { kind: "Deployment", name: "d" }, ...spec },
});

const apply = (path: string, manager: string, body: object) =>
  client.call("PATCH", `${path}?fieldManager=${manager}`, { type: "application/apply-patch+yaml", body });

interface Entry {
  readonly manager: string;
  readonly apiVersion: string;
  readonly fieldsV1: Readonly<Record<string, object>>;
}

/** Manager → its version and the fields of the spec that it owns. */
function ownersOf({ body }: TestAnswer): Record<string, [string, string[]]> {
  const entries: Entry[] = body.metadata.managedFields ?? [];
  return Object.fromEntries(
    entries.map(({ manager, apiVersion, fieldsV1 }) => [manager, [apiVersion, Object.keys(fieldsV1["f:spec"] ?? {})]]),
  );
}

test("a writer's entry carries the version of its request and names that version's fields", async () => {
  const made = await client.post(
    `${V1}?fieldManager=maker`,
    scaler("h1", { minReplicas: 1, targetCPUUtilizationPercentage: 50 }),
  );
  const rest = ["f:maxReplicas", "f:scaleTargetRef"];
  const cpu = "f:targetCPUUtilizationPercentage";
  assert.deepEqual(ownersOf(made).maker, [
    "autoscaling/v1",
    ["f:maxReplicas", "f:minReplicas", "f:scaleTargetRef", cpu],
  ]);
  const patched = await client.merge(`${V2}/h1?fieldManager=newer`, { spec: { minReplicas: 2 } });
  assert.deepEqual(ownersOf(patched).newer, ["autoscaling/v2", ["f:minReplicas"]]);
  assert.deepEqual(ownersOf(patched).maker, ["autoscaling/v1", [...rest, cpu]]);
  const older = await client.merge(`${V1}/h1?fieldManager=older`, { spec: { targetCPUUtilizationPercentage: 60 } });
  assert.deepEqual(ownersOf(older), {
    maker: ["autoscaling/v1", rest],
    newer: ["autoscaling/v2", ["f:minReplicas"]],
    older: ["autoscaling/v1", [cpu]],
  });
  const job = { template: { spec: { restartPolicy: "Never", containers: [{ name: "c", image: "i" }] } } };
  const cron = { metadata: { name: "c" }, spec: { schedule: "* * * * *", jobTemplate: { spec: job } } };
  assert.equal(ownersOf(await client.post(`${OLD_JOBS}?fieldManager=cron`, cron)).cron?.[0], "batch/v1beta1");
});

test("apply owns fields of its version, conflicts with a writer of another, and writes nothing the second time", async () => {
  const config = scaler("h2", { targetCPUUtilizationPercentage: 50 });
  const made = await apply(`${V1}/h2`, "me", config);
  assert.equal(made.code, 201);
  const fields = ["f:maxReplicas", "f:scaleTargetRef", "f:targetCPUUtilizationPercentage"];
  assert.deepEqual(ownersOf(made).me, ["autoscaling/v1", fields]);
  const again = await apply(`${V1}/h2`, "me", config);
  assert.deepEqual([again.code, again.body.metadata.resourceVersion], [200, made.body.metadata.resourceVersion]);
  const newer = await client.merge(`${V2}/h2?fieldManager=newer`, { spec: { metrics: null } });
  assert.deepEqual([newer.code, newer.body.spec.metrics?.[0]?.resource.target.averageUtilization], [200, 80]);
  const refused = await apply(`${V1}/h2`, "me", config);
  assert.equal(refused.code, 409);
  assert.match(refused.body.message, /conflict with "newer" .*using autoscaling\/v2/);
  const { targetCPUUtilizationPercentage: _cpu, ...spec } = config.spec as Record<string, unknown>;
  const given = await apply(`${V1}/h2`, "me", { ...config, spec });
  assert.equal(given.code, 200);
  assert.deepEqual(ownersOf(given).me, ["autoscaling/v1", fields.slice(0, 2)]);
});
