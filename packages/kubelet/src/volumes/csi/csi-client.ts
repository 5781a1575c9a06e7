// The node service of one CSI driver, typed; what the driver can do is asked once.
import type { Clock } from "@skiff/component-base/clock.ts";
import { serviceMethods } from "../../grpc/service-methods.ts";
import { PluginClient } from "../../plugin-registration/plugin-client.ts";
import descriptor from "./csi-v1.json" with { type: "json" };

/** Upstream's limit for one call. */
const CALL_TIMEOUT_MS = 2 * 60_000;

/** Optional abilities of a driver, by CSI's names. */
export type NodeCapability =
  | "STAGE_UNSTAGE_VOLUME"
  | "GET_VOLUME_STATS"
  | "EXPAND_VOLUME"
  | "VOLUME_CONDITION"
  | "SINGLE_NODE_MULTI_WRITER"
  | "VOLUME_MOUNT_GROUP";

/** Contexts, topologies and secrets are all such maps in CSI. */
export type Strings = Readonly<Record<string, string>>;

/** What the driver calls this machine, how many volumes it takes (0 for no limit) and where it stands. */
export interface NodeInfo {
  readonly nodeId: string;
  /** A 64-bit number as text. */
  readonly maxVolumesPerNode: string;
  readonly accessibleTopology: { readonly segments: Strings } | null;
}

/** How the volume will be used: as a device or as a file system, and by how many. */
export interface VolumeCapability {
  readonly block?: object;
  readonly mount?: {
    readonly fsType: string;
    readonly mountFlags: readonly string[];
    readonly volumeMountGroup?: string;
  };
  readonly accessMode: { readonly mode: string };
}

/**
 * Prepares the volume once for the node. `publishContext` is what the attacher said, `volumeContext` what the
 * PersistentVolume says.
 */
export interface StageRequest {
  readonly volumeId: string;
  readonly publishContext: Strings;
  readonly stagingTargetPath: string;
  readonly volumeCapability: VolumeCapability;
  readonly secrets: Strings;
  readonly volumeContext: Strings;
}

/** `stagingTargetPath` is empty where nothing was staged. */
export interface PublishRequest extends StageRequest {
  readonly targetPath: string;
  readonly readonly: boolean;
}

/** Grows the file system on a volume that the controller has grown already. */
export interface ExpandRequest {
  readonly volumeId: string;
  readonly volumePath: string;
  readonly stagingTargetPath: string;
  readonly capacityRange: { readonly requiredBytes: string };
  readonly volumeCapability: VolumeCapability;
  readonly secrets: Strings;
}

/** 64-bit numbers as text. */
export interface VolumeUsage {
  readonly unit: "UNKNOWN" | "BYTES" | "INODES";
  readonly available: string;
  readonly total: string;
  readonly used: string;
}

/** `volumeCondition` is null from a driver that does not judge health. */
export interface DriverVolumeStats {
  readonly usage: readonly VolumeUsage[];
  readonly volumeCondition: { readonly abnormal: boolean; readonly message: string } | null;
}

/** All calls reject with an RpcError. By CSI's rules each may be repeated until it succeeds. */
export class CsiClient implements Disposable {
  private readonly client: PluginClient;
  private capabilities: Promise<ReadonlySet<NodeCapability>> | undefined;

  constructor(endpoint: string, deps: { clock: Clock }) {
    this.client = new PluginClient(endpoint, serviceMethods(descriptor, ["csi.v1.Node"]), deps);
  }

  nodeInfo(signal: AbortSignal): Promise<NodeInfo> {
    return this.call("NodeGetInfo", {}, signal);
  }

  /** Asked once for each connection; a failed question is put again. */
  async can(capability: NodeCapability): Promise<boolean> {
    this.capabilities ??= this.askCapabilities().catch((error) => {
      this.capabilities = undefined;
      throw error;
    });
    return (await this.capabilities).has(capability);
  }

  async stage(request: StageRequest): Promise<void> {
    await this.call("NodeStageVolume", request);
  }

  async unstage(volumeId: string, stagingTargetPath: string): Promise<void> {
    await this.call("NodeUnstageVolume", { volumeId, stagingTargetPath });
  }

  async publish(request: PublishRequest): Promise<void> {
    await this.call("NodePublishVolume", request);
  }

  async unpublish(volumeId: string, targetPath: string): Promise<void> {
    await this.call("NodeUnpublishVolume", { volumeId, targetPath });
  }

  async expand(request: ExpandRequest): Promise<void> {
    await this.call("NodeExpandVolume", request);
  }

  stats(volumeId: string, volumePath: string, stagingTargetPath: string): Promise<DriverVolumeStats> {
    return this.call("NodeGetVolumeStats", { volumeId, volumePath, stagingTargetPath });
  }

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
  }

  /** What the driver does not list is never called. */
  private async askCapabilities(): Promise<ReadonlySet<NodeCapability>> {
    const answer = await this.call<{ capabilities: { rpc: { type: NodeCapability } | null }[] }>(
      "NodeGetCapabilities",
      {},
    );
    return new Set(answer.capabilities.flatMap(({ rpc }) => (rpc ? [rpc.type] : [])));
  }

  /** Calls about volumes are not called off with a pod's pass: a driver that works on one must be heard to its end. */
  private call<T>(name: string, request: object, signal?: AbortSignal): Promise<T> {
    return this.client.call<T>(name, request, { timeoutMs: CALL_TIMEOUT_MS, signal });
  }
}
