// A CSI driver for tests: volumes are folders or loop devices of this machine, staged and published by bind mounts.
import { existsSync } from "node:fs";
import { mkdir, readdir, rm, rmdir, truncate, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { commandOutput, runCommand } from "@skiff/component-base/command.ts";
import { Refusal, serveGrpc } from "./grpc-server.ts";
import { RegistrarServer } from "./registrar-server.ts";

export interface CsiDriverOptions {
  readonly name: string;
  /** The kubelet's --root-dir, below which the driver's sockets lie. */
  readonly kubeletRoot: string;
  /** Where the volumes' contents are kept. */
  readonly storage: string;
  readonly nodeId: string;
  readonly topology?: Readonly<Record<string, string>>;
  readonly maxVolumes?: number;
  /** All of them unless told otherwise. */
  readonly capabilities?: readonly string[];
}

interface Capability {
  readonly mount: { readonly fsType: string; readonly mountFlags: string[]; readonly volumeMountGroup: string } | null;
  readonly block: object | null;
  readonly accessMode: { readonly mode: string };
}

/** Fields of every request that this driver looks at. */
export interface VolumeRequest {
  readonly volumeId: string;
  readonly stagingTargetPath: string;
  readonly targetPath: string;
  readonly volumePath: string;
  readonly readonly: boolean;
  readonly publishContext: Readonly<Record<string, string>>;
  readonly volumeContext: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
  readonly volumeCapability: Capability;
  readonly capacityRange: { readonly requiredBytes: string } | null;
}

const ALL = ["STAGE_UNSTAGE_VOLUME", "GET_VOLUME_STATS", "EXPAND_VOLUME", "SINGLE_NODE_MULTI_WRITER"] as const;
const DEVICE_BYTES = 4 * 1024 * 1024;

export class CsiDriver implements AsyncDisposable {
  /** Every call so far. */
  readonly calls: { readonly method: string; readonly request: VolumeRequest }[] = [];
  private readonly options: CsiDriverOptions;
  private readonly refusals = new Map<string, Refusal[]>();
  private readonly held = new Map<string, Promise<void>>();
  private readonly stack = new AsyncDisposableStack();
  private registration: RegistrarServer | undefined;
  /** How many volumes the node takes; 0 for any number. */
  maxVolumes: number;

  private constructor(options: CsiDriverOptions) {
    this.options = options;
    this.maxVolumes = options.maxVolumes ?? 0;
  }

  /** Serves, but does not register. */
  static async start(options: CsiDriverOptions): Promise<CsiDriver> {
    const driver = new CsiDriver(options);
    await mkdir(options.storage, { recursive: true });
    driver.stack.use(await serveGrpc(driver.endpoint, "csi/csi-v1.proto", "csi.v1.Node", driver.methods()));
    return driver;
  }

  get endpoint(): string {
    return join(this.options.kubeletRoot, "plugins", this.options.name, "csi.sock");
  }

  /** As node-driver-registrar does it; resolves once the kubelet has answered. */
  async register(): Promise<void> {
    const { kubeletRoot, name } = this.options;
    const socket = join(kubeletRoot, "plugins_registry", `${name}-reg.sock`);
    const info = { type: "CSIPlugin", name, endpoint: this.endpoint, supportedVersions: ["1.0.0"] };
    this.registration = await RegistrarServer.start(socket, info);
    const { pluginRegistered, error } = await this.registration.outcome();
    if (!pluginRegistered) throw new Error(error);
  }

  async unregister(): Promise<void> {
    await this.registration?.[Symbol.asyncDispose]();
    const { kubeletRoot, name } = this.options;
    await rm(join(kubeletRoot, "plugins_registry", `${name}-reg.sock`), { force: true });
  }

  /** The next call of `method` fails so. */
  refuse(method: string, refusal: Refusal): void {
    this.refusals.set(method, [...(this.refusals.get(method) ?? []), refusal]);
  }

  /** Calls of `method` hang until what is returned is called. */
  hold(method: string): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.held.set(method, promise);
    return () => {
      this.held.delete(method);
      resolve();
    };
  }

  /** Requests of one method. */
  requests(method: string, volumeId?: string): VolumeRequest[] {
    const calls = this.calls.filter((call) => call.method === method);
    return calls.map(({ request }) => request).filter((request) => !volumeId || request.volumeId === volumeId);
  }

  /** Where a volume's files are kept. */
  folder(volumeId: string): string {
    return join(this.options.storage, volumeId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.unregister();
    await this.stack.disposeAsync();
    for (const name of await readdir(this.options.storage)) {
      if (name.endsWith(".img")) await this.detach(join(this.options.storage, name));
    }
  }

  private methods() {
    const { nodeId, topology, capabilities = ALL } = this.options;
    const heard = (method: string, work: (request: VolumeRequest) => Promise<object>) => {
      return async (request: VolumeRequest) => {
        this.calls.push({ method, request });
        await this.held.get(method);
        const refusal = this.refusals.get(method)?.shift();
        if (refusal) throw refusal;
        return work(request);
      };
    };
    return {
      NodeGetInfo: () => ({
        nodeId,
        maxVolumesPerNode: this.maxVolumes,
        ...(topology ? { accessibleTopology: { segments: topology } } : {}),
      }),
      NodeGetCapabilities: () => ({ capabilities: capabilities.map((type) => ({ rpc: { type } })) }),
      NodeStageVolume: heard("NodeStageVolume", (request) => this.stage(request)),
      NodeUnstageVolume: heard("NodeUnstageVolume", (request) => this.unstage(request)),
      NodePublishVolume: heard("NodePublishVolume", (request) => this.publish(request)),
      NodeUnpublishVolume: heard("NodeUnpublishVolume", (request) => this.unpublish(request)),
      NodeExpandVolume: heard("NodeExpandVolume", async ({ capacityRange }) => ({
        capacityBytes: capacityRange?.requiredBytes ?? "0",
      })),
      NodeGetVolumeStats: heard("NodeGetVolumeStats", (request) => this.stats(request)),
    };
  }

  private async stage({ volumeId, stagingTargetPath, volumeCapability }: VolumeRequest): Promise<object> {
    if (volumeCapability.block) {
      await this.device(volumeId);
      return {};
    }
    await mkdir(this.folder(volumeId), { recursive: true });
    if (!(await isMountPoint(stagingTargetPath))) await bind(this.folder(volumeId), stagingTargetPath);
    return {};
  }

  private async unstage({ volumeId, stagingTargetPath }: VolumeRequest): Promise<object> {
    if (await isMountPoint(stagingTargetPath)) await commandOutput("umount", [stagingTargetPath]);
    await this.detach(this.image(volumeId));
    return {};
  }

  private async publish(request: VolumeRequest): Promise<object> {
    const { volumeId, stagingTargetPath, targetPath, readonly, volumeCapability } = request;
    if (volumeCapability.block) {
      const device = await this.device(volumeId);
      if (existsSync(targetPath)) return {};
      await writeFile(targetPath, "");
      await bind(device, targetPath);
      return {};
    }
    if (stagingTargetPath && !(await isMountPoint(stagingTargetPath))) {
      throw new Refusal("FAILED_PRECONDITION", "the volume is not staged");
    }
    const from = stagingTargetPath || this.folder(volumeId);
    await mkdir(from, { recursive: true });
    await mkdir(targetPath, { recursive: true });
    if (await isMountPoint(targetPath)) return {};
    await bind(from, targetPath);
    if (readonly) await commandOutput("mount", ["-o", "remount,bind,ro", targetPath]);
    return {};
  }

  private async unpublish({ targetPath }: VolumeRequest): Promise<object> {
    if (await isMountPoint(targetPath)) await commandOutput("umount", [targetPath]);
    // A folder or, for a device, a file; either may be gone already.
    await rmdir(targetPath).catch(() => unlink(targetPath).catch(() => {}));
    return {};
  }

  private async stats({ volumePath }: VolumeRequest): Promise<object> {
    if (!existsSync(volumePath)) throw new Refusal("NOT_FOUND", `nothing at ${volumePath}`);
    return {
      usage: [
        { unit: "BYTES", total: 1000, used: 400, available: 600 },
        { unit: "INODES", total: 100, used: 40, available: 60 },
      ],
      volumeCondition: { abnormal: false, message: "" },
    };
  }

  private image(volumeId: string): string {
    return join(this.options.storage, `${volumeId}.img`);
  }

  /** The loop device of the volume, made when it is first asked for. */
  private async device(volumeId: string): Promise<string> {
    const image = this.image(volumeId);
    if (!existsSync(image)) {
      await writeFile(image, "");
      await truncate(image, DEVICE_BYTES);
    }
    const [known] = await loopDevices(image);
    return known ?? (await commandOutput("losetup", ["--find", "--show", image])).trim();
  }

  private async detach(image: string): Promise<void> {
    for (const device of await loopDevices(image)) await commandOutput("losetup", ["--detach", device]);
  }
}

/** The loop devices that show a file. */
async function loopDevices(image: string): Promise<string[]> {
  const lines = (await commandOutput("losetup", ["--associated", image])).split("\n").filter(Boolean);
  return lines.map((line) => line.split(":")[0] ?? "");
}

async function bind(from: string, to: string): Promise<void> {
  await commandOutput("mount", ["--bind", from, to]);
}

async function isMountPoint(path: string): Promise<boolean> {
  return (await runCommand("mountpoint", ["-q", path])).code === 0;
}
