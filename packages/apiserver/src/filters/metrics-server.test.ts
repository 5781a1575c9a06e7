// The metrics that dashboards of upstream's apiserver read, after requests of every sort.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { serveApi } from "../testing/serve-api.ts";
import { HighWater } from "./high-water.ts";

const { server, client } = await serveApi();
const MAPS = "/api/v1/namespaces/default/configmaps";

test("requests, admission, etcd, security and watches are told with upstream's names and labels", async () => {
  using watch = client.watch(
    `${MAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=1`,
  );
  await waitFor("the watch", () => watch.code === 200);
  await client.post(MAPS, { metadata: { name: "a" } });
  await client.post(`${MAPS}?dryRun=All`, { metadata: { name: "b" } });
  await client.get(MAPS);
  await client.get("/apis/policy/v1beta1/namespaces/default/poddisruptionbudgets");
  assert.equal((await client.post("/api/v1/namespaces/nowhere/configmaps", { metadata: { name: "a" } })).code, 404);
  await waitFor("the event", () => watch.summary.includes("ADDED a"));
  // Not TLS at all.
  connect(server.port, "127.0.0.1").end("GET / HTTP/1.1\r\n\r\n");
  const text = await waitFor("the handshake to fail", async () => {
    const { text } = await client.get("/metrics");
    return /^apiserver_tls_handshake_errors_total [1-9]/m.test(text) && text;
  });
  const place = 'group="",resource="configmaps",scope="resource",subresource="",verb="POST",version="v1"';
  const has = (line: string) => assert.ok(text.includes(`\n${line}`), line);
  has(`apiserver_request_total{code="201",component="apiserver",dry_run="",${place}} 1`);
  has(`apiserver_request_total{code="201",component="apiserver",dry_run="All",${place}} 1`);
  // Dry runs promise nobody a latency.
  has(`apiserver_request_sli_duration_seconds_count{component="apiserver",${place}} 2`);
  const listed = 'group="",resource="configmaps",scope="namespace",subresource="",verb="LIST",version="v1"';
  has(`apiserver_response_sizes_count{component="apiserver",${listed}} 1`);
  has(`apiserver_longrunning_requests{component="apiserver",${listed.replace("LIST", "WATCH")}} 1`);
  has(
    'apiserver_requested_deprecated_apis{group="policy",removed_release="1.25",resource="poddisruptionbudgets",subresource="",version="v1beta1"} 1',
  );
  assert.match(text, /^apiserver_current_inflight_requests\{request_kind="readOnly"\} [1-9]/m);
  has('apiserver_current_inqueue_requests{request_kind="mutating"} 0');
  has(
    'apiserver_admission_controller_admission_duration_seconds_count{name="NamespaceLifecycle",operation="CREATE",rejected="true",type="admit"}',
  );
  has('apiserver_admission_step_admission_duration_seconds_count{operation="CREATE",rejected="false",type="admit"}');
  has('etcd_requests_total{group="",operation="create",resource="configmaps"} ');
  has(
    'etcd_request_duration_seconds_count{group="flowcontrol.apiserver.k8s.io",operation="create",resource="flowschemas"} ',
  );
  has('authentication_attempts{result="success"} ');
  has('authenticated_user_requests{username="admin"} ');
  has('authorization_attempts_total{result="allowed"} ');
  has('apiserver_client_certificate_expiration_seconds_bucket{le="0"} 0');
  has('apiserver_watch_events_total{group="",resource="configmaps",version="v1"} ');
  has('apiserver_watch_list_duration_seconds_count{group="",resource="configmaps",scope="namespace",version="v1"} 1');
  has('apiserver_storage_objects{resource="flowschemas.flowcontrol.apiserver.k8s.io"} 11');
  has('apiserver_storage_events_received_total{group="",resource="configmaps"} ');
  has("kubernetes_build_info{");
  await waitFor("etcd's size", async () =>
    /^apiserver_storage_size_bytes\{storage_cluster_id="etcd-0"\} [1-9]\d+$/m.test((await client.get("/metrics")).text),
  );
});

test("HighWater tells the most of the second before", async () => {
  const clock = new FakeClock();
  const water = new HighWater(clock);
  for (const by of [1, 1, 1, -1, -1] as const) water.add(by);
  assert.equal(water.read(), 3);
  await clock.advance(1000);
  assert.equal(water.read(), 3, "in the second before");
  await clock.advance(1000);
  assert.equal(water.read(), 1);
  water.add(-1);
  await clock.advance(5000);
  assert.equal(water.read(), 0);
});
