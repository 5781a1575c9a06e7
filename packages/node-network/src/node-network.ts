// The loop: watches the nodes, connects this one's pods to theirs, and tells containerd how to connect a pod.
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Node } from "@skiff/api/types.ts";
import type { Informer } from "@skiff/client/informer.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { cniConfig } from "./cni-config.ts";
import type { NodeNetworkConfig } from "./config.ts";
import { applyRoutes, applyTunnels, linkMtu, prepareForwarding, vxlanMtu } from "./kernel-network.ts";
import { internalAddress, peersOf, planRoutes, planVxlan } from "./plan-network.ts";

const RESYNC_MS = 30_000;
/** Soon, since no pod can start before the first sync has worked. */
const RETRY_MS = 1000;

/**
 * Level-driven: every sync plans from all nodes and makes the kernel match, whatever happened in between. The network stays as it
 * is when the program goes, so pods do not notice a restart.
 */
export class NodeNetwork {
  private readonly config: NodeNetworkConfig;
  private readonly nodes: Informer<Node>;
  private readonly deps: { readonly clock: Clock; readonly log: Logger };
  private changed: () => void = () => {};
  private hasChange = false;
  /** Why the last sync did not work; undefined when it did. */
  private failure: unknown = new Error("no sync yet");

  constructor(config: NodeNetworkConfig, nodes: Informer<Node>, deps: { clock: Clock; log: Logger }) {
    this.config = config;
    this.nodes = nodes;
    this.deps = deps;
  }

  /** Throws why the last sync did not work. */
  checkHealth(): void {
    if (this.failure) throw this.failure;
  }

  /** Syncs at every change of a node, and every 30 s in case somebody else removed a route. */
  async run(signal: AbortSignal): Promise<void> {
    const note = () => {
      this.hasChange = true;
      this.changed();
    };
    using _handler = this.nodes.addHandler({
      onAdd: note,
      onUpdate: (node, old) => isRelevant(node, old) && note(),
      onDelete: note,
    });
    await this.nodes.synced(signal);
    while (!signal.aborted) {
      // Before the nodes are read: a change during the sync asks for another.
      this.hasChange = false;
      await this.syncOnce(signal);
      await this.wait(this.failure ? RETRY_MS : RESYNC_MS, signal);
    }
  }

  private async syncOnce(signal: AbortSignal): Promise<void> {
    try {
      await this.sync(signal);
      this.failure = undefined;
    } catch (error) {
      if (signal.aborted) throw error;
      this.failure = error;
      this.deps.log.warn({ err: error, retryMs: RETRY_MS }, "network sync failed");
    }
  }

  private async sync(signal: AbortSignal): Promise<void> {
    if (!this.config.cniConfDir) return this.syncRoutesOnly(signal);
    const own = this.ownNode();
    const mtu = await this.podMtu(own.address, signal);
    await prepareForwarding(this.config.clusterCidr, signal);
    const peers = peersOf(this.nodes.lister.list(), this.config.nodeName);
    const plan = this.config.mode === "vxlan" ? planVxlan(peers) : planRoutes(peers);
    if (this.config.mode === "vxlan") await applyTunnels(plan, own, mtu, signal);
    await applyRoutes(plan, signal);
    // Last: once the file is there, containerd calls the network ready and pods are started.
    await this.writeCniConfig(own.podCidr, mtu);
  }

  /** A machine without pods, such as the control plane's, only has to find those of the nodes. */
  private async syncRoutesOnly(signal: AbortSignal): Promise<void> {
    await applyRoutes(planRoutes(peersOf(this.nodes.lister.list(), this.config.nodeName)), signal);
  }

  private ownNode(): { address: string; podCidr: string } {
    const node = this.nodes.lister.get("", this.config.nodeName);
    if (!node) throw new Error(`node ${this.config.nodeName} is not registered yet`);
    const address = internalAddress(node);
    const podCidr = node.spec.podCIDR;
    if (!address) throw new Error(`node ${this.config.nodeName} has no InternalIP yet`);
    if (!podCidr)
      throw new Error(`node ${this.config.nodeName} has no pod CIDR yet; kube-controller-manager gives it one`);
    return { address, podCidr };
  }

  private async podMtu(address: string, signal: AbortSignal): Promise<number> {
    if (this.config.mtu > 0) return this.config.mtu;
    const mtu = await linkMtu(address, signal);
    return this.config.mode === "vxlan" ? vxlanMtu(mtu) : mtu;
  }

  private async writeCniConfig(podCidr: string, mtu: number): Promise<void> {
    const { cniConfDir, cniDataDir } = this.config;
    const path = join(cniConfDir, "10-skiff.conflist");
    const wanted = cniConfig({ podCidr, dataDir: cniDataDir, mtu });
    const current = await readFile(path, "utf8").catch(() => undefined);
    if (current === wanted) return;
    await mkdir(cniConfDir, { recursive: true });
    // Renamed into place, so that containerd never reads half a file.
    await writeFile(`${path}.new`, wanted);
    await rename(`${path}.new`, path);
    this.deps.log.info({ podCidr, mtu, path }, "wrote CNI configuration");
  }

  private async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (this.hasChange) return;
    const waiting = new AbortController();
    const timer = this.deps.clock
      .sleep(ms, AbortSignal.any([signal, waiting.signal]))
      .catch(() => signal.throwIfAborted());
    const change = new Promise<void>((resolve) => {
      this.changed = resolve;
    });
    await Promise.race([timer, change]);
    waiting.abort();
  }
}

/** A node's heartbeat changes its status every few seconds; only these parts concern the network. */
function isRelevant(node: Readonly<Node>, old: Readonly<Node>): boolean {
  return node.spec.podCIDR !== old.spec.podCIDR || internalAddress(node) !== internalAddress(old);
}
