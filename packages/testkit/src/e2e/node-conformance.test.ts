// What upstream's conformance descriptions ask of a node, as far as the releases after 1.20 added it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Pod, PodSpec } from "@skiff/api/types.ts";
import { isDone, isReady, shell, TestPods, WAIT } from "../test-pods.ts";
import { waitFor } from "../wait-for.ts";

const pods = await TestPods.start();
const { cluster, kubectl } = pods;

const sh = (script: string, name = "c") => shell(script, { name });
const refused = (name: string, spec: PodSpec, why: RegExp) => assert.rejects(pods.create(name, spec), why);

test("sysctls may be written with slashes; unsafe ones end the pod, malformed ones never become one", async () => {
  const asking = (name: string, value: string) => ({ securityContext: { sysctls: [{ name, value }] } });
  const once = { restartPolicy: "Never" };
  const read = sh("cat /proc/sys/kernel/shm_rmid_forced");
  await pods.create("slashes", { ...once, containers: [read], ...asking("kernel/shm_rmid_forced", "1") });
  await pods.create("unsafe", { ...once, containers: [read], ...asking("kernel/msgmax", "10000") });
  await refused("bad", { containers: [read], ...asking("bar..", "1") }, /sysctls\[0\].name: Invalid value: "bar.."/);
  const unsafe = await pods.when("unsafe", isDone);
  assert.deepEqual([unsafe.status?.phase, unsafe.status?.reason], ["Failed", "SysctlForbidden"]);
  await pods.when("slashes", isDone);
  assert.equal(await kubectl.run("logs", "slashes"), "1\n");
});

test("a pod runs with its RuntimeClass's handler and overhead, and not without such a class", async () => {
  const overhead = { podFixed: { memory: "8Mi" } };
  for (const [name, handler, more] of [
    ["real", "runc", { overhead }],
    ["unknown", "no-such-handler", {}],
  ] as const) {
    const body = { apiVersion: "node.k8s.io/v1", kind: "RuntimeClass", metadata: { name }, handler, ...more };
    await kubectl.runWith(JSON.stringify(body), "create", "-f", "-");
  }
  const containers = [sh(WAIT)];
  await pods.create("classed", { runtimeClassName: "real", containers });
  await pods.create("handlerless", { runtimeClassName: "unknown", containers });
  await refused("classless", { runtimeClassName: "none", containers }, /pod rejected: RuntimeClass "none" not found/);
  const { spec } = await pods.when("classed", isReady);
  assert.deepEqual(spec.overhead, overhead.podFixed);
  await pods.event("handlerless", /FailedCreatePodSandBox .*no-such-handler/);
  assert.equal((await kubectl.json<Pod>("get", "pod", "handlerless")).status?.phase, "Pending");
});

test("a pod's name in DNS is its host name where it asks so, and too long a one starts nothing", async () => {
  const named = (hostname: string) => ({ hostname, subdomain: "sub", setHostnameAsFQDN: true });
  const containers = [sh("hostname")];
  await pods.create("fqdn", { ...named("host"), restartPolicy: "Never", containers });
  const long = "h".repeat(40);
  await pods.create("long-fqdn", { ...named(long), containers });
  await pods.when("fqdn", isDone);
  assert.equal(await kubectl.run("logs", "fqdn"), "host.sub.default.svc.cluster.local\n");
  const fqdn = `${long}.sub.default.svc.cluster.local`;
  const words = `FQDN ${fqdn} is too long \\(64 characters is the max, ${fqdn.length} characters requested\\)`;
  await pods.event("long-fqdn", new RegExp(`FailedCreatePodSandBox .*${words}`));
});

test("generation counts what was asked for, and the status says which of it was seen", async () => {
  // Whatever is asked for, the count begins with 1.
  await pods.create("counted", { containers: [sh(WAIT)] }, { generation: 100 });
  const first = await pods.when("counted", (pod) => isReady(pod) && pod.status?.observedGeneration === 1);
  assert.equal(first.metadata.generation, 1);
  await kubectl.run("label", "pod", "counted", "a=b");
  await kubectl.run("patch", "pod", "counted", "-p", '{"spec":{"activeDeadlineSeconds":5000}}');
  const seen = await pods.when("counted", ({ status }) => status?.observedGeneration === 2);
  assert.equal(seen.metadata.generation, 2, "a label counted as a change of the spec");
  const observed = seen.status?.conditions?.map(({ type, observedGeneration }) => `${type} ${observedGeneration}`);
  const types = ["ContainersReady", "Initialized", "PodReadyToStartContainers", "PodScheduled", "Ready"];
  assert.deepEqual(
    observed?.toSorted(),
    types.map((type) => `${type} 2`),
  );
});

test("a status can be patched through its subresource, and a collection of pods be deleted", async () => {
  for (const name of ["one", "two"]) await pods.create(name, { containers: [sh(WAIT)] });
  await pods.when("one", isReady);
  const status = { message: "by hand", reason: "Test" };
  const patch = JSON.stringify({ metadata: { annotations: { patched: "true" } }, status });
  const text = await kubectl.run(
    ...["patch", "pod", "one", "--subresource=status", "--type=merge", "-p", patch, "-o", "json"],
  );
  const patched = JSON.parse(text) as Pod;
  assert.deepEqual([patched.status?.message, patched.status?.reason], ["by hand", "Test"]);
  assert.equal(patched.metadata.annotations?.patched, "true");
  await kubectl.run("delete", "--raw", "/api/v1/namespaces/default/pods?labelSelector=app+in+(one,two)");
  await waitFor("both to be gone", async () => {
    return (await kubectl.run("get", "pods", "-l", "app in (one,two)", "-o", "name")) === "";
  });
});

test("a sleeping preStop hook holds the end back, but not that of a container that is over", async () => {
  const sleeping = (seconds: number) => ({ lifecycle: { preStop: { sleep: { seconds } } } });
  await pods.create("sleeps", {
    restartPolicy: "Never",
    terminationGracePeriodSeconds: 30,
    containers: [
      { ...sh(WAIT), ...sleeping(3) },
      { ...sh("true", "over"), ...sleeping(25) },
    ],
  });
  await pods.when("sleeps", ({ status }) => {
    const state = (name: string) => status?.containerStatuses?.find((one) => one.name === name)?.state;
    return state("c")?.running !== undefined && state("over")?.terminated !== undefined;
  });
  const begin = process.hrtime.bigint();
  await kubectl.run("delete", "pod", "sleeps");
  const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
  assert.ok(seconds >= 3 && seconds < 20, `gone after ${seconds} s`);
});

test("sidecars start in their order, outlive the containers, and let a pod complete", async () => {
  const sidecar = (name: string, script: string) => ({ ...sh(script, name), restartPolicy: "Always" });
  const log = (text: string) => `date +%s.%N > /log/${text}`;
  const shared = { volumeMounts: [{ name: "log", mountPath: "/log" }] };
  const ending = (name: string) =>
    `trap '${log(`${name}-end`)}; exit 0' TERM; ${log(name)}; while :; do sleep 1000 & wait; done`;
  await pods.create("sidecars", {
    restartPolicy: "Never",
    volumes: [{ name: "log", hostPath: { path: `${cluster.state}/sidecars`, type: "DirectoryOrCreate" } }],
    initContainers: [
      {
        ...sidecar("first", ending("first")),
        ...shared,
        startupProbe: { exec: { command: ["test", "-e", "/log/first"] }, periodSeconds: 1 },
      },
      { ...sh(`test -e /log/first && ${log("init")}`, "init"), ...shared },
      { ...sidecar("second", ending("second")), ...shared },
    ],
    containers: [{ ...sh(`until [ -e /log/second ]; do sleep 0.1; done; ${log("main")}`), ...shared }],
  });
  const pod = await pods.when("sidecars", isDone);
  assert.equal(pod.status?.phase, "Succeeded");
  const order = ["first", "init", "second", "main", "second-end", "first-end"];
  const times = order.map((name) => Number(readFileSync(join(cluster.state, "sidecars", name), "utf8")));
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
    order.join(" < "),
  );
});

test("a failed liveness probe's own grace counts, not the pod's", async () => {
  const livenessProbe = {
    exec: { command: ["false"] },
    periodSeconds: 1,
    failureThreshold: 1,
    terminationGracePeriodSeconds: 1,
  };
  await pods.create("stubborn", {
    terminationGracePeriodSeconds: 500,
    containers: [{ ...sh("trap '' TERM; while :; do sleep 1; done"), livenessProbe }],
  });
  const pod = await pods.when("stubborn", ({ status }) => (status?.containerStatuses?.[0]?.restartCount ?? 0) > 0);
  assert.equal(pod.status?.containerStatuses?.[0]?.lastState?.terminated?.exitCode, 137);
  await kubectl.run("delete", "pod", "stubborn", "--grace-period=1", "--wait=false");
});
