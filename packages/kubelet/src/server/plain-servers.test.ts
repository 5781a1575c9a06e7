// What the ports without authentication tell, and what they keep to themselves.
import assert from "node:assert/strict";
import { request } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import type { Pod } from "@skiff/api/types.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { createContainerMetricsServer, createReadOnlyServer } from "./plain-servers.ts";
import type { ServedDeps } from "./read-routes.ts";
import { requestCounter } from "./read-routes.ts";

const options = { address: "127.0.0.1", port: 0, tls: { cert: "", key: "" }, podLogDir: "/nowhere", nodeName: "n1" };
const metrics = new MetricsRegistry();
const deps = {
  pods: { list: () => [{ metadata: { name: "web" } } as Pod], find: () => undefined },
  cri: { listContainerStats: async () => [], imageFsInfo: async () => [] },
  runtime: { read: async () => undefined, list: async () => new Map() },
  cgroups: { read: async () => undefined, isUnified: false },
  podCgroups: { path: () => "/kubepods/podu1", kubepods: "/kubepods" },
  configz: () => ({ secret: true }),
  metrics,
  requests: requestCounter(metrics),
  clock: realClock,
  log: silentLogger(),
} as unknown as ServedDeps;

const stack = new AsyncDisposableStack();
after(() => stack.disposeAsync());

async function serve(
  create: typeof createReadOnlyServer,
): Promise<(path: string, method?: string) => Promise<[number, string]>> {
  const app = create(options, deps);
  stack.defer(() => app.close());
  await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return async (path, method = "GET") => {
    const { promise, resolve, reject } = Promise.withResolvers<[number, string]>();
    request({ host: "127.0.0.1", port, path, method, agent: false }, async (answer) => {
      resolve([answer.statusCode ?? 0, await text(answer)]);
    })
      .on("error", reject)
      .end();
    return promise;
  };
}

test("createReadOnlyServer tells about pods and figures without asking who wants to know", async () => {
  const ask = await serve(createReadOnlyServer);
  assert.deepEqual(await ask("/healthz"), [200, "ok"]);
  const [status, body] = await ask("/pods");
  assert.equal(status, 200);
  assert.equal(JSON.parse(body).items[0].metadata.name, "web");
  assert.equal((await ask("/metrics"))[0], 200);
});

test("both answer HEAD where they tell their health, as supervisors ask", async () => {
  for (const create of [createReadOnlyServer, createContainerMetricsServer]) {
    const ask = await serve(create);
    assert.deepEqual(await ask("/healthz", "HEAD"), [200, ""]);
  }
});

test("createReadOnlyServer has nothing that looks into containers, or acts in them", async () => {
  const ask = await serve(createReadOnlyServer);
  for (const path of [
    "/containerLogs/default/web/c",
    "/exec/default/web/c",
    "/run/default/web/c",
    "/configz",
    "/runningpods",
  ]) {
    assert.equal((await ask(path))[0], 404, path);
  }
});

test("createContainerMetricsServer has cAdvisor's metrics and no pods", async () => {
  const ask = await serve(createContainerMetricsServer);
  const [status, body] = await ask("/metrics");
  assert.equal(status, 200);
  assert.match(body, /^# HELP /);
  assert.equal((await ask("/pods"))[0], 404);
});
