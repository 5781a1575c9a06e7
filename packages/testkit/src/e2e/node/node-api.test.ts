// What the kubelet's own API answers: logs with every flag, figures that agree with the cgroups, and nothing to strangers.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism, release } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { quantityValue } from "@skiff/api/quantity.ts";
import type { Lease, Node } from "@skiff/api/types.ts";
import { nodeLayoutOf } from "@skiff/cli/layout.ts";
import { type CgroupFigures, cgroupFiguresOf } from "../../cgroup-figures.ts";
import { DEMO, firstStatus, isReady, shell, TestPods, WAIT } from "../../test-pods.ts";
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

  test("shows what was said since a time, to the second", async () => {
    await pods.create("speaks", { containers: [shell(`for n in 1 2 3 4; do echo line $n; sleep 0.6; done; ${WAIT}`)] });
    await waitFor("the words", async () => (await pods.log("speaks")).endsWith("line 4\n"));
    const lines = (await kubectl.run("logs", "speaks", "--timestamps")).trim().split("\n");
    const last = lines.at(-1)?.slice(0, 19) ?? "";
    const since = lines.filter((line) => line.slice(0, 19) >= last).map((line) => line.slice(line.indexOf(" ") + 1));
    assert.ok(since.length < 4, "all in one second");
    assert.equal(await kubectl.run("logs", "speaks", `--since-time=${last}Z`), `${since.join("\n")}\n`);
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
  test("goes on with a log that is followed in the next file, when the log has grown too large", async () => {
    const volumeMounts = [{ name: "v", mountPath: "/v" }];
    const script = `head -c 11000000 /dev/zero | tr '\\0' x | fold -w 1000; echo; until [ -e /v/go ]; do sleep 0.1; done; echo after; ${WAIT}`;
    await pods.create("rotates", {
      containers: [shell(script, { volumeMounts })],
      volumes: [{ name: "v", emptyDir: {} }],
    });
    const { metadata } = await pods.when("rotates", isReady);
    const folder = join(nodeLayoutOf(cluster.layout, "node-1").podLogs, `default_rotates_${metadata.uid}`, "c");
    const follow = kubectl.start("logs", "-f", "--tail=1", "rotates");
    try {
      let text = "";
      follow.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      await waitFor("the file to be rotated", () =>
        readdirSync(folder).some((name) => /^0\.log\.\d{8}-\d{6}$/.test(name)),
      );
      await waitFor("the next file", () => existsSync(join(folder, "0.log")));
      await pods.exec("rotates", "touch /v/go");
      await waitFor("the line after", () => text.endsWith("\nafter\n"));
    } finally {
      follow.kill("SIGKILL");
    }
    assert.equal(await kubectl.run("logs", "rotates"), "after\n", "the open file alone is shown, as upstream");
  });

  test("tells what pods use exactly as their cgroups do", async () => {
    const resources = { limits: { memory: "64Mi", cpu: "500m" } };
    // Both kinds of memory: what counts as in use, and cached files, which do not.
    const fill =
      "dd if=/dev/zero of=/dev/shm/x bs=1M count=20; dd if=/dev/zero of=/tmp/x bs=1M count=8; exec sleep 100000";
    await pods.create("uses", { containers: [shell(fill, { resources })] });
    const pod = await pods.when("uses", isReady);
    const id = firstStatus(pod)?.containerID?.replace("containerd://", "") ?? "";
    const pid = await waitFor("the container to rest", async () => {
      const tasks = await cluster.ctr("node-1", "tasks", "ls");
      const found = Number(new RegExp(`^${id}\\s+(\\d+)`, "m").exec(tasks)?.[1]);
      return readFileSync(`/proc/${found}/comm`, "utf8") === "sleep\n" && found;
    });
    const truth = () => ({ container: cgroupFiguresOf(pid), pod: cgroupFiguresOf(pid, "above") });
    // It rests, and yet the kernel may bring its accounts up to date between two looks.
    const agreed = await waitFor("two looks that agree", async () => {
      const before = truth();
      const said = { summary: await ask("/stats/summary"), resource: await ask("/metrics/resource") };
      const cadvisor = await ask("/metrics/cadvisor");
      return isDeepStrictEqual(before, truth()) && { ...said, cadvisor, truth: before };
    });
    assert.ok(agreed.truth.container.workingSet > 20 * 1024 * 1024);
    const summary = JSON.parse(agreed.summary) as Summary;
    const told = summary.pods.find(({ podRef }) => podRef.uid === pod.metadata.uid);
    assert.deepEqual(told?.containers.map(figuresOf), [agreed.truth.container]);
    assert.deepEqual(told && figuresOf(told), agreed.truth.pod);
    const sample = (text: string, name: string, labels: string) =>
      Number(new RegExp(`^${name}\\{(?=[^}]*pod="uses")${labels}[^}]*\\} (\\S+)`, "m").exec(text)?.[1]);
    const own = '(?=[^}]*container="c")';
    const { container } = agreed.truth;
    for (const [text, where] of [
      [agreed.resource, "metrics/resource"],
      [agreed.cadvisor, "metrics/cadvisor"],
    ] as const) {
      const nanos = sample(text, "container_cpu_usage_seconds_total", own) * 1e9;
      assert.equal(Math.round(nanos), container.cpuNanos, where);
      assert.equal(sample(text, "container_memory_working_set_bytes", own), container.workingSet, where);
    }
    assert.equal(sample(agreed.resource, "pod_memory_working_set_bytes", ""), agreed.truth.pod.workingSet);
    assert.equal(sample(agreed.cadvisor, "container_spec_memory_limit_bytes", own), 64 * 1024 * 1024);
  });

  test("runs a command, and says why there is no checkpoint", async () => {
    await pods.create("acts", { containers: [shell(WAIT)] });
    // What upstream's role for apiservers leaves out.
    const user = "--user=kube-apiserver-kubelet-client";
    await kubectl.run("create", "clusterrole", "checkpointer", "--verb=create", "--resource=nodes/checkpoint");
    await kubectl.run("create", "clusterrolebinding", "checkpointer", "--clusterrole=checkpointer", user);
    await pods.when("acts", isReady);
    const post = (path: string) => kubectl.try("create", "--raw", `${NODE}${path}`, "-f", "/dev/null");
    assert.equal((await post("/run/default/acts/c?cmd=echo%20done")).stdout, "done\n");
    assert.match((await post("/run/default/acts/c?cmd=cat%20/none")).stderr, /exited with 1: cat: can't open '\/none'/);
    // A runtime that makes one, given criu, answers with the archive's path.
    const { stdout, stderr } = await post("/checkpoint/default/acts/c");
    assert.match(
      stdout + stderr,
      /"items":\["\S+checkpoint-acts_default-c-|checkpointing of default\/acts\/c failed \(/,
    );
  });

  test("has told the API what its machine is and can do", async () => {
    const node = await kubectl.json<Node>("get", "node", "node-1");
    const {
      capacity = {},
      allocatable = {},
      addresses,
      nodeInfo,
      conditions,
      images,
      daemonEndpoints,
    } = node.status ?? {};
    const memory = /^MemTotal: +(\d+) kB/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
    assert.deepEqual(
      [capacity.cpu, capacity.memory, capacity.pods],
      [String(availableParallelism()), `${memory}Ki`, "110"],
    );
    // The hard eviction threshold of 100Mi is kept back.
    assert.equal(quantityValue(allocatable.memory ?? ""), quantityValue(capacity.memory ?? "") - 100 * 1024 * 1024);
    assert.ok(
      quantityValue(allocatable["ephemeral-storage"] ?? "") < quantityValue(capacity["ephemeral-storage"] ?? ""),
    );
    assert.deepEqual(addresses, [
      { type: "InternalIP", address: cluster.addressOf("node-1") },
      { type: "Hostname", address: "node-1" },
    ]);
    const { kernelVersion, operatingSystem, containerRuntimeVersion, bootID } = nodeInfo ?? {};
    assert.deepEqual([kernelVersion, operatingSystem], [release(), "linux"]);
    assert.match(containerRuntimeVersion ?? "", /^containerd:\/\/\d+\.\d+/);
    assert.equal(bootID, readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
    const labels = node.metadata.labels ?? {};
    assert.equal(labels["kubernetes.io/hostname"], "node-1");
    assert.deepEqual([labels["kubernetes.io/os"], labels["kubernetes.io/arch"]], ["linux", nodeInfo?.architecture]);
    assert.deepEqual(
      Object.fromEntries((conditions ?? []).map(({ type, status, reason }) => [type, `${status} ${reason}`])),
      {
        MemoryPressure: "False KubeletHasSufficientMemory",
        DiskPressure: "False KubeletHasNoDiskPressure",
        PIDPressure: "False KubeletHasSufficientPID",
        Ready: "True KubeletReady",
      },
    );
    const demo = images?.find(({ names }) => names?.includes(DEMO));
    assert.ok((demo?.sizeBytes ?? 0) > 100_000, JSON.stringify(images));
    assert.equal(daemonEndpoints?.kubeletEndpoint?.Port, 10250);
    const { spec, metadata } = await kubectl.json<Lease>("get", "lease", "node-1", "-n", "kube-node-lease");
    assert.deepEqual([spec?.holderIdentity, spec?.leaseDurationSeconds], ["node-1", 40]);
    assert.equal(metadata.ownerReferences?.[0]?.uid, node.metadata.uid);
  });

  test("shows its pods, its settings, its health and what it measures", async () => {
    const { items } = JSON.parse(await ask("/pods")) as { items: { kind?: string }[] };
    assert.ok(Array.isArray(items));
    assert.equal(JSON.parse(await ask("/configz")).kubeletconfig.cgroupDriver, "cgroupfs");
    assert.equal(await ask("/healthz"), "ok");
    assert.match(await ask("/metrics"), /^kubelet_running_pods \d+/m);
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

/** Of stats/v1alpha1, as far as it is looked at here. */
interface Stats {
  readonly cpu: { readonly usageCoreNanoSeconds: number };
  readonly memory: { readonly usageBytes: number; readonly workingSetBytes: number; readonly rssBytes: number };
}

interface Summary {
  readonly pods: readonly (Stats & {
    readonly podRef: { readonly uid: string };
    readonly containers: readonly Stats[];
  })[];
}

function figuresOf({ cpu, memory }: Stats): CgroupFigures {
  const { usageBytes: usage, workingSetBytes: workingSet, rssBytes: rss } = memory;
  return { cpuNanos: cpu.usageCoreNanoSeconds, usage, workingSet, rss };
}
