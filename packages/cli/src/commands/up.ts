// `skiff up`: everything from an empty machine to nodes that are Ready; on a cluster that runs it changes nothing.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { ClusterRecord } from "../cluster-record.ts";
import { readClusterRecord, writeClusterRecord } from "../cluster-record.ts";
import { DEMO_IMAGE, ensureBuiltinImages, SANDBOX_IMAGE } from "../images/builtin-images.ts";
import { importArchive, listImages } from "../images/import-images.ts";
import type { Layout } from "../layout.ts";
import { layoutOf, nodeLayoutOf, nodeNames } from "../layout.ts";
import { findOverlap, nodeAddress, planAddresses } from "../network/address-plan.ts";
import { closeHostAccess, openHostAccess } from "../network/host-access.ts";
import { defaultLink, hostRanges } from "../network/host-ranges.ts";
import { buildNetwork, namespacesOf } from "../network/namespaces.ts";
import { containerdVersion } from "../node/containerd-version.ts";
import { makeMemoryFolder } from "../node/memory-folder.ts";
import { machineLosses, pickSnapshotter, prepareNode } from "../node/prepare-node.ts";
import type { ClusterNames } from "../pki/certificate-list.ts";
import { ensurePki, readdressKubeconfig } from "../pki/cluster-pki.ts";
import { checkMachine, checkPortFree } from "../preflight.ts";
import { SMALL_FOOTPRINT } from "../programs.ts";
import { Progress } from "../progress.ts";
import { lockState } from "../state-lock.ts";
import type { Runtime } from "../supervisor/instances.ts";
import { clusterInstances } from "../supervisor/instances.ts";
import { isAlive } from "../supervisor/process-identity.ts";
import { listRunRecords } from "../supervisor/run-record.ts";
import { startProgram } from "../supervisor/start-program.ts";
import { SUPERVISOR_KEY } from "../supervisor/supervise.ts";
import { UserError } from "../user-error.ts";
import { sweepMachine } from "./sweep-machine.ts";
import type { NodeSummary } from "./wait-for-cluster.ts";
import { ClusterWatch } from "./wait-for-cluster.ts";

/** The command line, with absolute paths. */
export interface UpRequest {
  /** Undefined: as the cluster was made, or the defaults for a new one. */
  readonly nodes: number | undefined;
  readonly apiPort: number | undefined;
  readonly state: string;
  readonly isolated: boolean;
}

interface UpDeps {
  readonly clock: Clock;
  readonly runtime: Runtime;
}

/** Two, so that what Kubernetes does between nodes can be seen. */
const DEFAULT_NODES = 2;
const DEFAULT_API_PORT = 6443;

/**
 * The exit code. Throws UserError for what the person can mend; what was started by then runs on, and `up` again goes
 * on from there.
 */
export async function up(request: UpRequest, deps: UpDeps): Promise<number> {
  const cniBinDir = checkMachine(deps.runtime.env.PATH ?? "");
  const layout = layoutOf(request.state);
  using _lock = lockState(layout.state);
  const progress = new Progress(deps.clock);
  try {
    const known = readClusterRecord(layout.record);
    const alive = livingKeys(layout);
    if (known && alive.has(SUPERVISOR_KEY)) return await describeRunning(layout, known, request, deps);
    const record = known && alive.size > 0 && hasNamespaces(layout, known) ? known : undefined;
    const cluster = record ?? (await makeCluster(layout, known, request, cniBinDir, progress, deps));
    if (record) progress.line(`found ${alive.size} programs running without their supervisor: adopting them`);
    await startSupervisor(layout, deps.runtime);
    const nodes = await bringUp(layout, cluster, progress, deps);
    progress.end();
    printReady(layout, nodes, `Ready in ${progress.elapsedSeconds()}`);
    return 0;
  } finally {
    progress.end();
  }
}

/** Records of programs that run now; those of an earlier boot name processes that are gone. */
function livingKeys(layout: Layout): Set<string> {
  const records = listRunRecords(layout.run).filter((record) => isAlive(record.process));
  return new Set(records.map((record) => record.key));
}

/** Whether the network is whole: one namespace for each node and the switch's. */
function hasNamespaces(layout: Layout, record: ClusterRecord): boolean {
  return namespacesOf(layout).length === record.nodes.length + 1;
}

/** The exit code is 0 only where every node is Ready. */
async function describeRunning(
  layout: Layout,
  record: ClusterRecord,
  request: UpRequest,
  deps: UpDeps,
): Promise<number> {
  const nodes = await new ClusterWatch(layout, clusterInstances(layout, record, deps.runtime), deps.clock).nodes();
  const differs =
    (request.nodes !== undefined && request.nodes !== record.nodes.length) ||
    (request.apiPort !== undefined && request.apiPort !== record.apiPort) ||
    request.isolated !== record.isolated;
  if (differs) process.stdout.write("the cluster runs with other settings than these; they apply after `down`\n");
  printReady(layout, nodes, "already running; nothing was changed");
  if (record.nodes.every((name) => nodes.some((node) => node.name === name && node.ready))) return 0;
  process.stdout.write("not every node is Ready: `skiff status` shows which program is not healthy\n");
  return 1;
}

/** Everything on disk and in the kernel that the programs need before they start. */
async function makeCluster(
  layout: Layout,
  known: ClusterRecord | undefined,
  request: UpRequest,
  cniBinDir: string,
  progress: Progress,
  { clock }: UpDeps,
): Promise<ClusterRecord> {
  // What is left of a cluster that does not run, as after a reboot, would be in the way.
  if (known) await sweepMachine(layout, clock);
  const record = await planCluster(layout, known, request);
  checkPortFree(record.apiPort);
  writeClusterRecord(layout.record, record);
  await makeMemoryFolder(layout.volatile);
  const nodes = record.nodes.map((name) => nodeLayoutOf(layout, name));
  await Promise.all([
    progress.step("certificates", async () => {
      const made = await makeCertificates(layout, record, clock);
      return made > 0 ? `${made} made` : "all fresh";
    }),
    progress.step("network", async () => {
      const mtu = Math.min(1500, (await defaultLink())?.mtu ?? 1500);
      await buildNetwork({ layout, addresses: record.addresses, nodes, isolated: record.isolated, mtu });
      if (record.isolated) await closeHostAccess(layout);
      else await openHostAccess(layout, record.addresses.range);
      return `${record.addresses.range}${record.isolated ? ", isolated" : ""}`;
    }),
    ensureBuiltinImages(layout.images),
  ]);
  const machine = { snapshotter: record.snapshotter, cniBinDir, containerd: await containerdVersion() };
  for (const node of nodes) prepareNode(node, machine);
  for (const loss of machineLosses(record.snapshotter)) progress.line(`note: ${loss}`);
  return record;
}

async function planCluster(
  layout: Layout,
  known: ClusterRecord | undefined,
  request: UpRequest,
): Promise<ClusterRecord> {
  const used = await hostRanges(layout.hostLink);
  // Certificates and objects hold the addresses, so a cluster cannot move to another range.
  const overlap = known && findOverlap(known.addresses, used);
  if (overlap) {
    throw new UserError(
      `the cluster's range ${known.addresses.range} is now used by ${overlap.owner} (${overlap.cidr})`,
      "remove that, or give the cluster up with down --purge and start a new one",
    );
  }
  const count = request.nodes ?? known?.nodes.length ?? DEFAULT_NODES;
  return {
    version: 1,
    id: layout.id,
    // Nodes are never taken away: the API still has their objects and pods.
    nodes: nodeNames(Math.max(count, known?.nodes.length ?? 0)),
    isolated: request.isolated,
    apiPort: request.apiPort ?? known?.apiPort ?? DEFAULT_API_PORT,
    addresses: known?.addresses ?? planAddresses(layout.id, used),
    snapshotter: known?.snapshotter ?? (await pickSnapshotter(layout.state)),
  };
}

async function makeCertificates(layout: Layout, record: ClusterRecord, clock: Clock): Promise<number> {
  const { addresses } = record;
  const names: ClusterNames = {
    controlPlaneAddresses: [addresses.controlPlane],
    controlPlaneNames: [],
    apiService: addresses.apiService,
    nodes: record.nodes.map((name, index) => ({ name, addresses: [nodeAddress(addresses, index)] })),
  };
  const server = `https://${addresses.controlPlane}:6443`;
  const made = await ensurePki(layout, names, server, clock.now());
  const forwarded = `https://127.0.0.1:${record.apiPort}`;
  readdressKubeconfig(join(layout.kubeconfigs, "admin.conf"), layout.adminKubeconfig, server, forwarded);
  return made;
}

/** Detached: `up` ends, and the supervisor goes on. */
async function startSupervisor(layout: Layout, runtime: Runtime): Promise<void> {
  mkdirSync(layout.logs, { recursive: true });
  await startProgram(
    {
      command: runtime.nodeBinary,
      args: [...SMALL_FOOTPRINT, join(runtime.bundles, "skiff.mjs"), "supervise", "--state", layout.state],
      env: runtime.env,
      cgroup: `${layout.cgroup}/system/supervisor`,
      logFile: join(layout.logs, "supervisor.log"),
    },
    () => {},
  );
}

/** Waits for what the supervisor starts, and gives the nodes their first images meanwhile. */
async function bringUp(
  layout: Layout,
  record: ClusterRecord,
  progress: Progress,
  { clock, runtime }: UpDeps,
): Promise<NodeSummary[]> {
  const instances = clusterInstances(layout, record, runtime);
  const watch = new ClusterWatch(layout, instances, clock);
  const archive = await ensureBuiltinImages(layout.images);
  const controlPlane = instances.filter((instance) => !instance.node && instance.probe);
  let nodes: NodeSummary[] = [];
  await watch.failFast([
    ...controlPlane.map((instance) => progress.step(instance.program, () => watch.healthy(instance.key))),
    ...record.nodes.map((name) =>
      progress.step(`${name}: containerd and images`, async () => {
        await watch.healthy(`${name}/containerd`);
        const node = nodeLayoutOf(layout, name);
        const present = await listImages(node);
        if (present.includes(SANDBOX_IMAGE) && present.includes(DEMO_IMAGE)) return;
        await importArchive(node, archive, record.snapshotter);
      }),
    ),
    progress.step("nodes Ready", async () => {
      nodes = await watch.allReady(record.nodes);
    }),
  ]);
  return nodes;
}

/** Scripts read the last line: it can be pasted into a shell. */
function printReady(layout: Layout, nodes: readonly NodeSummary[], headline: string): void {
  const lines = [
    headline,
    ...nodes.map((node) => `  ${node.name}  ${node.ready ? "Ready" : "NotReady"}  ${node.address}`),
    `demo image: ${DEMO_IMAGE}`,
    `export KUBECONFIG=${layout.adminKubeconfig}`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}
