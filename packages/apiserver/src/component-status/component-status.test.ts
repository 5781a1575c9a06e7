// componentstatuses over parts that are well, ill and away.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RequestContext } from "../http/endpoint.ts";
import { createComponentStatusHandler } from "./index.ts";
import { etcdProbe, healthzProbe } from "./probes.ts";

const handler = createComponentStatusHandler([
  { name: "scheduler", probe: async () => ({ healthy: true, message: "ok" }) },
  etcdProbe(() => Promise.reject(new Error("etcd: no answer"))),
]);

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape.
async function ask(verb: string, name = "", accept = "application/json", query = ""): Promise<any> {
  const warnings: string[] = [];
  const context = {
    info: { verb, name },
    raw: { headers: { accept } },
    query: new URLSearchParams(query),
    warn: (text: string) => warnings.push(text),
  } as unknown as RequestContext;
  const answer = await handler.handle(context);
  assert.deepEqual(warnings, ["v1 ComponentStatus is deprecated in v1.19+"]);
  return "object" in answer && answer.object;
}

test("componentstatuses are listed, read, selected and shown as a Table", async () => {
  const list = await ask("list");
  assert.equal(list.kind, "ComponentStatusList");
  assert.deepEqual(list.items[1].conditions, [{ type: "Healthy", status: "False", message: "etcd: no answer" }]);
  assert.deepEqual((await ask("get", "scheduler")).conditions, [{ type: "Healthy", status: "True", message: "ok" }]);
  assert.equal((await ask("list", "", "application/json", "labelSelector=a%3Db")).items.length, 0);
  const table = await ask("list", "scheduler", "application/json;as=Table;v=v1;g=meta.k8s.io");
  assert.deepEqual(
    table.rows.map((row: { cells: string[] }) => row.cells),
    [["scheduler", "Healthy", "ok", ""]],
  );
  await assert.rejects(ask("get", "none"), { code: 404 });
  await assert.rejects(ask("create"), { code: 405 });
});

test("healthzProbe says in upstream's words that nobody listens", async () => {
  // Port 1 is nobody's on any machine that runs this.
  const { healthy, message } = await healthzProbe("x", 1).probe();
  assert.equal(healthy, false);
  assert.equal(message, 'Get "https://127.0.0.1:1/healthz": dial tcp 127.0.0.1:1: connect: connection refused');
});
