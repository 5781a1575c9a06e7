// Everything that a kubelet with CSI drivers has and one without does not load.
import { readdir } from "node:fs/promises";
import type { Node, Pod } from "@skiff/api/types.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { PodEvents } from "../../events/pod-events.ts";
import type { PodPaths } from "../../pod-paths.ts";
import type { SelinuxHost } from "../selinux/selinux-host.ts";
import { VolumeLabels } from "../selinux/volume-labels.ts";
import type { TokenManager } from "../token-manager.ts";
import { VolumeLocks } from "../volume-locks.ts";
import { CsiDrivers } from "./csi-drivers.ts";
import { CsiNodeObject } from "./csi-node-object.ts";
import { CsiPaths } from "./csi-paths.ts";
import { CsiSecrets } from "./csi-secrets.ts";
import { uniqueName } from "./csi-source.ts";
import { CsiTearDown, stagedVolumes, storedVolumes, UNSTAGING } from "./csi-tear-down.ts";
import { CsiVolumes } from "./csi-volumes.ts";
import { readDriverSpec } from "./driver-spec.ts";
import type { ExpandRequest } from "./expand-volume.ts";
import { expandVolume } from "./expand-volume.ts";
import type { VolumesInUse } from "./volumes-in-use.ts";

export interface CsiDeps {
  readonly nodeName: string;
  readonly client: Pick<RestClient, "of">;
  readonly paths: PodPaths;
  readonly tokens: Pick<TokenManager, "grant">;
  readonly events: Pick<PodEvents, "pod">;
  readonly inUse: VolumesInUse;
  readonly metrics: MetricsRegistry;
  /** Undefined on a node without SELinux. */
  readonly selinux: SelinuxHost | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  node(): Readonly<Node> | undefined;
}

/** Composes the parts; they share one set of locks, so that no volume is set up and torn down at once. */
export class Csi {
  readonly drivers: CsiDrivers;
  readonly volumes: CsiVolumes;
  readonly tearDown: CsiTearDown;
  readonly paths: CsiPaths;
  private readonly deps: CsiDeps;
  private readonly secrets: CsiSecrets;
  private readonly locks = new VolumeLocks();

  constructor(deps: CsiDeps) {
    const { nodeName, client, inUse, clock, log } = deps;
    const { locks } = this;
    this.deps = deps;
    this.paths = new CsiPaths(deps.paths);
    this.secrets = new CsiSecrets(deps);
    const object = new CsiNodeObject(nodeName, client);
    const countPeriodMs = (driver: string, signal: AbortSignal) => this.countPeriodMs(driver, signal);
    this.drivers = new CsiDrivers({ object, clock, log, countPeriodMs });
    const { drivers, paths, secrets } = this;
    this.tearDown = new CsiTearDown({
      paths,
      drivers,
      locks,
      inUse,
      clock,
      log,
      forgetTarget: (target) => this.volumes.forgetTarget(target),
      forgetStaged: (staging) => this.volumes.forgetStaged(staging),
    });
    this.volumes = new CsiVolumes({
      nodeName,
      client,
      clock,
      log,
      paths,
      drivers,
      locks,
      inUse,
      secrets,
      users: this.tearDown,
      labels: new VolumeLabels(deps.selinux, deps.metrics),
      node: deps.node,
      warn: (pod, message) => deps.events.pod(pod, "Warning", "FailedMount", message),
    });
    drivers.onRegistered = (name) => {
      this.tearDown
        .sweep(name)
        .catch((error) => log.warn({ err: error, driver: name }, "staged volumes not looked at"));
    };
  }

  /** See expandVolume. */
  async expand(pod: Pod, request: ExpandRequest, signal: AbortSignal): Promise<void> {
    const { nodeName, client, events } = this.deps;
    const { drivers, paths, secrets, locks } = this;
    const tell: PodEvents["pod"] = (...what) => events.pod(...what);
    await expandVolume(pod, request, { nodeName, client, drivers, paths, secrets, locks, tell }, signal);
  }

  private async countPeriodMs(driver: string, signal: AbortSignal): Promise<number | undefined> {
    const spec = await readDriverSpec(driver, this.deps.client, signal);
    const seconds = spec?.nodeAllocatableUpdatePeriodSeconds;
    return seconds && seconds * 1000;
  }

  /** Takes over what an earlier kubelet left: it stays in use until it is known to be gone. */
  async adopt(): Promise<void> {
    const { inUse, paths } = this.deps;
    for (const uid of await readdir(paths.pods).catch(() => [])) {
      for (const volume of await storedVolumes(this.paths, uid)) {
        if (volume.isPersistent) inUse.hold(uniqueName(volume), uid);
      }
    }
    for (const volume of await stagedVolumes(this.paths)) {
      if ((await this.tearDown.users(volume)).length === 0) inUse.hold(uniqueName(volume), UNSTAGING);
    }
  }
}
