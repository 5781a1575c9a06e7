// What the kubelet's own API answers: logs with every flag, figures that agree with the cgroups, and nothing to strangers.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isReady, shell, TestPods, WAIT } from "../../test-pods.ts";
import { waitFor } from "../../wait-for.ts";

const pods = await TestPods.start();
const { kubectl, cluster } = pods;
const NODE = "/api/v1/nodes/node-1/proxy";
const ask = (path: string) => kubectl.run("get", "--raw", `${NODE}${path}`);

describe("kubectl logs", { concurrency: 4 }, () => {
  test("shows the end, the beginning, the time, and so many bytes", async () => {
    await pods.create("counts", { containers: [shell(`for n in 1 2 3 4 5; do echo line $n; done; ${WAIT}`)] });
    await waitFor("the words", async () => (await pods.log("counts")).endsWith("line 5\n"));
    assert.equal(await kubectl.run("logs", "counts", "--tail=2"), "line 4\nline 5\n");
    assert.equal(await kubectl.run("logs", "counts", "--limit-bytes=8"), "line 1\nl");
    assert.equal(await kubectl.run("logs", "counts", "--tail=0"), "");
    const [, time = ""] = /^(\S+) line 3$/m.exec(await kubectl.run("logs", "counts", "--timestamps")) ?? [];
    assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+/);
    assert.equal(await kubectl.run("logs", "counts", "--since-time=2100-01-01T00:00:00Z"), "");
    assert.equal(await kubectl.run("logs", "counts", "--since=1h", "--tail=1"), "line 5\n");
  });

  test("shows the container before the last restart, and each of several", async () => {
    const containers = [
      shell("[ -e /v/x ] && echo second && sleep 1000; touch /v/x; echo first; exit 1", {
        volumeMounts: [{ name: "v", mountPath: "/v" }],
      }),
      shell(`echo other; ${WAIT}`, { name: "other" }),
    ];
    await pods.create("restarted", { containers, volumes: [{ name: "v", emptyDir: {} }] });
    await pods.when("restarted", (pod) => isReady(pod) && pod.status?.containerStatuses?.[0]?.restartCount === 1);
    await waitFor("the words", async () => (await pods.log("restarted", { container: "c" })) === "second\n");
    assert.equal(await kubectl.run("logs", "restarted", "-c", "c", "--previous"), "first\n");
    const all = await kubectl.run("logs", "restarted", "--all-containers", "--prefix");
    assert.match(all, /^\[pod\/restarted\/c\] second$/m);
    assert.match(all, /^\[pod\/restarted\/other\] other$/m);
    const refused = await kubectl.try("logs", "restarted", "-c", "none");
    assert.match(refused.stderr, /container none is not valid for pod restarted/);
    const never = await kubectl.try("logs", "restarted", "-c", "other", "--previous");
    assert.match(never.stderr, /previous terminated container "other" in pod "restarted" not found/);
  });
});

describe("the kubelet's API", { concurrency: 4 }, () => {
  test("tells what pods use as their cgroups say it", async () => {
    const resources = { limits: { memory: "64Mi", cpu: "500m" } };
    await pods.create("uses", {
      containers: [shell(`dd if=/dev/zero of=/dev/shm/x bs=1M count=20; ${WAIT}`, { resources })],
    });
    const { metadata } = await pods.when("uses", isReady);
    const files = "cat /sys/fs/cgroup/memory/memory.usage_in_bytes /sys/fs/cgroup/memory.current 2>/dev/null; true";
    const isNear = (figure: number, truth: number) => Math.abs(figure - truth) < 8 * 1024 * 1024;
    await waitFor("figures that agree", async () => {
      const summary = JSON.parse(await ask("/stats/summary"));
      const pod = summary.pods.find(({ podRef }: { podRef: { uid: string } }) => podRef.uid === metadata.uid);
      const truth = Number(await pods.exec("uses", files));
      assert.ok(truth > 20 * 1024 * 1024, `${truth} B in the cgroup`);
      assert.ok(isNear(pod.containers[0].memory.usageBytes, truth), JSON.stringify(pod.containers[0].memory));
      assert.ok(pod.containers[0].cpu.usageCoreNanoSeconds > 0);
      return true;
    });
    const line = /^container_memory_working_set_bytes\{container="c",namespace="default",pod="uses"\} (\d+)/m;
    const [, workingSet] = line.exec(await ask("/metrics/resource")) ?? [];
    assert.ok(Number(workingSet) > 20 * 1024 * 1024, `working set ${workingSet}`);
    const limit =
      /^container_spec_memory_limit_bytes\{[^}]*container="c"[^}]*pod="uses"[^}]*\} 6\.7108864e\+07|67108864/m;
    assert.match(await ask("/metrics/cadvisor"), limit);
  });

  test("shows its pods, its settings, its health and what it measures", async () => {
    const { items } = JSON.parse(await ask("/pods")) as { items: { kind?: string }[] };
    assert.ok(Array.isArray(items));
    assert.equal(JSON.parse(await ask("/configz")).kubeletconfig.cgroupDriver, "cgroupfs");
    assert.equal(await ask("/healthz"), "ok");
    assert.match(await ask("/metrics"), /^kubelet_running_pods \d+/m);
    assert.match(await ask("/metrics/probes"), /prober_probe_total|^$/);
  });

  test("answers nobody whom it does not know, and has no other open port", async () => {
    const address = cluster.addressOf("node-1");
    const code = (url: string) =>
      cluster
        .onNode("node-1", "curl", "-sk", "-o", "/dev/null", "-m", "5", "-w", "%{http_code}", url)
        .catch(() => "none");
    assert.equal(await code(`https://${address}:10250/pods`), "401");
    assert.equal(await code(`https://${address}:10250/healthz`), "401");
    assert.equal(await code(`http://${address}:10255/pods`), "none");
    assert.equal(await code(`http://${address}:4194/metrics`), "none");
    assert.equal(await code("http://127.0.0.1:10248/healthz"), "200");
  });
});
