// Takes stock of a damaged node: what is not as the pods' specs say, and what is left once all pods are gone.
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Pod } from "@skiff/api/types.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { CgroupFs } from "../cgroups/cgroup-fs.ts";
import type { CriClient } from "../cri/cri-client.ts";
import type { Container, ContainerStatus } from "../cri/types.ts";
import { LABEL } from "../runtime/labels.ts";
import { MIRROR_ANNOTATION } from "../static-pods/annotations.ts";
import { lastingContainers } from "./churn-pods.ts";
import type { NodeUnderTest } from "./node-under-test.ts";
import { childrenOf } from "./private-containerd.ts";

const run = promisify(execFile);
const LEVELS = ["", "/besteffort", "/burstable"];

/** In words; nothing where every pod is as its spec says and nothing else runs. */
export async function complaintsOf(node: NodeUnderTest, cri: CriClient, wanted: readonly Pod[]): Promise<string[]> {
  const [containers, sandboxes] = await Promise.all([cri.listContainers(), cri.listPodSandboxes()]);
  const once = wanted.filter(({ spec }) => spec?.restartPolicy === "Never").map(uidInRuntime);
  const statuses = containers.filter(({ labels }) => once.includes(labels[LABEL.podUid] ?? ""));
  const started = await Promise.all(statuses.map(({ id }) => cri.containerStatus(id)));
  const known = new Set(wanted.map(uidInRuntime));
  const strangers = sandboxes.filter(({ labels }) => !known.has(labels[LABEL.podUid] ?? ""));
  const states = new Map([...containers, ...sandboxes].map(({ id, state }) => [id, state]));
  return [
    ...strangers.map(({ labels }) => `${labels[LABEL.podName]} is gone and has a sandbox`),
    ...wanted.flatMap((pod) => complaintsOfPod(pod, containers)),
    ...startedTwice(started),
    ...(await strayProcesses(node.cgroupRoot, states)),
  ];
}

/** The mirror of a static pod has a UID of its own. */
function uidInRuntime({ metadata }: Pod): string {
  return metadata.annotations?.[MIRROR_ANNOTATION] ?? metadata.uid ?? "";
}

function isRunning({ state }: Container): boolean {
  return state === "CONTAINER_RUNNING";
}

function complaintsOfPod(pod: Pod, all: readonly Container[]): string[] {
  const { name } = pod.metadata;
  const { restartPolicy } = pod.spec ?? {};
  const mine = all.filter(({ labels }) => labels[LABEL.podUid] === uidInRuntime(pod));
  const nameOf = ({ labels }: Container) => labels[LABEL.containerName] ?? "";
  const debuggers = new Set(pod.spec?.ephemeralContainers?.map((one) => one.name));
  const running = mine.filter((one) => isRunning(one) && !debuggers.has(nameOf(one)));
  const expected = lastingContainers(pod.spec ?? { containers: [] });
  const wrong: string[] = [];
  const found = running.map(nameOf).sort().join();
  if (found !== expected.toSorted().join()) wrong.push(`${name} runs "${found}", not "${expected}"`);
  const phases =
    expected.length > 0 ? ["Running"] : restartPolicy === "Never" ? ["Succeeded", "Failed"] : ["Succeeded"];
  if (!phases.includes(pod.status?.phase ?? ""))
    wrong.push(`${name} is ${pod.status?.phase}, not ${phases.join(" or ")}`);
  const isReady = pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True");
  if (expected.length > 0 && !isReady) wrong.push(`${name} is not ready`);
  const resizing = pod.status?.conditions?.find(({ type }) => type.startsWith("PodResize"));
  if (resizing) wrong.push(`${name} is being resized: ${resizing.type} ${resizing.message}`);
  return wrong;
}

/** Containers of pods that may not restart them, by name; one that was made and never started does not count. */
function startedTwice(statuses: readonly ContainerStatus[]): string[] {
  const seen = new Set<string>();
  const twice: string[] = [];
  for (const { labels, startedAt } of statuses) {
    const name = `${labels[LABEL.podName]}/${labels[LABEL.containerName]}`;
    if (Number(startedAt) === 0) continue;
    if (seen.has(name)) twice.push(`${name} was started twice`);
    seen.add(name);
  }
  return twice;
}

/** Processes in a container's cgroup that the runtime does not show as running: it would run twice. */
async function strayProcesses(cgroupRoot: string, states: ReadonlyMap<string, string>): Promise<string[]> {
  const cgroups = await CgroupFs.open(realClock);
  const found: string[] = [];
  for (const pod of await podCgroups(cgroups, cgroupRoot)) {
    for (const id of await cgroups.children(pod)) {
      const state = states.get(id) ?? "forgotten";
      if (state === "CONTAINER_RUNNING" || state === "SANDBOX_READY") continue;
      const count = await cgroups.countProcesses(`${pod}/${id}`);
      if (count > 0) found.push(`${count} processes in ${pod}/${id}, which is ${state}`);
    }
  }
  return found;
}

async function podCgroups(cgroups: CgroupFs, cgroupRoot: string): Promise<string[]> {
  const found: string[] = [];
  for (const level of LEVELS) {
    const parent = `${cgroupRoot}/kubepods${level}`;
    for (const name of await cgroups.children(parent)) if (name.startsWith("pod")) found.push(`${parent}/${name}`);
  }
  return found;
}

/** In words; nothing where all that pods had was given back. */
export async function leftoversOf(node: NodeUnderTest, netns: string): Promise<string[]> {
  const { containerd, rootDir, cgroupRoot } = node;
  using cri = containerd.client();
  const mounts = (await readFile("/proc/self/mountinfo", "utf8"))
    .split("\n")
    .filter((line) => line.includes(containerd.dir));
  const links = await run("ip", ["-n", netns, "-o", "link", "show", "type", "veth"]);
  const rules = await run("nsenter", [`--net=/run/netns/${netns}`, "iptables-save", "-t", "nat"]);
  const claims = await readdir(join(rootDir, "plugins/kubernetes.io/csi"), { recursive: true }).catch(() => []);
  const found = {
    sandbox: (await cri.listPodSandboxes()).map(({ id }) => id),
    container: (await cri.listContainers()).map(({ id }) => id),
    folder: await readdir(join(rootDir, "pods")),
    memory: await readdir(join(rootDir, "memory-volumes")).catch(() => []),
    log: await readdir(node.logDir),
    "link to a log": await readdir(join(node.logDir, "../containers")).catch(() => []),
    cgroup: await podCgroups(await CgroupFs.open(realClock), cgroupRoot),
    mount: mounts.filter((line) => !line.includes("memory-volumes")).map((line) => line.split(" ")[4] ?? ""),
    "network link": links.stdout.split("\n").filter(Boolean),
    "host port": rules.stdout.split("\n").filter((line) => /CNI-(DN|SN)-/.test(line)),
    // A shim itself does not count: containerd 1.6, killed between the start of a shim and that of its task, never ends
    // it, and neither the CRI nor a restart of containerd shows it.
    process: (await childrenOf(await containerd.shims())).map(String),
    address: (await readdir(containerd.addressDir)).filter((name) => /^\d/.test(name)),
    snapshot: await containerd.containerSnapshots(),
    "CSI volume": claims.filter((name) => name.endsWith("vol_data.json") || name.endsWith("globalmount")),
  };
  return Object.entries(found).flatMap(([sort, items]) => items.map((item) => `${sort} ${item}`));
}
