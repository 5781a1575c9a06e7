// Addresses of Services over real apiservers and a real etcd: claims, further ranges, take-over, repair, two families.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { RealApiServer } from "@skiff/testkit/real-api-server.ts";
import { RealEtcd } from "@skiff/testkit/real-etcd.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { TestClient } from "../../testing/test-client.ts";

const NETWORKING = "/apis/networking.k8s.io/v1";
const SERVICES = "/api/v1/namespaces/default/services";
const FLAGS = ["--service-cluster-ip-range=10.55.0.0/28,fd00:55::/108"];

const stack = new AsyncDisposableStack();
let etcd: RealEtcd;
let one: TestClient;
let two: TestClient;

before(async () => {
  etcd = stack.use(await RealEtcd.start({ tls: true }));
  const first = stack.use(await RealApiServer.start(etcd, { flags: FLAGS }));
  const second = stack.use(await RealApiServer.start(etcd, { flags: FLAGS, like: first }));
  one = stack.use(new TestClient(first));
  two = stack.use(new TestClient(second));
  await waitFor("the Service kubernetes", async () => (await one.get(`${SERVICES}/kubernetes`)).code === 200);
});

after(() => stack.disposeAsync());

const manifest = (name: string, spec: object = {}) => ({
  metadata: { name },
  spec: { selector: { app: name }, ports: [{ port: 80 }], ...spec },
});

async function gone(name: string): Promise<void> {
  assert.equal((await one.delete(`${SERVICES}/${name}`)).code, 200);
}

test("the default ServiceCIDR is made of the flag and ready, and the Service kubernetes holds its first address", async () => {
  const cidr = await one.get(`${NETWORKING}/servicecidrs/kubernetes`);
  assert.deepEqual(cidr.body.spec.cidrs, ["10.55.0.0/28", "fd00:55::/108"]);
  await waitFor("the condition", async () => {
    const { body } = await one.get(`${NETWORKING}/servicecidrs/kubernetes`);
    return body.status.conditions?.[0]?.type === "Ready" && body.status.conditions[0].status === "True";
  });
  const { body } = await one.get(`${NETWORKING}/ipaddresses/10.55.0.1`);
  assert.deepEqual(body.spec.parentRef, { resource: "services", namespace: "default", name: "kubernetes" });
  assert.deepEqual(body.metadata.labels, {
    "ipaddress.kubernetes.io/ip-family": "IPv4",
    "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
  });
  assert.deepEqual((await one.get(`${SERVICES}/kubernetes`)).body.spec.ipFamilies, ["IPv4"]);
});

test("two apiservers share a range to its last address, and a further ServiceCIDR goes on from there", async () => {
  // 14 addresses of which one is taken: 13 of these 16 succeed, none of them with the same address.
  const names = Array.from({ length: 16 }, (_, i) => `full-${i}`);
  const answers = await Promise.all(names.map((name, i) => (i % 2 ? one : two).post(SERVICES, manifest(name))));
  const made = answers.filter(({ code }) => code === 201).map(({ body }) => body.spec.clusterIP);
  assert.equal(made.length, 13);
  assert.equal(new Set(made).size, 13);
  const refused = answers.find(({ code }) => code !== 201);
  assert.equal(refused?.code, 500);
  assert.match(refused?.body.message, /failed to allocate a serviceIP: range is full/);
  const extra = { metadata: { name: "extra" }, spec: { cidrs: ["10.56.0.0/24"] } };
  assert.equal((await one.post(`${NETWORKING}/servicecidrs`, extra)).code, 201);
  const more = await one.post(SERVICES, manifest("more"));
  assert.match(more.body.spec.clusterIP, /^10\.56\.0\./);
  const named = await two.post(SERVICES, manifest("named", { clusterIP: "10.56.0.7" }));
  assert.equal(named.body.spec.clusterIP, "10.56.0.7");
  const twice = await one.post(SERVICES, manifest("twice", { clusterIP: "10.56.0.7" }));
  assert.equal(twice.code, 422);
  assert.match(
    twice.body.message,
    /spec.clusterIPs: Invalid value: \["10.56.0.7"\]: failed to allocate IP 10.56.0.7: provided IP is already allocated/,
  );
  // Given back with its Service, and an address of a range on its way out is not given any more.
  await Promise.all([...names.filter((_, i) => answers[i]?.code === 201), "more", "named"].map(gone));
  const left = await one.get(`${NETWORKING}/ipaddresses`);
  assert.deepEqual(
    left.body.items.map((item: { metadata: { name: string } }) => item.metadata.name),
    ["10.55.0.1"],
  );
  await one.delete(`${NETWORKING}/servicecidrs/extra`);
  const late = await one.post(SERVICES, manifest("late", { clusterIP: "10.56.0.8" }));
  assert.match(late.body.message, /provided IP is not in the valid range. The range of valid IPs is 10.55.0.0\/28/);
});

test("an IPAddress that somebody deletes is made again, and nobody else gets the address meanwhile", async () => {
  const { body } = await one.post(SERVICES, manifest("held"));
  const path = `${NETWORKING}/ipaddresses/${body.spec.clusterIP}`;
  const uid = (await one.get(path)).body.metadata.uid;
  await two.delete(path);
  await waitFor("the object to be back", async () => {
    const answer = await one.get(path);
    return answer.code === 200 && answer.body.metadata.uid !== uid;
  });
  await waitFor("the event", async () => {
    const { body: events } = await one.get("/api/v1/namespaces/default/events?fieldSelector=involvedObject.name=held");
    return events.items[0]?.message === `Cluster IP [IPv4]: ${body.spec.clusterIP} is not allocated; repairing`;
  });
  await gone("held");
  assert.equal((await one.get(path)).code, 404);
});

test("a Service goes from one family to two and back as its policy says", async () => {
  const { body: single } = await one.post(SERVICES, manifest("dual"));
  assert.deepEqual([single.spec.ipFamilyPolicy, single.spec.ipFamilies], ["SingleStack", ["IPv4"]]);
  const { body: dual } = await one.merge(`${SERVICES}/dual`, { spec: { ipFamilyPolicy: "RequireDualStack" } });
  assert.deepEqual(dual.spec.ipFamilies, ["IPv4", "IPv6"]);
  assert.equal(dual.spec.clusterIPs[0], single.spec.clusterIP);
  assert.match(dual.spec.clusterIPs[1], /^fd00:55::/);
  const second = `${NETWORKING}/ipaddresses/${dual.spec.clusterIPs[1]}`;
  assert.equal((await two.get(second)).code, 200);
  const half = await one.merge(`${SERVICES}/dual`, { spec: { clusterIPs: [single.spec.clusterIP] } });
  assert.equal(half.code, 422);
  assert.match(
    half.body.message,
    /spec.ipFamilyPolicy: Invalid value: "RequireDualStack": must be 'SingleStack' to release the secondary cluster IP/,
  );
  const single4 = await one.merge(`${SERVICES}/dual`, { spec: { ipFamilies: ["IPv4"] } });
  assert.match(single4.body.message, /must be 'SingleStack' to release the secondary IP family$/);
  const swapped = await one.merge(`${SERVICES}/dual`, { spec: { ipFamilies: ["IPv6", "IPv4"] } });
  assert.match(swapped.body.message, /expected an IPv6 value as indicated by `ipFamilies\[0\]`/);
  assert.doesNotMatch(swapped.body.message, /may not change once set/);
  const { body: back } = await one.merge(`${SERVICES}/dual`, { spec: { ipFamilyPolicy: "SingleStack" } });
  assert.deepEqual([back.spec.clusterIPs, back.spec.ipFamilies], [single.spec.clusterIPs, ["IPv4"]]);
  assert.equal((await two.get(second)).code, 404);
  await gone("dual");
});

test("families follow the addresses, the policy and the cluster", async () => {
  const asked = await one.post(SERVICES, manifest("six", { clusterIP: "fd00:55::77" }));
  assert.deepEqual([asked.body.spec.ipFamilies, asked.body.spec.ipFamilyPolicy], [["IPv6"], "SingleStack"]);
  const prefer = await one.post(
    SERVICES,
    manifest("prefer", { ipFamilies: ["IPv6"], ipFamilyPolicy: "PreferDualStack" }),
  );
  assert.deepEqual(prefer.body.spec.ipFamilies, ["IPv6", "IPv4"]);
  assert.match(prefer.body.spec.clusterIP, /^fd00:55::/);
  const headless = await one.post(SERVICES, manifest("headless", { clusterIP: "None" }));
  assert.deepEqual([headless.body.spec.clusterIPs, headless.body.spec.ipFamilies], [["None"], ["IPv4"]]);
  const wrong = await one.post(
    SERVICES,
    manifest("wrong", { ipFamilyPolicy: "SingleStack", ipFamilies: ["IPv4", "IPv6"] }),
  );
  assert.match(
    wrong.body.message,
    /spec.ipFamilyPolicy: Invalid value: "SingleStack": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified/,
  );
  await Promise.all(["six", "prefer", "headless"].map(gone));
});
