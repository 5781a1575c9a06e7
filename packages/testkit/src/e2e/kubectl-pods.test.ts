// What a strict user sees of pods that do not simply run: sidecars, failures, deadlines, drains and looks inside.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node, Pod } from "@skiff/api/types.ts";
import { DEMO, firstStatus, shell, TestPods } from "../test-pods.ts";
import { waitFor } from "../wait-for.ts";

const pods = await TestPods.start(2);
const { kubectl } = pods;
/** Since 1.32 `--subresource` takes it. */
const knowsResize = Number(kubectl.version.split(".")[1]) >= 32;

const eventsOf = (name: string) =>
  kubectl.run(
    "get",
    "events",
    "--field-selector",
    `involvedObject.name=${name}`,
    "-o",
    "custom-columns=:.reason,:.message",
  );

test("a container starts beside its running sidecar", async () => {
  const sidecar = { ...shell("sleep 1000"), name: "side", restartPolicy: "Always" };
  await pods.create("beside", {
    initContainers: [{ ...shell("true"), name: "init" }, sidecar],
    containers: [shell("sleep 1000")],
  });
  const pod = await pods.when(
    "beside",
    ({ status }) => status?.phase === "Running" && status.containerStatuses?.[0]?.ready === true,
  );
  assert.equal(pod.status?.initContainerStatuses?.[1]?.started, true);
});

test("a failed init container ends a pod that must not restart, and its container was never there", async () => {
  await pods.create("init-fails", {
    restartPolicy: "Never",
    initContainers: [{ ...shell("exit 4"), name: "init" }],
    containers: [shell("true")],
  });
  const pod = await pods.when("init-fails", ({ status }) => status?.phase === "Failed");
  assert.equal(firstStatus(pod)?.state?.waiting?.reason, "PodInitializing");
  const initialized = pod.status?.conditions?.find(({ type }) => type === "Initialized");
  assert.deepEqual(
    [initialized?.status, initialized?.reason, initialized?.message],
    ["False", "ContainersNotInitialized", "containers with incomplete status: [init]"],
  );
  assert.match(await kubectl.run("get", "pod", "init-fails"), /Init:Error/);
});

test("a pod's deadline ends it", async () => {
  await pods.create("deadline", { activeDeadlineSeconds: 1, containers: [shell("sleep 1000")] });
  const pod = await pods.when("deadline", ({ status }) => status?.phase === "Failed");
  assert.equal(pod.status?.reason, "DeadlineExceeded");
  assert.equal(pod.status?.message, "Pod was active on the node longer than the specified deadline");
});

test("an image that cannot be pulled is told in status and events", async () => {
  await pods.create("no-image", { containers: [{ name: "c", image: "skiff.local/no-such:1" }] });
  const pod = await pods.when("no-image", (found) => firstStatus(found)?.state?.waiting?.reason === "ImagePullBackOff");
  assert.match(
    firstStatus(pod)?.state?.waiting?.message ?? "",
    /^Back-off pulling image "skiff.local\/no-such:1": ErrImagePull: failed to pull and unpack image /,
  );
  const events = await waitFor("the events", async () => {
    const text = await eventsOf("no-image");
    return text.includes("Error: ImagePullBackOff") && text;
  });
  assert.match(events, /Failed\s+Failed to pull image "skiff.local\/no-such:1": /);
  assert.match(events, /Failed\s+Error: ErrImagePull/);
});

test("a crashing container backs off, and keeps its last words", async () => {
  await pods.create("crash", { containers: [shell("echo last > /dev/termination-log; exit 3")] });
  const pod = await pods.when("crash", (found) => firstStatus(found)?.state?.waiting?.reason === "CrashLoopBackOff");
  const { name, namespace, uid } = pod.metadata;
  const waiting = firstStatus(pod)?.state?.waiting?.message;
  assert.match(
    waiting ?? "",
    new RegExp(`^back-off \\d+s restarting failed container=c pod=${name}_${namespace}\\(${uid}\\)$`),
  );
  const { exitCode, reason, message } = firstStatus(pod)?.lastState?.terminated ?? {};
  assert.deepEqual([exitCode, reason, message], [3, "Error", "last\n"]);
});

test("volumes made of API objects are read-only for containers", async () => {
  await kubectl.run("create", "configmap", "words", "--from-literal=a=b");
  await pods.create("reads", {
    restartPolicy: "Never",
    containers: [{ ...shell("cat /words/a; touch /words/x"), volumeMounts: [{ name: "words", mountPath: "/words" }] }],
    volumes: [{ name: "words", configMap: { name: "words" } }],
  });
  await pods.when("reads", ({ status }) => status?.phase === "Failed");
  assert.match(await kubectl.run("logs", "reads"), /touch: .*Read-only file system/);
});

test("the apiserver's proxy reaches a pod", async () => {
  await pods.create("serves", { containers: [{ name: "c", image: DEMO }] });
  await pods.when("serves", (pod) => firstStatus(pod)?.ready === true);
  const path = "/api/v1/namespaces/default/pods/serves/proxy/";
  assert.match(await waitFor("an answer", () => kubectl.run("get", "--raw", path)), /^Hello from serves/);
});

test("kubectl gives a running container more processor time, which it then has", async () => {
  const resources = { requests: { cpu: "100m" }, limits: { cpu: "200m", memory: "64Mi" } };
  await pods.create("grows", { containers: [{ name: "c", image: DEMO, resources }] });
  const before = await pods.when("grows", (pod) => firstStatus(pod)?.ready === true);
  const more = { ...resources, limits: { ...resources.limits, cpu: "300m" } };
  if (knowsResize) {
    const patch = JSON.stringify({ spec: { containers: [{ name: "c", resources: more }] } });
    await kubectl.run("patch", "pod", "grows", "--subresource=resize", "-p", patch);
  } else {
    const [container] = before.spec.containers;
    const wanted = { ...before, spec: { ...before.spec, containers: [{ ...container, resources: more }] } };
    const path = "/api/v1/namespaces/default/pods/grows/resize";
    await kubectl.runWith(JSON.stringify(wanted), "replace", "--raw", path, "-f", "-");
  }
  const after = await pods.when("grows", (pod) => firstStatus(pod)?.resources?.limits?.cpu === "300m");
  assert.equal(firstStatus(after)?.restartCount, 0);
  assert.equal(after.metadata.generation, 2);
  const files = "cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null; true";
  assert.match(await kubectl.run("exec", "grows", "--", "sh", "-c", files), /^30000\b/);
});

test("kubectl debug puts a container beside another and into its processes", async () => {
  const look = ["--image", DEMO, "-c", "look", "--target=c", "--profile=general"];
  await kubectl.run("debug", "serves", ...look, "--", "sh", "-c", "ps");
  await pods.when("serves", ({ status }) => status?.ephemeralContainerStatuses?.[0]?.state?.terminated?.exitCode === 0);
  assert.match(await kubectl.run("logs", "serves", "-c", "look"), /httpd/);
});

test("kubectl debug looks at a node from a pod that shares its processes and files", async () => {
  const nodes = await kubectl.json<{ items: readonly Node[] }>("get", "nodes");
  const node = nodes.items[0]?.metadata.name ?? "";
  const made = await kubectl.run(
    "debug",
    `node/${node}`,
    "--image",
    DEMO,
    "--profile=general",
    "--",
    "ls",
    "/host/etc",
  );
  const name = /pod (\S+) with/.exec(made)?.[1] ?? "";
  const { spec } = await pods.when(name, ({ status }) => status?.phase === "Succeeded");
  assert.deepEqual([spec.nodeName, spec.hostPID, spec.hostNetwork], [node, true, true]);
  assert.match(await kubectl.run("logs", name), /^passwd$/m);
  await kubectl.run("delete", "pod", name, "--now");
});

test("drain evicts pods and leaves the node unschedulable", async () => {
  const { spec } = await kubectl.json<Pod>("get", "pod", "serves");
  const node = spec.nodeName ?? "";
  const flags = ["--force", "--delete-emptydir-data", "--ignore-daemonsets", "--timeout=40s"];
  const said = await kubectl.run("drain", node, ...flags);
  assert.match(said, /pod\/serves evicted/);
  assert.equal((await kubectl.json<Node>("get", "node", node)).spec?.unschedulable, true);
  await kubectl.run("uncordon", node);
});

test("a node tells its own events", async () => {
  const text = await kubectl.run("describe", "node", "node-1");
  for (const reason of ["Starting", "NodeHasSufficientMemory", "NodeReady"]) {
    assert.match(text, new RegExp(`Normal\\s+${reason}\\s.*kubelet`));
  }
});
