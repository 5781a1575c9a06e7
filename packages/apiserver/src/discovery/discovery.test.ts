// Discovery documents of a small set of kinds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { KINDS } from "@skiff/api/kinds/index.ts";
import { VIRTUAL_KINDS } from "@skiff/api/kinds/virtual-kinds.ts";
import type { APIResource, APIResourceList } from "@skiff/api/types.ts";
import type { RequestContext } from "../http/endpoint.ts";
import { wantedAggregatedVersion } from "./aggregated.ts";
import { createDiscoveryHandlers } from "./index.ts";

const handlers = createDiscoveryHandlers(KINDS, VIRTUAL_KINDS);

async function get(path: string, headers: Record<string, string> = {}) {
  const handler = handlers.find((candidate) => candidate.path === path);
  assert.ok(handler, `no handler for ${path}`);
  return handler.handle({ raw: { headers } } as unknown as RequestContext);
}

async function resources(path: string): Promise<Map<string, APIResource>> {
  const answer = await get(path);
  assert.ok("object" in answer);
  return new Map((answer.object as APIResourceList).resources.map((resource) => [resource.name, resource]));
}

test("createDiscoveryHandlers lists resources with subresources, verbs and foreign kinds", async () => {
  const core = await resources("/api/v1");
  assert.deepEqual(core.get("pods")?.shortNames, ["po"]);
  assert.deepEqual(core.get("pods")?.categories, ["all"]);
  assert.equal(core.get("pods")?.storageVersionHash, "xPOwRZ+Yhw8=");
  assert.deepEqual(core.get("pods/exec")?.verbs, ["create", "get"]);
  assert.deepEqual(core.get("pods/status")?.verbs, ["get", "patch", "update"]);
  const token = core.get("serviceaccounts/token");
  assert.deepEqual([token?.group, token?.version, token?.kind], ["authentication.k8s.io", "v1", "TokenRequest"]);
  const scale = (await resources("/apis/apps/v1")).get("deployments/scale");
  assert.deepEqual([scale?.group, scale?.kind, scale?.singularName], ["autoscaling", "Scale", ""]);
  assert.deepEqual([...core.keys()], [...core.keys()].sort());
});

test("createDiscoveryHandlers serves the aggregated document with an ETag", async () => {
  const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
  const answer = await get("/apis", { accept });
  assert.ok("bytes" in answer);
  assert.equal(answer.contentType, "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
  const document = JSON.parse(answer.bytes.toString());
  assert.equal(document.items[0].metadata.name, "apiregistration.k8s.io");
  const deployments = document.items[1].versions[0].resources.find(
    (r: { resource: string }) => r.resource === "deployments",
  );
  assert.deepEqual(deployments.responseKind, { group: "apps", version: "v1", kind: "Deployment" });
  assert.equal(deployments.scope, "Namespaced");
  const again = await get("/apis", { accept, "if-none-match": answer.headers?.etag ?? "" });
  assert.equal(again.code, 304);
});

test("wantedAggregatedVersion follows the order of the Accept header", () => {
  const aggregated = (version: string) =>
    `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
  assert.equal(wantedAggregatedVersion(`${aggregated("v2")},${aggregated("v2beta1")},application/json`), "v2");
  assert.equal(wantedAggregatedVersion(`${aggregated("v3")},${aggregated("v2beta1")}`), "v2beta1");
  assert.equal(wantedAggregatedVersion(`application/json,${aggregated("v2")}`), undefined);
  assert.equal(wantedAggregatedVersion(undefined), undefined);
});
