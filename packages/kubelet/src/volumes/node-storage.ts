// The node's volumes as one part of the kubelet: the manager, and what it loads once a pod or a driver asks for it.
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Node, Pod } from "@skiff/api/types.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { PodObjects } from "../env/make-env.ts";
import type { PodEvents } from "../events/pod-events.ts";
import type { PluginHandlers } from "../plugin-registration/plugin-handler.ts";
import { watchPlugins } from "../plugin-registration/plugin-watcher.ts";
import type { PodPaths } from "../pod-paths.ts";
import type { Csi } from "./csi/index.ts";
import { VolumesInUse } from "./csi/volumes-in-use.ts";
import type { LocalDevices } from "./local-devices.ts";
import type { PersistentVolumes } from "./persistent-volumes.ts";
import type { PodCertificates } from "./pod-certificates/pod-certificates.ts";
import type { SelinuxHost } from "./selinux/selinux-host.ts";
import type { TokenManager } from "./token-manager.ts";
import type { TrustBundles } from "./trust-bundles.ts";
import { VolumeManager } from "./volume-manager.ts";

/** While there is no CSINode yet. */
const NODE_RETRY_MS = 1000;
/** How soon a Node that was deleted and registered again has its CSINode. */
const NODE_LOOK_MS = 10_000;

export interface NodeStorageDeps {
  readonly nodeName: string;
  readonly client: RestClient;
  readonly paths: PodPaths;
  readonly objects: PodObjects;
  readonly tokens: TokenManager;
  readonly events: PodEvents;
  readonly metrics: MetricsRegistry;
  /** Undefined on a node without SELinux. */
  readonly selinux: SelinuxHost | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends what watches. */
  readonly signal: AbortSignal;
  /** Has pods' volumes written anew. */
  wake(podUids: readonly string[]): void;
  node(): Readonly<Node> | undefined;
  /** Has node.status.volumesInUse reported now. */
  onInUse(): void;
  /** What else than drivers registers in plugins_registry, by type. */
  readonly plugins?: PluginHandlers;
}

/** Drivers, local devices and claims are parts of their own, each loaded with the first pod or plugin that needs it. */
export class NodeStorage {
  readonly volumes: VolumeManager;
  private readonly deps: NodeStorageDeps;
  private readonly inUse = new VolumesInUse();
  private loadedCsi: Promise<Csi> | undefined;
  private loadedLocal: Promise<LocalDevices> | undefined;
  private loadedPersistent: Promise<PersistentVolumes> | undefined;
  private loadedTrust: Promise<TrustBundles> | undefined;
  private loadedCertificates: Promise<PodCertificates> | undefined;

  constructor(deps: NodeStorageDeps) {
    this.deps = deps;
    this.inUse.onChange = () => deps.onInUse();
    const { paths, objects, tokens, clock, selinux } = deps;
    this.volumes = new VolumeManager({
      hasSelinux: selinux !== undefined,
      paths,
      objects,
      tokens,
      clock,
      persistent: () => this.persistent(),
      endCsi: async (uid) => (await this.csi()).tearDown.tearDown(uid),
      endLocal: async (uid) => (await this.localDevices()).release(uid),
      trustBundles: () => this.trustBundles(),
      certificates: () => this.certificates(),
      forget: (uid) => {
        this.loadedPersistent?.then((persistent) => persistent.forget(uid));
        this.loadedTrust?.then((trust) => trust.forget(uid));
        this.loadedCertificates?.then((certificates) => certificates.forget(uid));
      },
    });
  }

  /** Undefined until the disk has been read. */
  volumesInUse(): readonly string[] | undefined {
    return this.inUse.list();
  }

  /** Takes plugins in until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, paths, plugins } = this.deps;
    await this.adopt();
    const handlers: PluginHandlers = { CSIPlugin: async () => (await this.csi()).drivers, ...plugins };
    await Promise.all([watchPlugins(paths.root, { handlers, clock, log }, signal), this.showNode(signal)]);
  }

  /** Schedulers and attachers look for the CSINode, drivers or not; it goes with its Node and must come back with it. */
  private async showNode(signal: AbortSignal): Promise<void> {
    const { nodeName, client, clock, log, node } = this.deps;
    const { CsiNodeObject } = await import("./csi/csi-node-object.ts");
    const object = new CsiNodeObject(nodeName, client);
    let shownFor: string | undefined;
    while (!signal.aborted) {
      const known = node();
      if (known && known.metadata.uid !== shownFor) {
        try {
          await object.ensure(known, signal);
          if (shownFor !== undefined) await (await this.loadedCsi)?.drivers.reinstall(signal);
          shownFor = known.metadata.uid;
        } catch (error) {
          if (!signal.aborted) log.warn({ err: error }, "CSINode could not be shown, trying again");
        }
      }
      const csi = await this.loadedCsi;
      await csi?.drivers.renewCounts(signal).catch((error) => {
        if (!signal.aborted) log.warn({ err: error }, "number of volumes that the node takes could not be renewed");
      });
      await clock.sleep(shownFor ? NODE_LOOK_MS : NODE_RETRY_MS, signal).catch(() => {});
    }
  }

  /** Learns what an earlier kubelet left mounted, so that nobody detaches it. */
  private async adopt(): Promise<void> {
    if (await this.hasCsiOnDisk()) await (await this.csi()).adopt();
    this.inUse.loaded();
    this.deps.onInUse();
  }

  /** Sizes of the pod's volumes behind claims and drivers. */
  async stats(pod: Readonly<Pod>, time: string): Promise<readonly object[]> {
    const persistent = await this.loadedPersistent;
    if (!persistent || persistent.of(pod).size === 0) return [];
    const { claimStats } = await import("./claim-stats.ts");
    return claimStats(pod, persistent.of(pod), { csi: () => this.csi(), log: this.deps.log }, time);
  }

  private csi(): Promise<Csi> {
    const { deps, inUse } = this;
    this.loadedCsi ??= import("./csi/index.ts").then(({ Csi }) => new Csi({ ...deps, inUse }));
    return this.loadedCsi;
  }

  private trustBundles(): Promise<TrustBundles> {
    const { deps } = this;
    this.loadedTrust ??= import("./trust-bundles.ts").then(({ TrustBundles }) => {
      return new TrustBundles({ ...deps, onChange: (uids) => deps.wake(uids) });
    });
    return this.loadedTrust;
  }

  private certificates(): Promise<PodCertificates> {
    const { deps } = this;
    this.loadedCertificates ??= import("./pod-certificates/pod-certificates.ts").then(({ PodCertificates }) => {
      return new PodCertificates({ ...deps, onChange: (uids) => deps.wake(uids) });
    });
    return this.loadedCertificates;
  }

  private localDevices(): Promise<LocalDevices> {
    const { paths } = this.deps;
    this.loadedLocal ??= import("./local-devices.ts").then(({ LocalDevices }) => new LocalDevices(paths));
    return this.loadedLocal;
  }

  private persistent(): Promise<PersistentVolumes> {
    const { client, paths, node } = this.deps;
    this.loadedPersistent ??= import("./persistent-volumes.ts").then(({ PersistentVolumes }) => {
      const localDevices = () => this.localDevices();
      return new PersistentVolumes({ client, paths, node, csi: () => this.csi(), localDevices });
    });
    return this.loadedPersistent;
  }

  /** Asked before anything of CSI is loaded, as most nodes have none. */
  private async hasCsiOnDisk(): Promise<boolean> {
    const { paths } = this.deps;
    const folders = [join(paths.root, "plugins", "kubernetes.io", "csi")];
    for (const uid of await readdir(paths.pods).catch(() => []))
      folders.push(join(paths.volumes(uid), "kubernetes.io~csi"));
    const found = await Promise.all(folders.map((folder) => stat(folder).catch(() => undefined)));
    return found.some((one) => one !== undefined);
  }
}
