// An apiserver that finds what one without IPAddress objects left in etcd, and one whose range has one family.
import assert from "node:assert/strict";
import { test } from "node:test";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { RealApiServer } from "@skiff/testkit/real-api-server.ts";
import { RealEtcd } from "@skiff/testkit/real-etcd.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { EtcdConnection } from "../../storage/etcd-connection.ts";
import { EtcdKv } from "../../storage/etcd-kv.ts";
import { TestClient } from "../../testing/test-client.ts";
import { FORMER_RECORD } from "./address-keeper.ts";

const SERVICES = "/api/v1/namespaces/default/services";
const signal = new AbortController().signal;
const ADDRESSES = "/apis/networking.k8s.io/v1/ipaddresses";

test("addresses of the former record become objects, and then a second family is added", async () => {
  await using etcd = await RealEtcd.start();
  const flags = ["--service-cluster-ip-range=10.57.0.0/29"];
  await using server = await RealApiServer.start(etcd, { flags });
  using client = new TestClient(server);
  await waitFor("the Service kubernetes", async () => (await client.get(`${SERVICES}/kubernetes`)).code === 200);
  const web = { metadata: { name: "web" }, spec: { ports: [{ port: 80 }], selector: { app: "web" } } };
  const { body: made } = await client.post(SERVICES, web);
  await server.stop();
  // As it was before there were objects: a record of offsets, and Services.
  using connection = new EtcdConnection({ servers: [etcd.endpoint], prefix: "/registry" }, { clock: realClock });
  const kv = new EtcdKv(connection, { clock: realClock, log: silentLogger() });
  for (const { key, revision } of await kv.list("networking.k8s.io/ipaddresses/", signal)) {
    assert.ok(await kv.remove(key, revision, signal));
  }
  assert.ok(await kv.compareAndSwap(FORMER_RECORD, "0", '{"range":"10.57.0.0/29","used":[0]}', signal));
  await server.restart();
  await waitFor("the objects", async () => (await client.get(`${ADDRESSES}/${made.spec.clusterIP}`)).code === 200);
  await waitFor("the record to go", async () => (await kv.get(FORMER_RECORD, signal)) === undefined);
  const dual = { ...web, metadata: { name: "dual" }, spec: { ...web.spec, ipFamilyPolicy: "RequireDualStack" } };
  const refused = await client.post(SERVICES, dual);
  assert.match(refused.body.message, /this cluster is not configured for dual-stack services/);
  await server.stop();
  await using wider = await RealApiServer.start(etcd, { like: server, flags: [`${flags[0]},fd00:57::/112`] });
  using again = new TestClient(wider);
  await waitFor("the wider ServiceCIDR", async () => {
    const { body } = await again.get("/apis/networking.k8s.io/v1/servicecidrs/kubernetes");
    return body.spec.cidrs.length === 2;
  });
  const { body } = await again.post(SERVICES, dual);
  assert.equal(body.spec.clusterIPs.length, 2);
  assert.notEqual(body.spec.clusterIPs[0], made.spec.clusterIP);
});
