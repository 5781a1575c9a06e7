// `skiff compose-node`: makes its container a node: containerd with the built-in images, then the node's programs, supervised.
import { readFileSync, writeFileSync } from "node:fs";
import type { Clock } from "@skiff/component-base/clock.ts";
import { createLogger } from "@skiff/component-base/logger.ts";
import { stopProcesses } from "../commands/sweep-machine.ts";
import { DEMO_IMAGE, ensureBuiltinImages, SANDBOX_IMAGE } from "../images/builtin-images.ts";
import { importArchive, listImages } from "../images/import-images.ts";
import type { NodeLayout } from "../layout.ts";
import { cgroupHierarchies, makeProgramCgroup } from "../node/cgroups.ts";
import { CNI_BIN_DIRS, pickSnapshotter, prepareNode } from "../node/prepare-node.ts";
import { removeSandboxes } from "../node/remove-sandboxes.ts";
import type { ProgramSpec } from "../programs.ts";
import { programNamed, renderFlags } from "../programs.ts";
import { probeHealth } from "../supervisor/health-probe.ts";
import type { ClusterInstance, Runtime } from "../supervisor/instances.ts";
import { listRunRecords } from "../supervisor/run-record.ts";
import { SUPERVISOR_KEY, supervise } from "../supervisor/supervise.ts";
import type { ComposeSettings } from "./compose-cluster.ts";
import { composePlace, containerNamed, WORKER_LAYOUT } from "./compose-cluster.ts";

/** containerd lives on while the rest stops, so that it can take down the pods. */
const RUNTIME_FOLDER = `${WORKER_LAYOUT.volatile}/runtime`;
const NODE_FOLDER = `${WORKER_LAYOUT.volatile}/node`;
const POLL_MS = 40;

/** Runs until the signal aborts; then the pods go first and containerd last. */
export async function composeNode(
  name: string,
  settings: ComposeSettings,
  runtime: Runtime,
  { clock }: { clock: Clock },
  signal: AbortSignal,
): Promise<number> {
  const log = createLogger("supervisor");
  const node: NodeLayout = { ...WORKER_LAYOUT, name };
  enterOwnCgroup();
  const snapshotter = await pickSnapshotter(node.containerdRoot);
  prepareNode(node, snapshotter, CNI_BIN_DIRS[0]);
  const instances = nodeInstances(name, settings, runtime);
  const isRuntime = ({ program }: ClusterInstance) => program === "containerd";
  const stopRuntime = new AbortController();
  const deps = { clock, log };
  const supervisedRuntime = supervise(instances.filter(isRuntime), RUNTIME_FOLDER, deps, stopRuntime.signal);
  try {
    await untilAnswering(node.containerdSocket, clock, signal);
    await importMissing(node, snapshotter);
    await supervise(
      instances.filter((instance) => !isRuntime(instance)),
      NODE_FOLDER,
      deps,
      signal,
    );
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  await stopPrograms(NODE_FOLDER, clock);
  await removeSandboxes(node.containerdSocket, clock).catch((error) => log.warn({ err: error }, "pods not stopped"));
  stopRuntime.abort();
  await supervisedRuntime;
  await stopPrograms(RUNTIME_FOLDER, clock);
  return 0;
}

/** The programs of the table that run on a node, each in a cgroup of its own, all with the container's log. */
export function nodeInstances(name: string, settings: ComposeSettings, runtime: Runtime): ClusterInstance[] {
  const container = containerNamed(name);
  const place = composePlace(container, settings);
  return container.programs.map(programNamed).map((program) => ({
    key: program.name,
    program: program.name,
    node: name,
    ...commandOf(program, renderFlags(program.flags(place)), runtime),
    env: runtime.env,
    cgroup: `/system/${program.name}`,
    logFile: "/dev/stdout",
    // The others are up already: compose waits for the apiserver, and containerd was waited for.
    after: [],
  }));
}

function commandOf(
  { name, bundle }: ProgramSpec,
  flags: string[],
  runtime: Runtime,
): { command: string; args: string[] } {
  if (!bundle) return { command: name, args: flags };
  return { command: runtime.nodeBinary, args: [`${runtime.bundles}/${bundle}.mjs`, ...flags] };
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
