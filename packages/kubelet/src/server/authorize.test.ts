// How requests become questions about the node's subresources.
import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import type { AuthRequest } from "@skiff/client/delegated-auth.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { authorizeRequest, subresourcesOf, verbOf } from "./authorize.ts";

test("subresourcesOf maps paths as upstream does, and nothing that only resembles them", () => {
  const expected: Record<string, string[]> = {
    "/stats/summary": ["stats"],
    "/metrics": ["metrics"],
    "/metrics/resource": ["metrics"],
    "/logs/syslog": ["log"],
    "/pods": ["pods", "proxy"],
    "/runningpods/": ["pods", "proxy"],
    "/healthz": ["healthz", "proxy"],
    "/configz": ["configz", "proxy"],
    "/exec/default/web/app": ["proxy"],
    "/containerLogs/default/web/app": ["proxy"],
    "/metricsx": ["proxy"],
    "/podsecrets": ["proxy"],
  };
  for (const [path, subresources] of Object.entries(expected))
    assert.deepEqual(subresourcesOf(path), subresources, path);
});

test("verbOf names methods as RBAC does", () => {
  assert.deepEqual(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"].map(verbOf), [
    "get",
    "create",
    "update",
    "patch",
    "delete",
    "",
  ]);
});

function request(url: string, rawHeaders: string[] = []): IncomingMessage {
  return { method: "GET", url, headers: {}, rawHeaders, socket: {} } as unknown as IncomingMessage;
}

function authThatAllows(allowed: readonly string[]) {
  const asked: AuthRequest[] = [];
  const authorize = async (question: AuthRequest) => {
    asked.push(question);
    const user = { username: "jane" };
    const attributes = "resourceAttributes" in question.attributes ? question.attributes.resourceAttributes : {};
    if (allowed.includes(attributes.subresource ?? "")) return { status: 200 as const, user };
    return { status: 403 as const, user, reason: "" };
  };
  return { auth: { authorize }, asked, log: silentLogger() };
}

test("authorizeRequest falls back to proxy and names all that it tried", async () => {
  const { signal } = new AbortController();
  await authorizeRequest(request("/pods?x=/stats"), "n1", authThatAllows(["proxy"]), signal);
  await assert.rejects(authorizeRequest(request("/pods"), "n1", authThatAllows(["stats"]), signal), {
    status: 403,
    message: "Forbidden (user=jane, verb=get, resource=nodes, subresource(s)=[pods proxy])",
  });
});

test("authorizeRequest takes the token of a WebSocket client from its subprotocols", async () => {
  const deps = authThatAllows(["proxy"]);
  const protocol = `base64url.bearer.authorization.k8s.io.${Buffer.from("s3cret").toString("base64url")}`;
  const headers = ["Sec-WebSocket-Protocol", `v5.channel.k8s.io, ${protocol}`];
  await authorizeRequest(request("/exec/a/b/c", headers), "n1", deps, new AbortController().signal);
  assert.equal(deps.asked[0]?.bearerToken, "s3cret");
});
