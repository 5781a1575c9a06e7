// Lists and watches as clients see them, against a real server and etcd.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RealApiServer } from "@skiff/testkit/real-api-server.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { serveApi } from "../testing/serve-api.ts";
import { TestClient } from "../testing/test-client.ts";

const { etcd, server, client } = await serveApi();
let count = 0;

/** The configmaps path of a namespace that no other test uses. */
async function freshNamespace(): Promise<string> {
  const name = `lw-${count++}`;
  await client.post("/api/v1/namespaces", { metadata: { name } });
  await client.post(`/api/v1/namespaces/${name}/serviceaccounts`, { metadata: { name: "default" } });
  return `/api/v1/namespaces/${name}/configmaps`;
}

async function fill(path: string, names: readonly string[], labels: object = {}): Promise<string> {
  let version = "";
  for (const name of names) {
    version = (await client.post(path, { metadata: { name, labels } })).body.metadata.resourceVersion;
  }
  return version;
}

const namesOf = (body: { items: { metadata: { name: string } }[] }) => body.items.map((item) => item.metadata.name);

test("pages of a list are one consistent state, whatever is written meanwhile", async () => {
  const path = await freshNamespace();
  await fill(path, ["a", "b", "c", "d", "e"]);
  const first = (await client.get(`${path}?limit=2`)).body;
  assert.deepEqual(namesOf(first), ["a", "b"]);
  assert.equal(first.metadata.remainingItemCount, 3);
  await client.delete(`${path}/d`);
  await fill(path, ["bb"]);
  const second = (await client.get(`${path}?limit=2&continue=${first.metadata.continue}`)).body;
  assert.deepEqual(namesOf(second), ["c", "d"]);
  assert.equal(second.metadata.resourceVersion, first.metadata.resourceVersion);
  const third = (await client.get(`${path}?limit=2&continue=${second.metadata.continue}`)).body;
  assert.deepEqual(namesOf(third), ["e"]);
  assert.equal(third.metadata.continue, undefined);
  assert.equal((await client.get(`${path}?continue=nonsense`)).code, 400);
});

test("resourceVersion and resourceVersionMatch choose the state", async () => {
  const path = await freshNamespace();
  const version = await fill(path, ["a", "b"]);
  await fill(path, ["c"]);
  const exact = (await client.get(`${path}?resourceVersion=${version}&resourceVersionMatch=Exact`)).body;
  assert.deepEqual(namesOf(exact), ["a", "b"]);
  assert.equal(exact.metadata.resourceVersion, version);
  assert.equal(namesOf((await client.get(`${path}?resourceVersion=${version}`)).body).length, 3);
  const paged = (await client.get(`${path}?resourceVersion=${version}&limit=5`)).body;
  assert.deepEqual(namesOf(paged), ["a", "b"], "a first page is exact unless told otherwise");
  const newer = (await client.get(`${path}?resourceVersion=${version}&limit=5&resourceVersionMatch=NotOlderThan`)).body;
  assert.equal(namesOf(newer).length, 3);
  const any = (await client.get(`${path}?resourceVersion=0&limit=1`)).body;
  assert.deepEqual([namesOf(any).length, any.metadata.continue], [3, undefined], "the limit does not count");
  const future = await client.get(`${path}?resourceVersion=${Number(version) + 100000}`);
  assert.equal(future.code, 504);
  assert.equal(future.body.details.causes[0].reason, "ResourceVersionTooLarge");
  assert.equal((await client.get(`${path}?resourceVersionMatch=Exact`)).code, 422);
  assert.equal((await client.get(`${path}?resourceVersion=x`)).code, 400);
});

test("label and field selectors select, and unknown fields are refused", async () => {
  const path = await freshNamespace();
  await fill(path, ["a"], { app: "x" });
  await fill(path, ["b"], { app: "y" });
  assert.deepEqual(namesOf((await client.get(`${path}?labelSelector=app%20in%20(x,z)`)).body), ["a"]);
  assert.deepEqual(namesOf((await client.get(`${path}?fieldSelector=metadata.name!%3Da`)).body).includes("a"), false);
  assert.deepEqual(namesOf((await client.get(`${path}?fieldSelector=metadata.name%3Db`)).body), ["b"]);
  const refused = await client.get(`${path}?fieldSelector=spec.foo%3Db`);
  assert.equal(refused.code, 400);
  assert.match(
    refused.body.message,
    /"spec\.foo" is not a known field selector: only "metadata\.name", "metadata\.namespace"/,
  );
  assert.equal((await client.get(`${path}?fieldSelector=constructor%3Db`)).code, 400);
});

test("fields are selected by the names of the version that is asked", async () => {
  const events = (version: string, selector: string) =>
    client.get(`/apis/${version}/events?fieldSelector=${encodeURIComponent(selector)}`);
  const event = { metadata: { name: "e" }, involvedObject: { kind: "Pod", namespace: "default" } };
  const reporter = { reportingComponent: "test.example/c", source: { component: "s" } };
  await client.post("/api/v1/namespaces/default/events", { ...event, ...reporter });
  const newer = "events.k8s.io/v1";
  for (const selector of ["reportingController=test.example/c", "regarding.kind=Pod,reportingController!=x"]) {
    assert.deepEqual(namesOf((await events(newer, selector)).body), ["e"], selector);
  }
  assert.deepEqual(namesOf((await events(newer, "regarding.kind=Node")).body), []);
  for (const selector of ["source=s", "involvedObject.kind=Pod", "reportingComponent=x"]) {
    assert.equal((await events(newer, selector)).code, 400, selector);
  }
  const older = await client.get("/api/v1/events?fieldSelector=source%3Ds");
  assert.deepEqual(namesOf(older.body), ["e"]);
});

test("a watch from a revision sees every later change once, in order", async () => {
  const path = await freshNamespace();
  const version = await fill(path, ["a"]);
  await client.merge(`${path}/a`, { data: { x: "1" } });
  using watch = client.watch(`${path}?watch=1&resourceVersion=${version}`);
  await fill(path, ["b"]);
  await client.delete(`${path}/a`);
  await waitFor("three events", () => watch.events.length >= 3);
  assert.deepEqual(watch.summary, ["MODIFIED a", "ADDED b", "DELETED a"]);
  const versions = watch.events.map((event) => Number(event.object.metadata.resourceVersion));
  assert.deepEqual(
    versions,
    versions.toSorted((a, b) => a - b),
  );
  assert.equal(watch.events[2]?.object.data.x, "1", "a deletion carries the last body");
});

test("a watch without a revision starts with what is there", async () => {
  const path = await freshNamespace();
  await fill(path, ["a", "b"]);
  using watch = client.watch(`${path}?watch=1`);
  await waitFor("initial events", () => watch.events.length >= 2);
  assert.deepEqual(watch.summary, ["ADDED a", "ADDED b"]);
});

test("objects that enter or leave a selector are ADDED or DELETED for its watcher", async () => {
  const path = await freshNamespace();
  const version = await fill(path, ["a"], { app: "x" });
  using watch = client.watch(`${path}?watch=1&resourceVersion=${version}&labelSelector=app%3Dx`);
  await client.merge(`${path}/a`, { metadata: { labels: { app: "y" } } });
  await client.merge(`${path}/a`, { data: { unseen: "1" } });
  const { body } = await client.merge(`${path}/a`, { metadata: { labels: { app: "x" } } });
  await waitFor("two events", () => watch.events.length >= 2);
  assert.deepEqual(watch.summary, ["DELETED a", "ADDED a"]);
  assert.equal(watch.events[0]?.object.metadata.labels.app, "x", "with the body that was selected");
  assert.equal(watch.events[1]?.object.metadata.resourceVersion, body.metadata.resourceVersion);
});

test("a watch by spec.nodeName or metadata.name sees only its own objects", async () => {
  const path = (await freshNamespace()).replace("configmaps", "pods");
  const pod = (name: string, nodeName: string) =>
    client.post(path, { metadata: { name }, spec: { nodeName, containers: [{ name: "c", image: "i" }] } });
  using ofNode = client.watch("/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3Dnode-a");
  using ofName = client.watch(`${path}?watch=1&fieldSelector=metadata.name%3Dp3`);
  await waitFor("the watches to be open", () => ofNode.code === 200 && ofName.code === 200);
  await pod("p1", "node-a");
  await pod("p2", "node-b");
  await pod("p3", "");
  await client.post(`${path}/p3/binding`, { metadata: { name: "p3" }, target: { name: "node-a" } });
  await waitFor("events", () => ofNode.events.length >= 2 && ofName.events.length >= 2);
  assert.deepEqual(ofNode.summary, ["ADDED p1", "ADDED p3"]);
  assert.deepEqual(ofName.summary, ["ADDED p3", "MODIFIED p3"]);
});

test("sendInitialEvents ends the initial state with a marked bookmark", async () => {
  const path = await freshNamespace();
  await fill(path, ["a"]);
  const query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
  using watch = client.watch(`${path}?${query}`);
  await waitFor("the bookmark", () => watch.events.length >= 2);
  assert.deepEqual(
    watch.events.map((event) => event.type),
    ["ADDED", "BOOKMARK"],
  );
  assert.equal(watch.events[1]?.object.metadata.annotations["k8s.io/initial-events-end"], "true");
  assert.equal((await client.get(`${path}?watch=1&sendInitialEvents=true`)).code, 422);
});

test("timeoutSeconds ends a watch, with a last bookmark for those who take bookmarks", async () => {
  const path = await freshNamespace();
  using watch = client.watch(`${path}?watch=1&timeoutSeconds=1&allowWatchBookmarks=true`);
  await waitFor("the end", () => watch.ended);
  assert.equal(watch.events.at(-1)?.type, "BOOKMARK");
});

test("a watch as Table carries its columns once", async () => {
  const path = await freshNamespace();
  await fill(path, ["a", "b"]);
  using watch = client.watch(`${path}?watch=1`, { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" });
  await waitFor("two events", () => watch.events.length >= 2);
  assert.equal(watch.events[0]?.object.kind, "Table");
  assert.ok(watch.events[0]?.object.columnDefinitions.length > 0);
  assert.equal(watch.events[1]?.object.columnDefinitions, null);
  assert.equal(watch.events[1]?.object.rows[0].cells[0], "b");
});

test("after compaction an old continue token is 410 with a fresh one, and so is an old revision", async () => {
  const path = await freshNamespace();
  await fill(path, ["a", "b", "c"]);
  const exact = (await client.get(`${path}?limit=1`)).body;
  const { execFileSync } = await import("node:child_process");
  const last = await fill(path, ["d"]);
  const tls = etcd.tls ? [`--cacert=${etcd.tls.ca}`, `--cert=${etcd.tls.cert}`, `--key=${etcd.tls.key}`] : [];
  const env = { PATH: "/usr/bin:/bin", ETCDCTL_API: "3" };
  execFileSync("etcdctl", [`--endpoints=${etcd.endpoint}`, ...tls, "compact", last], { env, stdio: "pipe" });
  const old = await client.get(`${path}?resourceVersion=1&resourceVersionMatch=Exact`);
  assert.equal(old.code, 410);
  // A server without the snapshot in memory has to ask etcd.
  await using other = await RealApiServer.start(etcd, { like: server });
  using second = new TestClient(other);
  const expired = await second.get(`${path}?limit=1&continue=${exact.metadata.continue}`);
  assert.equal(expired.code, 410);
  assert.equal(expired.body.reason, "Expired");
  const rest = await second.get(`${path}?continue=${expired.body.metadata.continue}`);
  assert.deepEqual(namesOf(rest.body).slice(-2), ["c", "d"]);
  const { code, body } = await second.get(`${path}?watch=1&resourceVersion=2`);
  assert.deepEqual([code, body.type, body.object.code], [200, "ERROR", 410]);
  assert.match(body.object.message, /^too old resource version: 2 \(\d+\)$/);
});
