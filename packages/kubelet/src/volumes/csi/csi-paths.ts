// Where CSI volumes lie on the node, laid out as upstream's so that drivers and either kubelet find them.
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { PodPaths } from "../../pod-paths.ts";
import type { CsiVolume } from "./csi-source.ts";

const CSI_PLUGIN = "kubernetes.io~csi";

/** One volume as one pod has it. */
export interface CsiPlace {
  /** Handed to NodeStageVolume; shared by the pods of the node. */
  readonly staging: string;
  /** Holds vol_data.json of the staged volume. */
  readonly stagingData: string;
  /** Handed to NodePublishVolume, whose driver makes it. */
  readonly target: string;
  /** Holds vol_data.json of the published volume. */
  readonly targetData: string;
  /** What says that the pod uses the volume: its folder, or for a device a link to the target. */
  readonly mark: string;
}

/** Pure but for joining: nothing here looks at the disk. */
export class CsiPaths {
  private readonly paths: PodPaths;

  constructor(paths: PodPaths) {
    this.paths = paths;
  }

  get pods(): string {
    return this.paths.pods;
  }

  /** Folders of drivers, in each a folder for every staged volume. */
  get root(): string {
    return join(this.paths.root, "plugins", "kubernetes.io", "csi");
  }

  get devices(): string {
    return join(this.root, "volumeDevices");
  }

  podVolumes(uid: string): string {
    return join(this.paths.volumes(uid), CSI_PLUGIN);
  }

  podDevices(uid: string): string {
    return join(this.paths.pod(uid), "volumeDevices", CSI_PLUGIN);
  }

  /**
   * A folder's staging path has the handle's digest in it, as handles may hold anything. A device's is by the
   * volume's name.
   */
  place(uid: string, volume: Pick<CsiVolume, "specName" | "driver" | "handle" | "isBlock">): CsiPlace {
    const name = escapeName(volume.specName);
    if (volume.isBlock) {
      const data = join(this.devices, name, "data");
      return {
        staging: join(this.devices, "staging", name),
        stagingData: data,
        target: join(this.devices, "publish", name, uid),
        targetData: data,
        mark: join(this.podDevices(uid), name),
      };
    }
    const dir = join(this.podVolumes(uid), name);
    const stagingData = join(this.root, volume.driver, createHash("sha256").update(volume.handle).digest("hex"));
    return {
      staging: join(stagingData, "globalmount"),
      stagingData,
      target: join(dir, "mount"),
      targetData: dir,
      mark: dir,
    };
  }
}

function escapeName(name: string): string {
  return name.replaceAll("/", "~");
}
