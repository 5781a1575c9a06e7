// Probes and HTTP hooks as the servers that they ask see them, and what becomes of their answers.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { Container, Pod, Probe } from "@skiff/api/types.ts";
import { nodeLayoutOf } from "@skiff/cli/layout.ts";
import { PROBED_PORTS, startProbedServer } from "../../probed-server.ts";
import { isReady, shell, TestPods, WAIT } from "../../test-pods.ts";
import { waitFor } from "../../wait-for.ts";

const pods = await TestPods.start();
const { cluster, kubectl } = pods;
const server = startProbedServer(nodeLayoutOf(cluster.layout, "node-1").namespace);
after(() => server.stop("SIGKILL"));

const SECRET = "s3cret-of-a-probe";
/** Where pods on the node's network are asked, and the server answers. */
const HOST = cluster.addressOf("node-1");
const { http, https, grpc } = PROBED_PORTS;

// Not more often: of one pod, only 25 events are told before the rest has to wait.
function probed(name: string, probe: Probe, more: Partial<Container> = {}): Container {
  return shell(WAIT, { name, readinessProbe: { periodSeconds: 5, ...probe }, ...more });
}

const readyOnes = ({ status }: Pick<Pod, "status">) =>
  (status?.containerStatuses ?? []).filter(({ ready }) => ready).map(({ name }) => name);

describe("a probe", { concurrency: 3 }, () => {
  test("by HTTP asks as it is told to, trusts any certificate, and is led away by nobody", async () => {
    await waitFor("the server", () => server.log.includes("ready"));
    const httpHeaders = [
      { name: "Host", value: "example.test" },
      { name: "X-Own", value: SECRET },
    ];
    const postStart = { httpGet: { path: "/status/500", port: https, scheme: "HTTPS" } };
    await pods.create("asked", {
      hostNetwork: true,
      containers: [
        probed("plain", { httpGet: { path: "/plain?a=b", port: http, httpHeaders } }),
        probed("tls", { httpGet: { path: "/tls", port: https, scheme: "HTTPS" } }),
        probed("endless", { httpGet: { path: "/endless", port: http } }),
        probed("hooked", { httpGet: { path: "/", port: http } }, { lifecycle: { postStart } }),
      ],
    });
    await pods.create("astray", {
      hostNetwork: true,
      containers: [
        probed("away", { httpGet: { path: "/away", port: http } }),
        probed("no-tls", { httpGet: { path: "/", port: http, scheme: "HTTPS" } }),
        probed("refused", { httpGet: { path: `/status/403?${SECRET}`, port: http } }),
      ],
    });
    await pods.when("asked", isReady);
    const told = (words: RegExp) => pods.event("astray", words);
    await told(/^ProbeWarning Readiness probe warning: Probe terminated redirects, Response body: over there$/);
    await told(/^Unhealthy Readiness probe failed: HTTP probe failed with statuscode: 403$/);
    await told(/^Unhealthy .*: Get "https:\S+": http: server gave HTTP response to HTTPS client$/);
    const agent = /kube-probe\/1\.\d+/.source;
    assert.match(server.log, new RegExp(`^http /plain\\?a=b example.test ${agent} ${SECRET}$`, "m"));
    assert.match(server.log, new RegExp(`^https /tls ${HOST}:${https} ${agent} $`, "m"));
    assert.match(server.log, /^https \/status\/500 \S+ kube-lifecycle\/1\.\d+ $/m);
    assert.deepEqual(readyOnes(await pods.when("astray", ({ status }) => readyOnes({ status }).length > 0)), ["away"]);
    assert.equal(cluster.logOf("node-1/kubelet").includes(SECRET), false, "the log tells what a probe keeps to itself");
  });

  test("by gRPC, TCP and exec tells who answered what", async () => {
    await waitFor("the server", () => server.log.includes("ready"));
    await pods.create("called", {
      hostNetwork: true,
      containers: [
        probed("good", { grpc: { port: grpc, service: "good" } }),
        probed("open", { tcpSocket: { port: http } }),
        probed("named", { exec: { command: ["test", "$(WHO)", "=", "me"] } }, { env: [{ name: "WHO", value: "me" }] }),
      ],
    });
    await pods.create("failing", {
      hostNetwork: true,
      containers: [
        probed("bad", { grpc: { port: grpc, service: "bad" } }),
        probed("nobody", { grpc: { port: 1 } }),
        probed("shut", { tcpSocket: { port: 1 } }),
        probed("slow", { exec: { command: ["sleep", "100"] } }),
      ],
    });
    await pods.when("called", isReady);
    const failed = (words: string) => pods.event("failing", new RegExp(`^Unhealthy Readiness probe failed: ${words}`));
    await failed('service unhealthy \\(responded with "NOT_SERVING"\\)$');
    await failed(`timeout: failed to connect service "${HOST}:1" within 1s: context deadline exceeded$`);
    await failed(`dial tcp ${HOST}:1: connect: connection refused$`);
    await failed('command timed out: "sleep 100" timed out after 1s$');
    assert.match(server.log, /^grpc good$/m);
    assert.deepEqual(readyOnes(await pods.when("failing", ({ status }) => status?.phase === "Running")), []);
    // Scrapers count by these.
    const metrics = await kubectl.run("get", "--raw", "/api/v1/nodes/node-1/proxy/metrics/probes");
    const counted = (pod: string, container: string, result: string) =>
      metrics
        .split("\n")
        .filter((line) => line.startsWith("prober_probe_total{") && line.includes(`result="${result}"`))
        .filter((line) => line.includes(`pod="${pod}"`) && line.includes(`container="${container}"`))
        .some((line) => line.includes('probe_type="Readiness"') && line.includes('namespace="default"'));
    assert.ok(counted("called", "good", "successful") && counted("failing", "bad", "failed"), metrics);
    assert.ok(!counted("called", "good", "failed") && !counted("failing", "bad", "successful"), metrics);
  });

  test("of the start gives a container up that takes too long, and holds the others back meanwhile", async () => {
    const startupProbe = {
      exec: { command: ["test", "-e", "/tmp/never"] },
      ...{ periodSeconds: 1, failureThreshold: 3, terminationGracePeriodSeconds: 1 },
    };
    // It would end the container in its first second.
    const livenessProbe = { exec: { command: ["touch", "/tmp/asked"] }, periodSeconds: 1 };
    const container = shell("trap '' TERM; until [ -e /tmp/asked ]; do sleep 0.1; done; exit 9", {
      startupProbe,
      livenessProbe,
    });
    await pods.create("sleeper", { terminationGracePeriodSeconds: 500, containers: [container] });
    const begin = await pods.when(
      "sleeper",
      ({ status }) => status?.containerStatuses?.[0]?.state?.running !== undefined,
    );
    assert.equal(begin.status?.containerStatuses?.[0]?.started, false);
    await pods.event("sleeper", /^Killing Container c failed startup probe, will be restarted$/);
    const pod = await pods.when("sleeper", ({ status }) => status?.containerStatuses?.[0]?.restartCount === 1);
    const { exitCode, startedAt, finishedAt } = pod.status?.containerStatuses?.[0]?.lastState?.terminated ?? {};
    assert.equal(exitCode, 137, "its probe's grace counts, and no other probe had been asked");
    const seconds = (Date.parse(finishedAt ?? "") - Date.parse(startedAt ?? "")) / 1000;
    assert.ok(seconds >= 1, `${seconds} s are less than three tries`);
    await kubectl.run("delete", "pod", "sleeper", "--grace-period=1", "--wait=false");
  });
});
