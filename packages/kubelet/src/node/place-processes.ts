// Where the kubelet's own process and the system's others stand: in which cgroups, and how soon the kernel ends the kubelet.
import { readlink, writeFile } from "node:fs/promises";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { CgroupFs } from "../cgroups/cgroup-fs.ts";
import type { Settings } from "../configuration/fields.ts";

type Places = Pick<Settings, "kubeletCgroups" | "systemCgroups">;
type Files = Pick<CgroupFs, "create" | "enter" | "movePlaceless">;

/** As often as upstream: processes that were started since may be in no cgroup either. */
const PERIOD_MS = 60_000;
/** A process may start another while it is moved, which is then found by the next look; as many looks as upstream. */
const MOST_LOOKS = 10;

/** One time, for whoever reads the places afterwards. Neither is touched where nothing is configured. */
export async function placeProcesses({ kubeletCgroups, systemCgroups }: Places, files: Files): Promise<void> {
  if (kubeletCgroups) await files.enter(kubeletCgroups, process.pid);
  if (!systemCgroups) return;
  await files.create(systemCgroups, {});
  for (let look = 0; look < MOST_LOOKS; look++) {
    if ((await files.movePlaceless("/", systemCgroups, isOrdinary)) === 0) return;
  }
}

/** Again and again until the signal aborts; ends at once where nothing is configured. */
export async function keepProcessesPlaced(
  places: Places,
  deps: { readonly files: Files; readonly clock: Pick<Clock, "sleep">; readonly log: Logger },
  signal: AbortSignal,
): Promise<void> {
  if (!places.kubeletCgroups && !places.systemCgroups) return;
  for (;;) {
    await deps.clock.sleep(PERIOD_MS, signal).catch(() => {});
    if (signal.aborted) return;
    await placeProcesses(places, deps.files).catch((error) => {
      deps.log.warn({ err: error }, "processes could not be put into their cgroups, trying again");
    });
  }
}

/** Lowering it takes a privilege that not every kubelet has, and is no reason not to start. */
export async function setOomScore(score: number, log: Logger, file = "/proc/self/oom_score_adj"): Promise<void> {
  await writeFile(file, String(score)).catch((error) => {
    log.info({ err: error, oomScoreAdj: score }, "the OOM score stays as it is");
  });
}

/** Neither the first process, which is not to be moved, nor one of the kernel's, which has no program and cannot be. */
async function isOrdinary(pid: number): Promise<boolean> {
  if (pid === 1) return false;
  return readlink(`/proc/${pid}/exe`).then(
    () => true,
    () => false,
  );
}
