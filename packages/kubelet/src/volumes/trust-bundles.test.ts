// Which root certificates a pod is given, from a real API server that serves them, and from one that does not.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LEAF, ROOT_ONE, ROOT_TWO } from "@skiff/api/kinds/cluster-trust-bundle/sample-certificates.ts";
import { clusterTrustBundles } from "@skiff/api/resource-ref.ts";
import { loadKubeconfig } from "@skiff/client/config.ts";
import { RestClient } from "@skiff/client/rest-client.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { RealApiServer } from "@skiff/testkit/real-api-server.ts";
import { RealEtcd } from "@skiff/testkit/real-etcd.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { sampleMeta } from "../testing/sample-pods.ts";
import { selectBundles, TrustBundles, trustAnchors } from "./trust-bundles.ts";

const stack = new AsyncDisposableStack();
const stop = new AbortController();
const { signal } = stop;
const deps = { clock: realClock, log: silentLogger() };
let etcd: RealEtcd;
let server: RealApiServer;
let client: RestClient;

before(async () => {
  etcd = stack.use(await RealEtcd.start());
  server = stack.use(await RealApiServer.start(etcd, { flags: ["--runtime-config=certificates.k8s.io/v1beta1=true"] }));
  client = await clientOf(server);
});
after(() => {
  stop.abort();
  return stack.disposeAsync();
});

async function clientOf({ kubeconfig }: RealApiServer): Promise<RestClient> {
  return stack.use(new RestClient(await loadKubeconfig(kubeconfig), { userAgent: "trust-test" }, deps));
}

function bundle(name: string, trustBundle: string, signerName?: string, labels: Record<string, string> = {}) {
  return {
    metadata: { ...sampleMeta(name, ""), labels },
    spec: { trustBundle, ...(signerName ? { signerName } : {}) },
  };
}

test("selectBundles goes by name, or by signer and labels, where no selector selects nothing", () => {
  const bundles = [
    bundle("plain", ROOT_ONE),
    bundle("a.io:b:1", ROOT_ONE, "a.io/b", { live: "yes" }),
    bundle("a.io:b:2", ROOT_TWO, "a.io/b"),
  ];
  const names = (source: object) =>
    selectBundles(bundles, { path: "p", ...source }).map(({ metadata }) => metadata.name);
  assert.deepEqual(names({ name: "plain" }), ["plain"]);
  assert.deepEqual(names({ signerName: "a.io/b", labelSelector: {} }), ["a.io:b:1", "a.io:b:2"]);
  assert.deepEqual(names({ signerName: "a.io/b", labelSelector: { matchLabels: { live: "yes" } } }), ["a.io:b:1"]);
  assert.throws(() => names({ name: "gone" }), /clustertrustbundles.certificates.k8s.io "gone" not found/);
  assert.throws(() => names({ signerName: "a.io/b" }), /matched zero ClusterTrustBundles/);
  assert.throws(() => names({}), /requires either name or signerName to be set/);
  assert.deepEqual(
    [names({ name: "gone", optional: true }), names({ signerName: "x.io/y", optional: true })],
    [[], []],
  );
});

test("trustAnchors has each certificate once, in an order of the kubelet's own", () => {
  const key = Buffer.from("k");
  const both = trustAnchors([bundle("x", `note\n${ROOT_ONE}${ROOT_TWO}`), bundle("y", ROOT_TWO)], key);
  assert.ok([ROOT_ONE + ROOT_TWO, ROOT_TWO + ROOT_ONE].includes(both));
  assert.equal(trustAnchors([bundle("y", ROOT_TWO), bundle("z", ROOT_ONE)], key), both);
  const orders = new Set(
    ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"].map((k) =>
      trustAnchors([bundle("x", ROOT_ONE + ROOT_TWO)], Buffer.from(k)),
    ),
  );
  assert.equal(orders.size, 2);
  assert.equal(trustAnchors([], key), "");
});

test("TrustBundles follows what the API has, and tells of changes", { timeout: 60_000 }, async () => {
  const bundles = client.of(clusterTrustBundles);
  await bundles.create("", { metadata: { name: "roots" }, spec: { trustBundle: ROOT_ONE } }, { signal });
  const told: string[] = [];
  const trust = new TrustBundles({ ...deps, client, signal, onChange: (uids) => told.push(...uids) });
  const source = { path: "p", name: "roots" };
  assert.equal(await trust.anchors("pod-1", source, signal), ROOT_ONE);
  assert.deepEqual(told, []);
  await bundles.patch("", "roots", "merge", { spec: { trustBundle: ROOT_TWO } }, { signal });
  await waitFor("word of the change", async () => told.length > 0);
  assert.deepEqual(told, ["pod-1"]);
  assert.equal(await trust.anchors("pod-1", source, signal), ROOT_TWO);
  const refused = bundles.create("", { metadata: { name: "bad" }, spec: { trustBundle: LEAF } }, { signal });
  await assert.rejects(refused, /does not have the CA bit set/);
});

test("TrustBundles says so where the server does not serve them", { timeout: 60_000 }, async () => {
  await using plain = await RealApiServer.start(etcd, { like: server });
  const without = await clientOf(plain);
  const trust = new TrustBundles({ ...deps, client: without, signal, onChange: () => {} });
  const asked = trust.anchors("pod-1", { path: "p", name: "roots", optional: true }, signal);
  await assert.rejects(asked, /ClusterTrustBundle projection is not supported/);
});
