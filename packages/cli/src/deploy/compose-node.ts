// `skiff compose-node`: makes its container a node: containerd with the built-in images, then the node's programs, supervised.
import { readFileSync, writeFileSync } from "node:fs";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { createLogger } from "@skiff/component-base/logger.ts";
import { writeFileWhole } from "../cluster-record.ts";
import { stopProcesses } from "../commands/sweep-machine.ts";
import { DEMO_IMAGE, ensureBuiltinImages, SANDBOX_IMAGE } from "../images/builtin-images.ts";
import { importArchive, listImages } from "../images/import-images.ts";
import type { NodeLayout } from "../layout.ts";
import { cgroupHierarchies, makeProgramCgroup } from "../node/cgroups.ts";
import { containerdVersion } from "../node/containerd-version.ts";
import { CNI_BIN_DIRS, pickSnapshotter, prepareNode } from "../node/prepare-node.ts";
import { removeSandboxes } from "../node/remove-sandboxes.ts";
import { programCommand, programNamed } from "../programs.ts";
import { probeHealth } from "../supervisor/health-probe.ts";
import type { ClusterInstance, Runtime } from "../supervisor/instances.ts";
import { listRunRecords } from "../supervisor/run-record.ts";
import { SUPERVISOR_KEY, supervise } from "../supervisor/supervise.ts";
import type { ComposeSettings } from "./compose-cluster.ts";
import { addressOf, composePlace, containerNamed, WORKER_LAYOUT, WORKER_RESOLV_CONF } from "./compose-cluster.ts";
import { relayDns, resolverForPods } from "./dns-relay.ts";

/** containerd lives on while the rest stops, so that it can take down the pods. */
const RUNTIME_FOLDER = `${WORKER_LAYOUT.volatile}/runtime`;
const NODE_FOLDER = `${WORKER_LAYOUT.volatile}/node`;
const DNS_PORT = 53;
const POLL_MS = 40;

/** Runs until the signal aborts; then the pods go first and containerd last. */
export async function composeNode(
  name: string,
  settings: ComposeSettings,
  runtime: Runtime,
  { clock }: { clock: Clock },
  signal: AbortSignal,
): Promise<number> {
  const deps = { clock, log: createLogger("supervisor") };
  const instances = nodeInstances(name, settings, runtime);
  const isRuntime = ({ program }: ClusterInstance) => program === "containerd";
  enterOwnCgroup();
  const snapshotter = await pickSnapshotter(WORKER_LAYOUT.containerdRoot);
  const containerd = await containerdVersion();
  prepareNode({ ...WORKER_LAYOUT, name }, { snapshotter, cniBinDir: CNI_BIN_DIRS[0], containerd });
  const relay = relayForPods(addressOf(name, settings), deps, signal);
  const stopRuntime = new AbortController();
  const supervisedRuntime = supervise(instances.filter(isRuntime), RUNTIME_FOLDER, deps, stopRuntime.signal);
  try {
    await untilAnswering(WORKER_LAYOUT.containerdSocket, clock, signal);
    await importMissing({ ...WORKER_LAYOUT, name }, snapshotter);
    const others = instances.filter((instance) => !isRuntime(instance));
    await supervise(others, NODE_FOLDER, deps, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  await stopPrograms(NODE_FOLDER, clock);
  await removeSandboxes(WORKER_LAYOUT.containerdSocket, clock).catch((error) =>
    deps.log.warn({ err: error }, "pods not stopped"),
  );
  stopRuntime.abort();
  await Promise.all([supervisedRuntime, relay]);
  await stopPrograms(RUNTIME_FOLDER, clock);
  return 0;
}

/** The programs of the table that run on a node, each in a cgroup of its own, all with the container's log. */
export function nodeInstances(name: string, settings: ComposeSettings, runtime: Runtime): ClusterInstance[] {
  const container = containerNamed(name);
  const place = composePlace(container, settings);
  return container.programs.map(programNamed).map((program) => {
    const [command, ...args] = programCommand(program, place, runtime);
    return {
      key: program.name,
      program: program.name,
      node: name,
      command,
      args,
      env: runtime.env,
      cgroup: `/system/${program.name}`,
      logFile: "/dev/stdout",
      // The others are up already: compose waits for the apiserver, and containerd was waited for.
      after: [],
    };
  });
}

// cgroup v2 lets no process stay in a group that hands controllers to its children: what the container started with moves.
function enterOwnCgroup(): void {
  const files = makeProgramCgroup("/system/entry");
  const roots = cgroupHierarchies().filter((hierarchy) => hierarchy.version === 2);
  const pids = roots.flatMap(({ mountPoint }) => readFileSync(`${mountPoint}/cgroup.procs`, "utf8").split("\n"));
  for (const pid of new Set(pids.filter((text) => Number(text) > 0))) {
    for (const file of files) writeFileSync(file, pid);
  }
}

/** Writes the pods' resolver settings before the kubelet wants them; resolves when the signal aborts, or at once. */
async function relayForPods(own: string, deps: { clock: Clock; log: Logger }, signal: AbortSignal): Promise<void> {
  const { text, server } = resolverForPods(readFileSync("/etc/resolv.conf", "utf8"), own);
  writeFileWhole(WORKER_RESOLV_CONF, text, 0o644);
  if (!server) return;
  await relayDns({ host: own, port: DNS_PORT }, { host: server, port: DNS_PORT }, deps, signal).catch((error) =>
    deps.log.error({ err: error, own, server }, "pods have no DNS"),
  );
}

async function untilAnswering(socket: string, clock: Clock, signal: AbortSignal): Promise<void> {
  while ((await probeHealth({ kind: "unix", path: socket })) !== undefined) await clock.sleep(POLL_MS, signal);
}

async function importMissing(node: NodeLayout, snapshotter: string): Promise<void> {
  const present = await listImages(node);
  if (present.includes(SANDBOX_IMAGE) && present.includes(DEMO_IMAGE)) return;
  await importArchive(node, await ensureBuiltinImages(`${WORKER_LAYOUT.root}/images`), snapshotter);
}

async function stopPrograms(runFolder: string, clock: Clock): Promise<void> {
  const records = listRunRecords(runFolder).filter((record) => record.key !== SUPERVISOR_KEY);
  await stopProcesses(
    records.map((record) => record.process),
    clock,
  );
}
