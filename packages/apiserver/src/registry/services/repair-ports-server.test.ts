// Node ports that came apart from their record: put right where that can be, and told on the Services.
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

const SERVICES = "/api/v1/namespaces/default/services";
const signal = new AbortController().signal;

test("the repair of node ports tells what is missing, shared and out of range", async () => {
  await using etcd = await RealEtcd.start();
  await using server = await RealApiServer.start(etcd);
  using client = new TestClient(server);
  const make = async (name: string, nodePort: number) => {
    const spec = { type: "NodePort", ports: [{ port: 80, nodePort }], selector: { app: name } };
    assert.equal((await client.post(SERVICES, { metadata: { name }, spec })).code, 201);
  };
  await make("first", 30080);
  await make("outside", 31000);
  using connection = new EtcdConnection({ servers: [etcd.endpoint], prefix: "/registry" }, { clock: realClock });
  const kv = new EtcdKv(connection, { clock: realClock, log: silentLogger() });
  const record = await kv.get("ranges/servicenodeports", signal);
  assert.ok(record && (await kv.remove("ranges/servicenodeports", record.revision, signal)));
  // Without its record the port looks free.
  await make("second", 30080);
  await server.stop();
  await using narrow = await RealApiServer.start(etcd, {
    like: server,
    flags: ["--service-node-port-range=30000-30999"],
  });
  using again = new TestClient(narrow);
  const told = await waitFor("three events", async () => {
    const { body } = await again.get("/api/v1/namespaces/default/events");
    const events = body.items.filter((item: { action: string }) => item.action === "PortAllocation");
    return events.length === 3 && events;
  });
  const lines = told.map(
    (event: { involvedObject: { name: string }; type: string; reason: string; message: string }) =>
      `${event.involvedObject.name} ${event.type} ${event.reason}: ${event.message}`,
  );
  assert.deepEqual(lines.sort(), [
    "first Warning PortNotAllocated: Port 30080 is not allocated; repairing",
    "outside Warning PortOutOfRange: Port 31000 is not within the port range 30000-30999; please recreate service",
    "second Warning PortAlreadyAllocated: Port 30080 was assigned to multiple services; please recreate service",
  ]);
  const spec = { type: "NodePort", ports: [{ port: 80, nodePort: 30080 }], selector: {} };
  const third = await again.post(SERVICES, { metadata: { name: "third" }, spec });
  assert.match(third.body.message, /provided port is already allocated/, "it is in the record again");
});
