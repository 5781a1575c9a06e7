import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { realClock } from "@skiff/component-base/clock.ts";
import { runProbe } from "../probes/run-probe.ts";
import { sampleContainer } from "../testing/sample-pods.ts";
import { LifecycleHooks } from "./lifecycle-hooks.ts";

const cri = { execSync: () => Promise.reject(new Error("no exec here")) };
const { signal } = new AbortController();

test("an HTTP hook is content with any answer, and with a plain one where it asked for TLS", async (t) => {
  const asked: string[] = [];
  const server = createServer(({ url, headers }, response) => {
    asked.push([url, headers["user-agent"], headers["x-own"], headers.authorization].join(" "));
    response.writeHead(500).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const warnings: string[] = [];
  const warn = (reason: string, message: string) => void warnings.push(`${reason} ${message}`);
  const target = { container: sampleContainer("c"), containerId: "c-0", podIp: "127.0.0.1", warn };
  const hooks = new LifecycleHooks({ cri, clock: realClock });
  const httpHeaders = [
    { name: "X-Own", value: "mine" },
    { name: "Authorization", value: "secret" },
  ];
  await hooks.run({ httpGet: { path: "/plain", port, httpHeaders } }, target, signal);
  assert.deepEqual(warnings, []);
  const httpGet = { path: "/tls", port, scheme: "HTTPS", httpHeaders };
  await hooks.run({ httpGet }, target, signal);
  // What was meant to be hidden by TLS is not sent without it.
  assert.deepEqual(asked, ["/plain kube-lifecycle/1.36 mine secret", "/tls kube-lifecycle/1.36 mine "]);
  const text = `LifecycleHTTPFallback request to HTTPS lifecycle hook 127.0.0.1:${port} got HTTP response, retry with HTTP succeeded`;
  assert.deepEqual(warnings, [text]);
  const probed = await runProbe({ httpGet, timeoutSeconds: 10 }, target, { cri, clock: realClock });
  const words = `Get "https://127.0.0.1:${port}/tls": http: server gave HTTP response to HTTPS client`;
  assert.deepEqual(probed, { ok: false, output: words });
});
