// URLs as upstream's RequestInfo reads them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRequestInfo } from "./parse-request-info.ts";

function parse(method: string, url: string) {
  const [path = "", query = ""] = url.split("?");
  const info = parseRequestInfo(method, path, new URLSearchParams(query));
  const { verb, group, version, namespace, resource, subresource, name, rest } = info;
  return info.isResourceRequest
    ? [verb, group, version, namespace, resource, subresource, name, rest].join("|")
    : "plain";
}

test("parseRequestInfo reads verb, group, version, namespace, resource, name, subresource and rest", () => {
  const cases: [string, string, string][] = [
    ["GET", "/api/v1/pods", "list||v1||pods|||"],
    ["GET", "/api/v1/pods?watch=true", "watch||v1||pods|||"],
    ["GET", "/api/v1/pods?watch=0", "list||v1||pods|||"],
    ["GET", "/api/v1/watch/namespaces/a/pods", "watch||v1|a|pods|||"],
    ["POST", "/apis/apps/v1/namespaces/a/deployments", "create|apps|v1|a|deployments|||"],
    ["GET", "/api/v1/namespaces/a", "get||v1|a|namespaces||a|"],
    ["PUT", "/api/v1/namespaces/a/finalize", "update||v1|a|namespaces|finalize|a|"],
    ["PATCH", "/api/v1/namespaces/a/pods/p/status", "patch||v1|a|pods|status|p|"],
    ["DELETE", "/api/v1/namespaces/a/pods", "deletecollection||v1|a|pods|||"],
    ["GET", "/api/v1/namespaces/a/services/s/proxy/x/y", "get||v1|a|services|proxy|s|x/y"],
    ["GET", "/api/v1/namespaces/a/pods?fieldSelector=metadata.name%3Dp", "list||v1|a|pods||p|"],
    ["GET", "/api/v1/namespaces/a/pods/p?watch=true", "get||v1|a|pods||p|"],
    ["GET", "/api/v1/watch/namespaces/a/pods/p", "watch||v1|a|pods||p|"],
    ["GET", "/api/v1/namespaces/a/pods?fieldSelector=x%3D1,metadata.name%3D%3Db", "list||v1|a|pods||b|"],
  ];
  for (const [method, url, wanted] of cases) {
    assert.equal(parse(method, url), wanted, url);
  }
});

test("parseRequestInfo gives methods of the client's invention no verb", () => {
  for (const method of ["LIST", "list", "get", "WATCH", "DELETECOLLECTION", "OPTIONS", "constructor"]) {
    assert.equal(parse(method, "/api/v1/namespaces/a/secrets/s"), "||v1|a|secrets||s|", method);
  }
});

test("parseRequestInfo takes discovery and other paths as plain", () => {
  for (const path of ["/", "/healthz", "/api", "/api/v1", "/apis/apps", "/apis/apps/v1", "/openapi/v2"]) {
    assert.equal(parse("GET", path), "plain", path);
  }
});
