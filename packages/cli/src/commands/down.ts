// `skiff down`: stops a cluster in order, pods first, and leaves nothing of it on the machine.
import { existsSync, rmSync } from "node:fs";
import type { Clock } from "@skiff/component-base/clock.ts";
import { readClusterRecord } from "../cluster-record.ts";
import type { Layout } from "../layout.ts";
import { layoutOf, nodeLayoutOf } from "../layout.ts";
import { removeSandboxes } from "../node/remove-sandboxes.ts";
import { Progress } from "../progress.ts";
import { lockState } from "../state-lock.ts";
import type { RunRecord } from "../supervisor/run-record.ts";
import { listRunRecords, removeRunRecord } from "../supervisor/run-record.ts";
import { SUPERVISOR_KEY } from "../supervisor/supervise.ts";
import { UserError } from "../user-error.ts";
import { stopProcesses, sweepMachine } from "./sweep-machine.ts";

/** The exit code, which is 0 where there was nothing to stop. Throws UserError without root. */
export async function down(
  request: { readonly state: string; readonly purge: boolean },
  deps: { clock: Clock },
): Promise<number> {
  if (process.getuid?.() !== 0) throw new UserError("stopping a cluster needs root", "run it with sudo");
  const layout = layoutOf(request.state);
  if (!existsSync(layout.record)) {
    process.stdout.write(`there is no cluster in ${request.state}\n`);
    if (existsSync(request.state)) await sweepMachine(layout, deps.clock);
    if (request.purge) rmSync(layout.state, { recursive: true, force: true });
    return 0;
  }
  const progress = new Progress(deps.clock);
  try {
    using _lock = lockState(layout.state);
    await stopInOrder(layout, progress, deps.clock);
    if (request.purge) await progress.step("state removed", async () => rmSync(layout.state, { recursive: true }));
    progress.line(`stopped in ${progress.elapsedSeconds()}`);
    return 0;
  } finally {
    progress.end();
  }
}

/** Whoever restarts others goes first, and what others need goes last. */
async function stopInOrder(layout: Layout, progress: Progress, clock: Clock): Promise<void> {
  const stop = (title: string, wanted: (key: string) => boolean) =>
    progress.step(title, async () => {
      const records = listRunRecords(layout.run).filter((record) => wanted(record.key));
      await stopRecords(layout, records, clock);
    });
  const isProgram =
    (...names: string[]) =>
    (key: string) =>
      names.includes(key.slice(key.lastIndexOf("/") + 1));
  await stop("supervisor", (key) => key === SUPERVISOR_KEY);
  // Nobody may start a pod again once its sandbox is gone.
  await stop("kubelets and controllers", isProgram("kubelet", "kube-scheduler", "kube-controller-manager"));
  await progress.step("pods", () => removePods(layout, clock));
  await stop("containerd", isProgram("containerd"));
  // The apiserver goes before etcd, so that its last writes find a store.
  await stop("control plane", (key) => key !== "etcd");
  await stop("etcd", () => true);
  await progress.step("processes, mounts, network, cgroups", () => sweepMachine(layout, clock));
}

/** Records go after their processes, so that a crash in between leaves nothing unknown running. */
async function stopRecords(layout: Layout, records: readonly RunRecord[], clock: Clock): Promise<void> {
  await stopProcesses(
    records.map((record) => record.process),
    clock,
  );
  for (const record of records) removeRunRecord(layout.run, record.key);
}

/** What the CRI cannot take down, the sweep does. */
async function removePods(layout: Layout, clock: Clock): Promise<string> {
  const nodes = readClusterRecord(layout.record)?.nodes ?? [];
  const outcomes = await Promise.allSettled(
    nodes.map((name) => removeSandboxes(nodeLayoutOf(layout, name).containerdSocket, clock)),
  );
  const failed = outcomes.some((outcome) => outcome.status === "rejected" || outcome.value.length > 0);
  return failed ? "some did not stop by themselves" : "all stopped";
}
