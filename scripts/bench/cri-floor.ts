// The floor under a kubelet: what the runtime alone takes for the CRI calls of so many pods, on the nodes of a running cluster.
// Usage: node scripts/bench/cri-floor.ts STATE-FOLDER [pods] [at once per node]; needs root. Prints a line of JSON.
import { readClusterRecord } from "../../packages/cli/src/cluster-record.ts";
import { DEMO_IMAGE } from "../../packages/cli/src/images/builtin-images.ts";
import { layoutOf, nodeLayoutOf } from "../../packages/cli/src/layout.ts";
import { realClock } from "../../packages/component-base/src/clock.ts";
import { CriClient } from "../../packages/kubelet/src/cri/cri-client.ts";
import type { ContainerConfig, NamespaceOption, PodSandboxConfig } from "../../packages/kubelet/src/cri/types.ts";

async function measure(folder: string, count: number, perNode: number): Promise<void> {
  const layout = layoutOf(folder);
  const names = readClusterRecord(layout.record)?.nodes ?? [];
  const nodes = names.map((name) => {
    return new CriClient(`unix://${nodeLayoutOf(layout, name).containerdSocket}`, { clock: realClock });
  });
  if (nodes.length === 0) throw new Error(`no cluster runs from ${folder}`);
  const jobs = Array.from({ length: count }, (_, index) => index);
  const sandboxes: { node: CriClient; id: string }[] = [];
  const startedAt = performance.now();
  const starts = await inLanes(nodes, perNode, jobs, async (node, index) => {
    const config = sandboxOf(index);
    const id = await node.runPodSandbox(config, "");
    sandboxes.push({ node, id });
    await node.startContainer(await node.createContainer(id, containerOf(index), config));
    return performance.now() - startedAt;
  });
  const removalAt = performance.now();
  await inLanes(nodes, perNode, sandboxes, async (_, { node, id }) => {
    await node.stopPodSandbox(id);
    await node.removePodSandbox(id);
  });
  const removedMs = performance.now() - removalAt;
  for (const node of nodes) node[Symbol.dispose]();
  starts.sort((a, b) => a - b);
  const at = (share: number) => Math.round(starts[Math.min(count - 1, Math.floor(count * share))] ?? 0);
  const figures = { pods: count, p50ms: at(0.5), allMs: at(1), goneAllMs: Math.round(removedMs) };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}

/** Every job on one of the nodes, so many at a time on each. */
async function inLanes<J, R>(
  nodes: readonly CriClient[],
  perNode: number,
  jobs: readonly J[],
  work: (node: CriClient, job: J) => Promise<R>,
): Promise<R[]> {
  const left = [...jobs];
  const results: R[] = [];
  const lane = async (node: CriClient) => {
    for (let job = left.shift(); job !== undefined; job = left.shift()) results.push(await work(node, job));
  };
  await Promise.all(nodes.flatMap((node) => Array.from({ length: perNode }, () => lane(node))));
  return results;
}

const NAMESPACES: NamespaceOption = { network: "POD", pid: "CONTAINER", ipc: "POD" };
// Of its own for each run: the runtime reserves names.
const RUN = `floor-${process.pid}`;

function sandboxOf(index: number): PodSandboxConfig {
  return {
    metadata: { name: `${RUN}-${index}`, uid: `${RUN}-${index}`, namespace: RUN, attempt: 0 },
    hostname: "floor",
    logDirectory: "",
    portMappings: [],
    labels: {},
    annotations: {},
    linux: {
      cgroupParent: "",
      sysctls: {},
      securityContext: { namespaceOptions: NAMESPACES, supplementalGroups: [], privileged: false },
    },
  };
}

function containerOf(index: number): ContainerConfig {
  return {
    metadata: { name: `c-${index}`, attempt: 0 },
    image: { image: DEMO_IMAGE },
    command: [],
    args: [],
    workingDir: "",
    envs: [],
    mounts: [],
    devices: [],
    labels: {},
    annotations: {},
    logPath: "",
    stdin: false,
    stdinOnce: false,
    tty: false,
    linux: {
      resources: {},
      securityContext: {
        privileged: false,
        namespaceOptions: NAMESPACES,
        readonlyRootfs: false,
        supplementalGroups: [],
        noNewPrivs: false,
        maskedPaths: [],
        readonlyPaths: [],
      },
    },
  };
}

// Last, because a constant exists only from its definition on.
const [state = "", pods = "20", atOnce = "2"] = process.argv.slice(2);
await measure(state, Number(pods), Number(atOnce));
