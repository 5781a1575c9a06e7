// Opens the machine's cgroups with whoever makes them: the kubelet itself, or systemd where runtime or settings say so.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { CriClient } from "../cri/cri-client.ts";
import { CriError } from "../cri/cri-client.ts";
import { CgroupFs } from "./cgroup-fs.ts";
import type { CgroupDriver, CgroupNames } from "./cgroup-names.ts";
import { cgroupNames } from "./cgroup-names.ts";

/** `files` reads what the kernel tells and is the same for both drivers; `maker` makes, limits and removes. */
export interface Cgroups {
  readonly files: CgroupFs;
  readonly maker: Pick<CgroupFs, "create" | "apply" | "remove" | "children">;
  readonly names: CgroupNames;
}

interface Deps {
  readonly cri: Pick<CriClient, "cgroupDriver">;
  readonly clock: Pick<Clock, "sleep">;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** `configured` is for runtimes that do not say; the others' word goes, as upstream. */
export async function openCgroups(configured: CgroupDriver, deps: Deps): Promise<Cgroups> {
  const files = await CgroupFs.open(deps.clock);
  const driver = await chooseDriver(configured, deps);
  const names = cgroupNames(driver);
  if (driver !== configured) deps.log.info({ configured, driver }, "cgroups are made as the runtime makes its own");
  if (driver === "cgroupfs") return { files, maker: files, names };
  const { SystemdSlices } = await import("./systemd-slices.ts");
  const maker = new SystemdSlices(files);
  await maker.check();
  return { files, maker, names };
}

const UNIMPLEMENTED = 12;
const RETRY_MS = 1000;

/**
 * Waits for a runtime that is not there yet. Cgroups of one kind under a runtime of the other would leave containers
 * outside of their pods' limits, so this is nothing to guess.
 */
export async function chooseDriver(configured: CgroupDriver, deps: Deps): Promise<CgroupDriver> {
  const { cri, clock, log, signal } = deps;
  for (;;) {
    try {
      return await cri.cgroupDriver();
    } catch (error) {
      // containerd before 2.0.
      if (error instanceof CriError && error.code === UNIMPLEMENTED) return configured;
      log.warn({ err: error }, "the runtime does not say yet who makes its cgroups, asking again");
    }
    await clock.sleep(RETRY_MS, signal);
  }
}
