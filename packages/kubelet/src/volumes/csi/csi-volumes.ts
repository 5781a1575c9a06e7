// Brings CSI volumes to pods: waits for the attachment, has the driver stage and publish, gives files to the pod's group.
import { mkdir, rm, rmdir, symlink } from "node:fs/promises";
import { dirname } from "node:path";
import type { CSIDriverSpec, Node, Pod } from "@skiff/api/types.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { RpcError } from "../../plugin-registration/plugin-client.ts";
import { untilAborted } from "../../until-aborted.ts";
import { isMounted } from "../mounts.ts";
import { takeOwnership } from "../ownership.ts";
import type { VolumeLabels } from "../selinux/volume-labels.ts";
import type { VolumeStep } from "../volume-error.ts";
import { notAttached, stepFailed, VolumeError } from "../volume-error.ts";
import type { VolumeLocks } from "../volume-locks.ts";
import { waitForAttachment } from "./attachment.ts";
import type { CsiClient, Strings } from "./csi-client.ts";
import type { CsiDrivers } from "./csi-drivers.ts";
import type { CsiPaths, CsiPlace } from "./csi-paths.ts";
import { appliesFsGroup, checkLifecycle, podInfo, TOKENS_KEY, volumeCapability } from "./csi-requests.ts";
import type { CsiSecrets } from "./csi-secrets.ts";
import type { CsiVolume } from "./csi-source.ts";
import { uniqueName } from "./csi-source.ts";
import type { CsiTearDown } from "./csi-tear-down.ts";
import { lockDevice } from "./device-lock.ts";
import { readDriverSpec } from "./driver-spec.ts";
import { attachmentName, readVolumeData, removeVolumeData, volumeDataOf, writeVolumeData } from "./volume-data.ts";
import type { VolumesInUse } from "./volumes-in-use.ts";

export interface CsiVolumesDeps {
  readonly nodeName: string;
  readonly client: Pick<RestClient, "of">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly paths: CsiPaths;
  readonly drivers: Pick<CsiDrivers, "client">;
  readonly locks: VolumeLocks;
  readonly inUse: VolumesInUse;
  readonly users: Pick<CsiTearDown, "users" | "labels">;
  readonly labels: Pick<VolumeLabels, "isOn" | "labelFor" | "admit">;
  readonly secrets: CsiSecrets;
  node(): Readonly<Node> | undefined;
  /** Tells the pod's owner of what could not be renewed. */
  warn(pod: Pod, message: string): void;
}

/** Everything about one volume for one pod that does not change while it is being set up. */
interface Request {
  readonly pod: Pod;
  /** Its name in the pod. */
  readonly name: string;
  readonly volume: CsiVolume;
  readonly place: CsiPlace;
  readonly spec: CSIDriverSpec | undefined;
  readonly publishContext: Strings;
  /** The SELinux label of the mount; "" for an ordinary one. */
  readonly label: string;
  readonly signal: AbortSignal;
}

interface Published {
  readonly label: string;
  readonly requiresRepublish: boolean;
  readonly publishContext: Strings;
  /** Monotonic. */
  at: number;
}

/** A driver that wants to be asked again is asked with the pod's passes, but not with each of a flurry. */
const REPUBLISH_MS = 10_000;

/**
 * One volume's way: attached by the controller, staged once on the node, published for each pod. Each step may be
 * repeated, so a failed one is simply tried again with the pod's next pass.
 */
export class CsiVolumes {
  private readonly deps: CsiVolumesDeps;
  /** By target path. */
  private readonly published = new Map<string, Published>();
  /** By staging path: what this kubelet has had staged. */
  private readonly staged = new Set<string>();

  constructor(deps: CsiVolumesDeps) {
    this.deps = deps;
  }

  /** The path of the folder, or of the device, for the pod's containers. Safe to repeat. */
  async setUp(pod: Pod, name: string, volume: CsiVolume, signal: AbortSignal): Promise<string> {
    const place = this.deps.paths.place(pod.metadata.uid ?? "", volume);
    const known = this.published.get(place.target);
    if (known) {
      await this.renew(known, { pod, name, volume, place, signal });
      return place.target;
    }
    const step = volume.isBlock ? "MapVolume.SetUpDevice" : "MountVolume.SetUp";
    try {
      const spec = await readDriverSpec(volume.driver, this.deps.client, signal);
      checkLifecycle(volume, spec);
      const publishContext = await this.attached(pod, name, volume, spec, signal);
      const label = this.deps.labels.labelFor(pod, name, volume, spec);
      const request = { pod, name, volume, place, spec, publishContext, label, signal };
      const work = this.deps.locks.run(uniqueName(volume), () => this.mount(request));
      // The driver works on, and what ends the volume waits for it; but the pod's end need not wait.
      await untilAborted(work, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw stepFailed(step, volume.specName, error);
    }
    return place.target;
  }

  /** The volume is gone from the pod, so that a later one begins anew. */
  forgetTarget(target: string): void {
    this.published.delete(target);
  }

  forgetStaged(staging: string): void {
    this.staged.delete(staging);
  }

  private async attached(
    pod: Pod,
    name: string,
    volume: CsiVolume,
    spec: CSIDriverSpec | undefined,
    signal: AbortSignal,
  ): Promise<Strings> {
    // Without a CSIDriver object nobody said that the driver needs no attaching.
    if (volume.lifecycle === "Ephemeral" || spec?.attachRequired === false) return {};
    const { inUse, nodeName } = this.deps;
    if (!(await inUse.add(uniqueName(volume), pod.metadata.uid ?? "", this.deps, signal))) throw notAttached(name);
    try {
      const metadata = await waitForAttachment(attachmentName(volume, nodeName), this.deps, signal);
      if (metadata) return metadata;
    } catch (error) {
      signal.throwIfAborted();
      throw stepFailed(
        volume.isBlock ? "MapVolume.WaitForAttach" : "MountVolume.WaitForAttach",
        volume.specName,
        error,
      );
    }
    throw notAttached(name);
  }

  private async mount(wanted: Request): Promise<void> {
    const { pod, volume, place, spec, publishContext, signal } = wanted;
    // It may have waited behind another pod's call, and its own pod may be gone by now.
    signal.throwIfAborted();
    const request = { ...wanted, label: await this.admittedLabel(wanted) };
    await this.refuseSecondWriter(pod, volume);
    const client = this.clientFor(volume);
    await this.mark(request);
    try {
      await this.stage(client, request);
      await this.publish(client, request);
      if (volume.isBlock) await this.lock(request);
    } catch (error) {
      await this.undo(request, error);
      throw error;
    }
    if (await this.chownsFiles(client, request)) {
      await takeOwnership(place.target, pod.spec?.securityContext).catch((error) => {
        throw new Error(`applyFSGroup failed for vol ${volume.handle}: ${error.message}`, { cause: error });
      });
    }
    this.published.set(place.target, {
      label: request.label,
      requiresRepublish: spec?.requiresRepublish ?? false,
      publishContext,
      at: this.deps.clock.monotonic(),
    });
  }

  /** What is mounted for the pod already keeps its label, whatever the node makes of the pod's options by now. */
  private async admittedLabel({ pod, name, volume, place, label }: Request): Promise<string> {
    const { users, labels: judge } = this.deps;
    if (!judge.isOn) return label;
    const labels = await users.labels(volume);
    const own = labels.get(pod.metadata.uid ?? "");
    if (own !== undefined && (await isMounted(place.target))) return own;
    const others = [...labels].flatMap(([uid, other]) => (uid === pod.metadata.uid ? [] : [other]));
    const staged = volume.lifecycle === "Persistent" ? await readVolumeData(place.stagingData) : undefined;
    const stagedLabel = staged && (staged.seLinuxMountContext ?? "");
    judge.admit(name, volume, label, { labels: others, staged: stagedLabel });
    return label;
  }

  /** The scheduler keeps to it too, but two pods may have been bound at once or by hand. */
  private async refuseSecondWriter(pod: Pod, volume: CsiVolume): Promise<void> {
    if (!volume.accessModes.includes("ReadWriteOncePod")) return;
    const users = await this.deps.users.users(volume);
    if (users.every((uid) => uid === pod.metadata.uid)) return;
    throw new Error("volume uses the ReadWriteOncePod access mode and is already in use by another pod");
  }

  private clientFor(volume: CsiVolume): CsiClient {
    try {
      return this.deps.drivers.client(volume.driver);
    } catch (error) {
      const { message } = error as Error;
      if (volume.lifecycle === "Persistent" && !volume.isBlock) {
        const why = `kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: ${message}`;
        throw stepFailed("MountVolume.MountDevice", volume.specName, why);
      }
      throw new Error(`kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: ${message}`, { cause: error });
    }
  }

  /** Before anything is mounted, so that a kubelet that ends now leaves a trace of it. */
  private async mark({ volume, place, label }: Request): Promise<void> {
    await writeVolumeData(place.targetData, volumeDataOf(volume, this.deps.nodeName, label));
    await mkdir(dirname(place.target), { recursive: true, mode: 0o750 });
    if (!volume.isBlock) return;
    await mkdir(dirname(place.mark), { recursive: true, mode: 0o750 });
    await rm(place.mark, { force: true });
    await symlink(place.target, place.mark);
  }

  private async stage(client: CsiClient, request: Request): Promise<void> {
    const { volume, place, publishContext, label, signal } = request;
    if (volume.lifecycle !== "Persistent" || this.staged.has(place.staging)) return;
    try {
      if (!(await client.can("STAGE_UNSTAGE_VOLUME"))) return;
      const secrets = await this.deps.secrets.read("NodeStageSecretRef", volume.stageSecret, signal);
      await writeVolumeData(place.stagingData, volumeDataOf(volume, this.deps.nodeName, label));
      await mkdir(place.staging, { recursive: true, mode: 0o750 });
      await client.stage({
        volumeId: volume.handle,
        publishContext,
        stagingTargetPath: place.staging,
        volumeCapability: await this.capability(client, request),
        secrets,
        volumeContext: volume.attributes,
      });
      this.staged.add(place.staging);
    } catch (error) {
      await this.undoStage(request, error);
      const step: VolumeStep = volume.isBlock ? "MapVolume.SetUpDevice" : "MountVolume.MountDevice";
      throw stepFailed(step, volume.specName, error);
    }
  }

  private async publish(client: CsiClient, request: Omit<Request, "name">): Promise<void> {
    const { pod, volume, place, spec, publishContext, signal } = request;
    const { secrets: reader } = this.deps;
    const secrets = await reader.read("NodePublishSecretRef", volume.publishSecret, signal);
    const tokens = await reader.tokens(pod, spec, signal);
    const tokenEntry = tokens === undefined ? {} : { [TOKENS_KEY]: tokens };
    // Drivers may log volume contexts; CSI asks them to keep secrets out of their logs.
    const hidden = spec?.serviceAccountTokenInSecrets ?? false;
    await client.publish({
      volumeId: volume.handle,
      publishContext,
      stagingTargetPath: this.staged.has(place.staging) ? place.staging : "",
      targetPath: place.target,
      volumeCapability: await this.capability(client, request),
      readonly: volume.readOnly,
      secrets: { ...secrets, ...(hidden ? tokenEntry : {}) },
      volumeContext: { ...volume.attributes, ...podInfo(pod, volume, spec), ...(hidden ? {} : tokenEntry) },
    });
  }

  /** Unlike upstream a node without loop devices goes without: its volumes are as good as they were. */
  private async lock({ volume, place }: Request): Promise<void> {
    await lockDevice(place.target).catch((error) => {
      this.deps.log.warn({ err: error, volume: uniqueName(volume) }, "the volume's device could not be locked");
    });
  }

  private async capability(client: CsiClient, { pod, volume, label }: Pick<Request, "pod" | "volume" | "label">) {
    const byDriver = await client.can("VOLUME_MOUNT_GROUP");
    return volumeCapability(volume, {
      label,
      singleNodeMultiWriter: await client.can("SINGLE_NODE_MULTI_WRITER"),
      mountGroup: byDriver ? pod.spec?.securityContext?.fsGroup : undefined,
    });
  }

  private async chownsFiles(client: CsiClient, { pod, volume, spec }: Request): Promise<boolean> {
    if (!appliesFsGroup(volume, pod.spec?.securityContext?.fsGroup, spec?.fsGroupPolicy)) return false;
    return !(await client.can("VOLUME_MOUNT_GROUP"));
  }

  /** What was refused for good leaves nothing to unpublish; of anything else the driver may hold a part. */
  private async undo({ volume, place }: Request, error: unknown): Promise<void> {
    if (!isRefusal(error) || (await isMounted(place.target))) return;
    if (volume.isBlock) {
      await rm(place.mark, { force: true });
      return;
    }
    await rmdir(place.target).catch(() => {
      // The driver makes it, or not.
    });
    await removeVolumeData(place.targetData);
    await rmdir(place.targetData).catch(() => {
      // Something else lies there: the pod's end looks after it.
    });
  }

  private async undoStage({ pod, volume, place }: Request, error: unknown): Promise<void> {
    if (!isRefusal(error) || volume.isBlock || (await isMounted(place.staging))) return;
    const users = await this.deps.users.users(volume);
    if (users.some((uid) => uid !== pod.metadata.uid)) return;
    await removeVolumeData(place.stagingData);
    for (const dir of [place.staging, place.stagingData]) {
      await rmdir(dir).catch(() => {
        // What the driver left there, it may come back to.
      });
    }
  }

  private async renew(known: Published, request: Omit<Request, "spec" | "publishContext" | "label">): Promise<void> {
    const { clock, locks } = this.deps;
    if (!known.requiresRepublish || clock.monotonic() - known.at < REPUBLISH_MS) return;
    const { pod, volume, signal } = request;
    known.at = clock.monotonic();
    try {
      const client = this.deps.drivers.client(volume.driver);
      const spec = await readDriverSpec(volume.driver, this.deps.client, signal);
      const { publishContext, label } = known;
      const again = { ...request, spec, publishContext, label };
      const work = locks.run(uniqueName(volume), () => this.publish(client, again));
      await untilAborted(work, signal);
    } catch (error) {
      signal.throwIfAborted();
      // What is mounted serves on.
      this.deps.warn(pod, stepFailed("MountVolume.SetUp", volume.specName, error).message);
    }
  }
}

/** Whether the driver said no for good, itself or as the cause. */
function isRefusal(error: unknown): boolean {
  const cause = error instanceof VolumeError ? error.cause : error;
  return cause instanceof RpcError && cause.isFinal;
}
