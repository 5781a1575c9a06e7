// Evictions under PodDisruptionBudgets: the pure count, and the whole way against a real server and etcd.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "@skiff/api/errors.ts";
import type { PodDisruptionBudget } from "@skiff/api/types.ts";
import { serveApi } from "../testing/serve-api.ts";
import type { TestAnswer } from "../testing/test-client.ts";
import { withDisruption } from "./disruption-budgets.ts";

const { client } = await serveApi();
const PODS = "/api/v1/namespaces/default/pods";
const BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
const NOW = "2026-01-01T00:00:00Z";

async function createPod(name: string, app: string, phase: string, ready: "True" | "False"): Promise<void> {
  const spec = { nodeName: "n1", containers: [{ name: "c", image: "i" }] };
  await client.post(PODS, { metadata: { name, labels: { app } }, spec });
  const status = { phase, conditions: [{ type: "Ready", status: ready }] };
  assert.equal((await client.merge(`${PODS}/${name}/status`, { status })).code, 200);
}

async function createBudget(name: string, app: string, status: object, spec: object = {}): Promise<void> {
  const selector = { matchLabels: { app } };
  const made = await client.post(BUDGETS, { metadata: { name }, spec: { minAvailable: 1, selector, ...spec } });
  assert.equal(made.code, 201);
  const { generation } = made.body.metadata;
  const counted = await client.merge(`${BUDGETS}/${name}/status`, {
    status: { observedGeneration: generation, ...status },
  });
  assert.equal(counted.code, 200);
}

const evict = (name: string, body: object = {}): Promise<TestAnswer> =>
  client.post(`${PODS}/${name}/eviction`, { apiVersion: "policy/v1", kind: "Eviction", metadata: { name }, ...body });

const isLeft = async (name: string): Promise<boolean> => {
  const { code, body } = await client.get(`${PODS}/${name}`);
  return code === 200 && body.metadata.deletionTimestamp === undefined;
};

test("a budget lets as many pods go as it allows, keeps account of them, and refuses the next with 429", async () => {
  await createBudget("web", "web", { disruptionsAllowed: 1, currentHealthy: 2, desiredHealthy: 1, expectedPods: 2 });
  await createPod("web-0", "web", "Running", "True");
  await createPod("web-1", "web", "Running", "True");
  assert.equal((await evict("web-0", { deleteOptions: { dryRun: ["All"] } })).code, 201);
  assert.equal((await client.get(`${BUDGETS}/web`)).body.status.disruptionsAllowed, 1);
  assert.equal((await evict("web-0", { deleteOptions: { preconditions: { uid: "x" } } })).code, 409);
  const answers = await Promise.all([evict("web-0"), evict("web-1")]);
  assert.deepEqual(answers.map(({ code }) => code).sort(), [201, 429]);
  const left = answers[0].code === 429 ? "web-0" : "web-1";
  assert.equal(await isLeft(left), true);
  const { status } = (await client.get(`${BUDGETS}/web`)).body;
  assert.equal(status.disruptionsAllowed, 0);
  assert.deepEqual(Object.keys(status.disruptedPods), [left === "web-0" ? "web-1" : "web-0"]);
  assert.deepEqual([status.conditions[0].status, status.conditions[0].reason], ["False", "InsufficientPods"]);
  const { code, body, headers } = await evict(left);
  assert.deepEqual([code, body.reason, headers["retry-after"]], [429, "TooManyRequests", undefined]);
  assert.equal(body.message, "Cannot evict pod as it would violate the pod's disruption budget.");
  const message = "The disruption budget web needs 1 healthy pods and has 2 currently";
  const closed = "The disruption budget web does not allow evicting pods currently";
  assert.deepEqual(body.details, { causes: [{ reason: "DisruptionBudget", message: closed }] });
  await client.merge(`${BUDGETS}/web/status`, { status: { currentHealthy: 1 } });
  assert.equal((await evict(left)).body.details.causes[0].message, message.replace("has 2", "has 1"));
});

test("a budget that was not counted yet has its clients come back in ten seconds", async () => {
  await createBudget("late", "late", { observedGeneration: 0, disruptionsAllowed: 5 });
  await createPod("late-0", "late", "Running", "True");
  const { code, body, headers } = await evict("late-0");
  assert.deepEqual([code, headers["retry-after"]], [429, "10"]);
  const message = "The disruption budget late is still being processed by the server.";
  assert.deepEqual(body.details, { causes: [{ reason: "DisruptionBudget", message }], retryAfterSeconds: 10 });
  assert.equal(await isLeft("late-0"), true);
});

test("a pod under two budgets cannot be evicted; budgets of other labels do not count", async () => {
  for (const name of ["two-a", "two-b"]) await createBudget(name, "two", { disruptionsAllowed: 5 });
  await createPod("two-0", "two", "Running", "True");
  const { code, body } = await evict("two-0");
  assert.deepEqual([code, body.reason], [500, undefined]);
  const message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
  assert.equal(body.message, message);
  await createPod("free", "nobody", "Running", "True");
  assert.equal((await evict("free")).code, 201);
});

test("pods that have not begun, have ended or are ending go without asking the budget", async () => {
  await createBudget("none", "none", { disruptionsAllowed: 0, currentHealthy: 1, desiredHealthy: 1 });
  for (const phase of ["Pending", "Succeeded", "Failed"]) {
    const name = `none-${phase.toLowerCase()}`;
    await createPod(name, "none", phase, "False");
    assert.equal((await evict(name)).code, 201, phase);
    assert.equal(await isLeft(name), false, phase);
  }
  await createPod("none-ending", "none", "Running", "True");
  assert.equal((await evict("none-ending")).code, 429);
  await client.call("DELETE", `${PODS}/none-ending`);
  assert.equal((await evict("none-ending")).code, 201);
});

test("unready pods go as the policy of their budget says, and cost it nothing", async () => {
  const healthy = { disruptionsAllowed: 0, currentHealthy: 1, desiredHealthy: 1 };
  const disrupted = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 1 };
  const cases = [
    ["default-healthy", healthy, {}, 201],
    ["default-disrupted", disrupted, {}, 429],
    ["budget-disrupted", disrupted, { unhealthyPodEvictionPolicy: "IfHealthyBudget" }, 429],
    ["always-disrupted", disrupted, { unhealthyPodEvictionPolicy: "AlwaysAllow" }, 201],
    ["nothing-desired", { disruptionsAllowed: 0 }, {}, 429],
  ] as const;
  for (const [app, status, spec, code] of cases) {
    await createBudget(app, app, status, spec);
    await createPod(`${app}-0`, app, "Running", "False");
    assert.equal((await evict(`${app}-0`)).code, code, app);
    assert.equal(await isLeft(`${app}-0`), code !== 201, app);
    assert.equal((await client.get(`${BUDGETS}/${app}`)).body.status.disruptedPods, undefined, app);
  }
});

test("withDisruption takes one, and says why it cannot", () => {
  const budget = (status: object): PodDisruptionBudget =>
    ({ metadata: { name: "b", generation: 2 }, status: { observedGeneration: 2, ...status } }) as PodDisruptionBudget;
  const taken = withDisruption(budget({ disruptionsAllowed: 2, disruptedPods: { a: NOW } }), "p", NOW).status;
  assert.deepEqual([taken?.disruptionsAllowed, taken?.disruptedPods], [1, { a: NOW, p: NOW }]);
  const refusalOf = (status: object): [number, string | undefined] => {
    try {
      withDisruption(budget(status), "p", NOW);
    } catch (error) {
      assert.ok(error instanceof ApiError);
      return [error.code, error.details?.causes?.[0]?.message];
    }
    return assert.fail("was not refused");
  };
  const closed = "The disruption budget b does not allow evicting pods currently";
  const said = { type: "DisruptionAllowed", status: "False", reason: "SyncFailed", message: "no scale" };
  assert.deepEqual(refusalOf({ conditions: [said] }), [429, `${closed} because it failed sync: no scale`]);
  const why = { currentHealthy: 3, desiredHealthy: 2, conditions: [{ ...said, reason: "R" }] };
  assert.deepEqual(refusalOf(why), [429, `${closed} (R): no scale`]);
  assert.deepEqual(refusalOf({ disruptionsAllowed: -1 }), [403, `${closed}: pdb disruptions allowed is negative`]);
  const disruptedPods = Object.fromEntries(Array.from({ length: 2001 }, (_, i) => [`p${i}`, NOW]));
  assert.equal(refusalOf({ disruptionsAllowed: 1, disruptedPods })[0], 403);
});
