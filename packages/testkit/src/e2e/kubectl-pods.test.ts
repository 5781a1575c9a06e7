// What a strict user sees of pods that do not simply run: sidecars, failures, deadlines, drains and looks inside.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { ContainerStatus, Node, Pod } from "@skiff/api/types.ts";
import { findKubectls, KubectlRunner } from "../kubectl.ts";
import { TestCluster } from "../test-cluster.ts";
import { waitFor } from "../wait-for.ts";

const DEMO = "skiff.local/demo:1";

let cluster: TestCluster;
let kubectl: KubectlRunner;
/** Since 1.32 `--subresource` takes it. */
let knowsResize = false;

before(async () => {
  const newest = (await findKubectls()).at(-1);
  assert.ok(newest, "no kubectl can be had on this machine");
  knowsResize = Number(newest.version.split(".")[1]) >= 32;
  cluster = await TestCluster.start(2);
  kubectl = new KubectlRunner(newest, cluster.kubeconfig);
  // Admission wants the account of the namespace, which its controller makes.
  await waitFor("the default account", () => kubectl.run("get", "serviceaccount", "default"));
});

after(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

const sh = (script: string) => ({ name: "c", image: DEMO, command: ["sh", "-c", script] });

async function createPod(name: string, spec: object): Promise<void> {
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name },
    spec: { terminationGracePeriodSeconds: 1, ...spec },
  };
  await kubectl.runWith(JSON.stringify(pod), "create", "-f", "-");
}

/** The pod once `isSo`; what it is otherwise stands in the error. */
async function podWhen(name: string, isSo: (pod: Pod) => boolean): Promise<Pod> {
  let last: Pod | undefined;
  try {
    return await waitFor(`pod ${name}`, async () => {
      last = await kubectl.json<Pod>("get", "pod", name);
      return isSo(last) && last;
    });
  } catch (error) {
    throw new Error(`${name}: ${JSON.stringify(last?.status)}`, { cause: error });
  }
}

const first = (pod: Pod): ContainerStatus | undefined => pod.status?.containerStatuses?.[0];
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
  const sidecar = { ...sh("sleep 1000"), name: "side", restartPolicy: "Always" };
  await createPod("beside", {
    initContainers: [{ ...sh("true"), name: "init" }, sidecar],
    containers: [sh("sleep 1000")],
  });
  const pod = await podWhen(
    "beside",
    ({ status }) => status?.phase === "Running" && status.containerStatuses?.[0]?.ready === true,
  );
  assert.equal(pod.status?.initContainerStatuses?.[1]?.started, true);
});

test("a failed init container ends a pod that must not restart, and its container was never there", async () => {
  await createPod("init-fails", {
    restartPolicy: "Never",
    initContainers: [{ ...sh("exit 4"), name: "init" }],
    containers: [sh("true")],
  });
  const pod = await podWhen("init-fails", ({ status }) => status?.phase === "Failed");
  assert.equal(first(pod)?.state?.waiting?.reason, "PodInitializing");
  const initialized = pod.status?.conditions?.find(({ type }) => type === "Initialized");
  assert.deepEqual(
    [initialized?.status, initialized?.reason, initialized?.message],
    ["False", "ContainersNotInitialized", "containers with incomplete status: [init]"],
  );
  assert.match(await kubectl.run("get", "pod", "init-fails"), /Init:Error/);
});

test("a pod's deadline ends it", async () => {
  await createPod("deadline", { activeDeadlineSeconds: 1, containers: [sh("sleep 1000")] });
  const pod = await podWhen("deadline", ({ status }) => status?.phase === "Failed");
  assert.equal(pod.status?.reason, "DeadlineExceeded");
  assert.equal(pod.status?.message, "Pod was active on the node longer than the specified deadline");
});

test("an image that cannot be pulled is told in status and events", async () => {
  await createPod("no-image", { containers: [{ name: "c", image: "skiff.local/no-such:1" }] });
  const pod = await podWhen("no-image", (found) => first(found)?.state?.waiting?.reason === "ImagePullBackOff");
  assert.match(
    first(pod)?.state?.waiting?.message ?? "",
    /^Back-off pulling image "skiff.local\/no-such:1": ErrImagePull: /,
  );
  const events = await waitFor("the events", async () => {
    const text = await eventsOf("no-image");
    return text.includes("Error: ImagePullBackOff") && text;
  });
  assert.match(events, /Failed\s+Failed to pull image "skiff.local\/no-such:1": /);
  assert.match(events, /Failed\s+Error: ErrImagePull/);
});

test("a crashing container backs off, and keeps its last words", async () => {
  await createPod("crash", { containers: [sh("echo last > /dev/termination-log; exit 3")] });
  const pod = await podWhen("crash", (found) => first(found)?.state?.waiting?.reason === "CrashLoopBackOff");
  const { name, namespace, uid } = pod.metadata;
  const waiting = first(pod)?.state?.waiting?.message;
  assert.match(
    waiting ?? "",
    new RegExp(`^back-off \\d+s restarting failed container=c pod=${name}_${namespace}\\(${uid}\\)$`),
  );
  const { exitCode, reason, message } = first(pod)?.lastState?.terminated ?? {};
  assert.deepEqual([exitCode, reason, message], [3, "Error", "last\n"]);
});

test("volumes made of API objects are read-only for containers", async () => {
  await kubectl.run("create", "configmap", "words", "--from-literal=a=b");
  await createPod("reads", {
    restartPolicy: "Never",
    containers: [{ ...sh("cat /words/a; touch /words/x"), volumeMounts: [{ name: "words", mountPath: "/words" }] }],
    volumes: [{ name: "words", configMap: { name: "words" } }],
  });
  await podWhen("reads", ({ status }) => status?.phase === "Failed");
  assert.match(await kubectl.run("logs", "reads"), /touch: .*Read-only file system/);
});

test("the apiserver's proxy reaches a pod", async () => {
  await createPod("serves", { containers: [{ name: "c", image: DEMO }] });
  await podWhen("serves", (pod) => first(pod)?.ready === true);
  const path = "/api/v1/namespaces/default/pods/serves/proxy/";
  assert.match(await waitFor("an answer", () => kubectl.run("get", "--raw", path)), /^Hello from serves/);
});

test("kubectl gives a running container more processor time, which it then has", async () => {
  const resources = { requests: { cpu: "100m" }, limits: { cpu: "200m", memory: "64Mi" } };
  await createPod("grows", { containers: [{ name: "c", image: DEMO, resources }] });
  const before = await podWhen("grows", (pod) => first(pod)?.ready === true);
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
  const after = await podWhen("grows", (pod) => first(pod)?.resources?.limits?.cpu === "300m");
  assert.equal(first(after)?.restartCount, 0);
  assert.equal(after.metadata.generation, 2);
  const files = "cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null; true";
  assert.match(await kubectl.run("exec", "grows", "--", "sh", "-c", files), /^30000\b/);
});

test("kubectl debug puts a container beside another and into its processes", async () => {
  const look = ["--image", DEMO, "-c", "look", "--target=c", "--profile=general"];
  await kubectl.run("debug", "serves", ...look, "--", "sh", "-c", "ps");
  await podWhen("serves", ({ status }) => status?.ephemeralContainerStatuses?.[0]?.state?.terminated?.exitCode === 0);
  assert.match(await kubectl.run("logs", "serves", "-c", "look"), /httpd/);
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
