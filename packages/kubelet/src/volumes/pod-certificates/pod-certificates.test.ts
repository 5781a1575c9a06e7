// A pod's certificate from the wish to its renewal, with a real API server and a signer that the test plays.
import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { after, before, test } from "node:test";
import { podCertificateRequests, serviceAccounts } from "@skiff/api/resource-ref.ts";
import { loadKubeconfig } from "@skiff/client/config.ts";
import { RestClient } from "@skiff/client/rest-client.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { parseCertificateRequest, pemOf } from "@skiff/component-base/x509/certificate-request.ts";
import { RealApiServer } from "@skiff/testkit/real-api-server.ts";
import { RealEtcd } from "@skiff/testkit/real-etcd.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { PodCertificateSigner } from "../../testing/pod-certificate-signer.ts";
import { sampleMeta, samplePod } from "../../testing/sample-pods.ts";
import { conditionOf, planStep } from "./certificate-state.ts";
import { makeRequest } from "./make-request.ts";
import { PodCertificates } from "./pod-certificates.ts";

const stack = new AsyncDisposableStack();
const stop = new AbortController();
const { signal } = stop;
let server: RealApiServer;
let plain: RealApiServer;
let client: RestClient;

before(async () => {
  const etcd = stack.use(await RealEtcd.start());
  server = stack.use(await RealApiServer.start(etcd, { flags: ["--runtime-config=api/beta=true"] }));
  plain = stack.use(await RealApiServer.start(stack.use(await RealEtcd.start())));
  client = await clientOf(server);
  await client.of(serviceAccounts).create("default", { metadata: { name: "default" } }, { signal });
});
after(() => {
  stop.abort();
  return stack.disposeAsync();
});

async function clientOf({ kubeconfig }: RealApiServer): Promise<RestClient> {
  const deps = { clock: realClock, log: silentLogger() };
  return stack.use(new RestClient(await loadKubeconfig(kubeconfig), { userAgent: "certificates-test" }, deps));
}

class Bench {
  skippedMs = 0;
  readonly told: string[] = [];
  readonly changed: string[] = [];
  readonly metrics = new MetricsRegistry();
  readonly certificates: PodCertificates;

  constructor(api: RestClient) {
    this.certificates = new PodCertificates({
      nodeName: "n1",
      client: api,
      events: { pod: (_pod, _type, reason, message) => void this.told.push(`${reason}: ${message}`) },
      clock: { ...realClock, now: () => realClock.now() + this.skippedMs },
      log: silentLogger(),
      metrics: this.metrics,
      signal,
      node: () => ({ metadata: sampleMeta("n1", ""), spec: {} }),
      onChange: (uids) => void this.changed.push(...uids),
      random: () => 0,
    });
  }

  bundle(name: string, keyType = "ED25519") {
    const pod = samplePod({ serviceAccountName: "default" }, { name, uid: `uid-${name}` });
    const source = { signerName: "example.com/signer", keyType, maxExpirationSeconds: 3600 };
    return this.certificates.bundle(pod, { volume: "v", index: 0 }, source, signal);
  }
}

test("a pod's certificate is asked for, given once it is signed, and renewed in time", {
  timeout: 60_000,
}, async () => {
  const bench = new Bench(client);
  const signer = new PodCertificateSigner(client, server.pki.ca);
  await assert.rejects(bench.bundle("web"), /^NotIssuedError: credential bundle is not issued yet$/);
  await assert.rejects(bench.bundle("web"), /not issued yet/);
  const [request, ...more] = (await client.of(podCertificateRequests).list({ namespace: "default" }, { signal })).items;
  assert.deepEqual(more, [], "it was asked for twice");
  assert.deepEqual([request?.spec.podUID, request?.spec.nodeName], ["uid-web", "n1"]);
  const first = await signer.sign("web");
  await waitFor("the pod to be told", async () => bench.changed.includes("uid-web"));
  const { key, chain } = await bench.bundle("web");
  assert.equal(chain, first);
  assert.ok(new X509Certificate(chain).checkPrivateKey(createPrivateKey(key)));
  const states = () =>
    bench.metrics
      .render()
      .split("\n")
      .filter((line) => line.startsWith("kubelet_podcert"));
  assert.deepEqual(states(), ['kubelet_podcertificate_states{signer_name="example.com/signer",state="fresh"} 1']);
  // From its refresh time on another is asked for, while the present one serves.
  bench.skippedMs = 41 * 60_000;
  assert.equal((await bench.bundle("web")).chain, first);
  await signer.pending("web");
  assert.deepEqual(bench.told, ["CertificateOverdueForRefresh: PodCertificate refresh overdue"]);
  bench.skippedMs = 0;
  const second = await signer.sign("web");
  await waitFor("the renewal", async () => (await bench.bundle("web")).chain === second);
  assert.notEqual((await bench.bundle("web")).key, key);
  bench.certificates.forget("uid-web");
  assert.deepEqual(states(), []);
});

test("a pod that is denied is told so, and is not asked for again", { timeout: 60_000 }, async () => {
  const bench = new Bench(client);
  await assert.rejects(bench.bundle("bad"), /not issued yet/);
  await new PodCertificateSigner(client, server.pki.ca).deny("bad");
  await waitFor("the pod to be told", async () => bench.changed.includes("uid-bad"));
  const message = 'PodCertificateRequest was permanently denied: reason="Tested" message="so be it"';
  await assert.rejects(bench.bundle("bad"), { message });
  assert.match(bench.told[0] ?? "", /^Denied: PodCertificateRequest default\/req-\S+ was denied, reason="Tested"/);
  const { items } = await client.of(podCertificateRequests).list({ namespace: "default" }, { signal });
  assert.equal(items.filter(({ spec }) => spec.podName === "bad").length, 1);
});

test("an API server without the kind is named as the reason", { timeout: 60_000 }, async () => {
  await assert.rejects(new Bench(await clientOf(plain)).bundle("web"), /the API server does not serve the kind/);
});

test("makeRequest signs with every type of key", async () => {
  for (const keyType of ["RSA3072", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"]) {
    const source = { signerName: "a.io/b", keyType, userAnnotations: { "a.io/x": "y" } };
    const { key, request } = await makeRequest(samplePod(), source, { accountUid: "s", nodeName: "n", nodeUid: "u" });
    const { stubPKCS10Request, unverifiedUserAnnotations } = request.spec;
    const parsed = parseCertificateRequest(pemOf("CERTIFICATE REQUEST", Buffer.from(stubPKCS10Request, "base64")));
    assert.equal(parsed.hasValidSignature, true, keyType);
    assert.match(key, /^-----BEGIN PRIVATE KEY-----/);
    assert.deepEqual(unverifiedUserAnnotations, { "a.io/x": "y" });
  }
  const facts = { accountUid: "", nodeName: "", nodeUid: "" };
  await assert.rejects(makeRequest(samplePod(), { signerName: "", keyType: "DSA" }, facts), /unknown key type "DSA"/);
});

test("planStep gives a request that is not to be found its time, and conditionOf says how old a certificate is", () => {
  const asked = { key: "k", name: "r", abandonAt: 100 };
  assert.deepEqual(planStep({ asked }, undefined, 100), { do: "wait" });
  assert.deepEqual(planStep({ asked }, undefined, 101), { do: "forget" });
  const held = { key: "k", chain: "c", refreshAt: 1000, notAfter: 2_000_000 };
  assert.deepEqual(planStep({ held }, undefined, 999), { do: "wait" });
  assert.deepEqual(planStep({ held }, undefined, 1000), { do: "ask" });
  const states = [999, 600_999, 601_001, 2_000_001].map((now) => conditionOf({ held }, now));
  assert.deepEqual(states, ["fresh", "fresh", "overdue_for_refresh", "expired"]);
  assert.equal(conditionOf({}, 0), "not_yet_issued");
  assert.equal(conditionOf({ refusal: { kind: "Failed", reason: "", message: "" } }, 0), "failed");
});
