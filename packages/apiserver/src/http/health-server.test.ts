// /healthz, /livez and /readyz of a real server: its checks, their texts, and what they say while etcd is gone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultProxy } from "@skiff/testkit/fault-proxy.ts";
import { clientCertificate, RealApiServer } from "@skiff/testkit/real-api-server.ts";
import { RealEtcd } from "@skiff/testkit/real-etcd.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { TestClient } from "../testing/test-client.ts";

const HOOKS = [
  "priority-and-fairness-config-consumer",
  "priority-and-fairness-config-producer",
  "start-service-ip-repair-controllers",
  "rbac/bootstrap-roles",
  "scheduling/bootstrap-system-priority-classes",
  "bootstrap-controller",
  "start-system-namespaces-controller",
  "start-cluster-authentication-info-controller",
  "start-kubernetes-service-cidr-controller",
].map((name) => `poststarthook/${name}`);

test("health paths tell upstream's checks, leave some out when asked, and notice that etcd is gone", async () => {
  await using etcd = await RealEtcd.start();
  await using proxy = await FaultProxy.start({ host: "127.0.0.1", port: etcd.port });
  await using server = await RealApiServer.start(etcd, { etcdEndpoint: `http://127.0.0.1:${proxy.port}` });
  using admin = new TestClient(server);
  const ok = (names: readonly string[]) => names.map((name) => `[+]${name} ok\n`).join("");
  const ready = ["ping", "log", "etcd", "etcd-readiness", "informer-sync", ...HOOKS, "shutdown"];
  assert.equal((await admin.get("/readyz?verbose")).text, `${ok(ready)}readyz check passed\n`);
  assert.equal(
    (await admin.get("/livez?verbose=1")).text,
    `${ok(["ping", "log", "etcd", ...HOOKS])}livez check passed\n`,
  );
  assert.equal((await admin.get("/healthz")).text, "ok");
  assert.equal((await admin.get("/readyz/poststarthook/rbac/bootstrap-roles")).text, "ok");
  assert.equal((await admin.get("/livez/shutdown")).code, 404, "only readiness ends with the stop's beginning");
  const index = await admin.get("/");
  assert.ok(index.body.paths.includes("/readyz/poststarthook/rbac/bootstrap-roles"));
  const excluded = await admin.get("/livez?verbose&exclude=etcd&exclude=nothing");
  assert.match(excluded.text, /^\[\+\]etcd excluded: ok$/m);
  assert.match(excluded.text, /^warn: some health checks cannot be excluded: no matches for "nothing"$/m);

  const statusz = await admin.get("/statusz");
  assert.match(statusz.text, /^\napiserver statusz\nWarning: [^\n]+\n\nStarted: .*\nUp: 0 hr \d\d min \d\d sec\n/);
  assert.match(statusz.text, /^Paths: \/flagz \/healthz \/livez \/metrics \/readyz .*\/version$/m);
  const accept = "application/json;v=v1beta1;g=config.k8s.io;as=Flagz";
  const flagz = await admin.get("/flagz", { accept });
  assert.deepEqual([flagz.body.kind, flagz.body.apiVersion], ["Flagz", "config.k8s.io/v1beta1"]);
  const { flags } = flagz.body;
  assert.deepEqual([flags["request-timeout"], flags.v, flags["anonymous-auth"]], ["1m0s", "2", "true"]);
  assert.equal((await admin.get("/flagz", { accept: "application/json" })).code, 406);
  assert.match((await admin.get("/flagz", { accept: "*/*" })).text, /^max-requests-inflight=400$/m);
  const louder = await admin.put("/debug/flags/v", "4", { type: "text/plain" });
  assert.deepEqual([louder.code, louder.text], [200, "successfully set klog.logging.verbosity to 4"]);
  assert.equal((await admin.put("/debug/flags/v", "loud")).code, 400);
  assert.equal((await admin.get("/debug/pprof/")).code, 404, "Go's profiles are Go's");

  proxy.stall();
  const failed = await admin.get("/livez");
  assert.equal(failed.code, 500);
  assert.match(failed.text, /^\[-\]etcd failed: reason withheld$/m);
  assert.match(failed.text, /livez check failed\n$/);
  const one = await admin.get("/livez/etcd");
  assert.equal(one.code, 500);
  assert.match(one.text, /^internal server error: .*\n$/);
  assert.equal((await admin.get("/livez?exclude=etcd")).text, "ok");
  proxy.resume();
  await waitFor("etcd to be back", async () => (await admin.get("/readyz")).code === 200);

  const slis = (await admin.get("/metrics/slis")).text;
  assert.match(slis, /^kubernetes_healthcheck\{name="etcd",type="livez"\} 0$/m);
  assert.match(slis, /^kubernetes_healthchecks_total\{name="etcd",status="error",type="livez"\} 1$/m);
  // Everybody may ask whether it is well, and nobody without rights why it is not.
  using anybody = new TestClient(server, await clientCertificate(server.pki, "nobody"));
  assert.equal((await anybody.get("/readyz?verbose")).code, 200);
  assert.equal((await anybody.get("/readyz/etcd")).code, 403);
});
