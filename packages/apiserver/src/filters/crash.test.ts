// A handler with a bug in it: what the client gets, and what the audit log keeps.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { Auditor } from "../audit/auditor.ts";
import { parseAuditPolicy } from "../audit/policy.ts";
import { Router } from "../http/router.ts";
import { InFlightLimit } from "./in-flight.ts";
import { Pipeline } from "./pipeline.ts";
import { RequestMetrics } from "./request-metrics.ts";
import { SecurityMetrics } from "./security-metrics.ts";

test("a bug is a 500 that tells the client nothing, and an audit event of the stage Panic that tells it", async () => {
  const events: string[] = [];
  const push = (event: string) => events.push(event) > 0;
  const sink = { name: "memory", isBlocking: true, isStrict: false, push, close: async () => {} };
  const policy = parseAuditPolicy("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{ level: Metadata }]\n");
  const metrics = new MetricsRegistry();
  const clock = realClock;
  const limit = new InFlightLimit({ readOnly: 0, mutating: 0 }, clock);
  const broken = {
    path: "/broken",
    handle: async () => {
      throw new TypeError("x is not a function");
    },
  };
  const registry = { serves: () => false, handle: broken.handle, upgrade: broken.handle };
  const pipeline = new Pipeline({
    authenticator: { authenticate: async () => ({ name: "jane", groups: [], extra: {} }) },
    authorizer: { name: "all", authorize: () => ({ verdict: "allow", reason: "" }) },
    router: new Router([broken], [], registry),
    limit,
    metrics: new RequestMetrics(metrics, limit),
    securityMetrics: new SecurityMetrics(metrics, clock),
    audit: new Auditor(policy, [sink], { clock, metrics }),
    tracer: undefined,
    clock,
    log: silentLogger(),
    requestTimeoutMs: 60_000,
  });
  const server = createServer((request, response) => pipeline.handlers.request(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/broken`);
  const body = await answer.text();
  server.close();
  assert.equal(answer.status, 500);
  assert.equal(JSON.parse(body).reason, "InternalError");
  assert.doesNotMatch(body, /not a function/);
  const told = events.map((event) => JSON.parse(event));
  assert.deepEqual(
    told.map(({ stage }) => stage),
    ["RequestReceived", "Panic"],
  );
  assert.deepEqual(told[1].responseStatus, {
    metadata: {},
    status: "Failure",
    message: "APIServer panic'd: x is not a function",
    reason: "InternalError",
    code: 500,
  });
});
