// The node's own object: registers it, keeps its status, renews its Lease.
import { isApiError, isNotFound } from "@skiff/api/errors.ts";
import { leases, nodes } from "@skiff/api/resource-ref.ts";
import type { Node, NodeStatus, Taint } from "@skiff/api/types.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import { formatMicroTime, formatTime } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { GIT_VERSION } from "@skiff/component-base/version.ts";
import type { CriClient } from "../cri/cri-client.ts";
import type { RuntimeStatus } from "../cri/types.ts";
import type { ImageManager } from "../images/image-manager.ts";
import type { NodeSize, Reservation } from "./allocatable.ts";
import { nodeAllocatable, nodeCapacity } from "./allocatable.ts";
import type { MachineInfo } from "./machine-info.ts";
import { nodeConditions } from "./node-conditions.ts";
import type { NodeEvents } from "./node-events.ts";
import { DECLARED_FEATURES, runtimeAbilities } from "./runtime-abilities.ts";
import { isSameStatus, statusPatch } from "./status-patch.ts";

/** Settled at the start. `leaseSeconds` is how long a Lease stands for a living node after its last renewal. */
export interface NodeAgentOptions {
  readonly nodeName: string;
  readonly hostname: string;
  readonly nodeIps: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  readonly register: boolean;
  /** What a cloud calls the machine; empty for none. */
  readonly providerId: string;
  readonly size: NodeSize;
  readonly reservation: Reservation;
  readonly port: number;
  readonly statusUpdateMs: number;
  /** An unchanged status is still repeated this often. */
  readonly statusReportMs: number;
  readonly leaseSeconds: number;
  readonly machine: MachineInfo;
}

type Amounts = Readonly<Record<string, string>>;

export interface NodeAgentDeps {
  readonly client: RestClient;
  readonly cri: CriClient;
  readonly images: Pick<ImageManager, "nodeImages">;
  readonly events: Pick<NodeEvents, "started" | "observe">;
  readonly clock: Clock;
  readonly log: Logger;
  /** Why the kubelet itself cannot run pods. */
  problems(): readonly string[];
  /** What device plugins add to the node. */
  extended(): { readonly capacity: Amounts; readonly allocatable: Amounts };
  /** What the node is short of, such as MemoryPressure. */
  pressures(): readonly string[];
  /** What must not be detached; undefined while that is not known. */
  volumesInUse?(): readonly string[] | undefined;
  onNode(node: Readonly<Node>): void;
}

/** Of a lease's duration: upstream renews with three quarters of it to spare. */
const LEASE_RENEW_SHARE = 0.25;
/** Between tries to register, doubling up to upstream's 7 s. */
const RETRY_MS = 500;
const RETRY_MAX_MS = 7000;
/** Where the node lifecycle controller looks for the Leases of nodes. */
const LEASE_NAMESPACE = "kube-node-lease";

/**
 * Two signs of life: the Lease, small and often, and the status, large and only when it has changed. The node
 * lifecycle controller goes by either, and taints a node that shows neither as unreachable.
 */
export class NodeAgent {
  private readonly options: NodeAgentOptions;
  private readonly deps: NodeAgentDeps;
  private node: Node | undefined;
  private reportedAt = Number.NEGATIVE_INFINITY;
  private nudge = Promise.withResolvers<void>();
  private runtimeVersion = "";

  constructor(options: NodeAgentOptions, deps: NodeAgentDeps) {
    this.options = options;
    this.deps = deps;
  }

  /** What pods may use of the node. */
  get allocatable(): Record<string, string> {
    const { size, reservation } = this.options;
    return { ...nodeAllocatable(size, reservation), ...this.deps.extended().allocatable };
  }

  /** Registers first, then runs both loops until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    this.deps.events.started();
    if (this.options.register) await this.insist(() => this.register(signal), signal);
    await Promise.all([this.statusLoop(signal), this.leaseLoop(signal)]);
  }

  /** Reports the status now rather than at the next turn. */
  poke(): void {
    this.nudge.resolve();
  }

  private async insist(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    for (let waitMs = RETRY_MS; ; waitMs = Math.min(waitMs * 2, RETRY_MAX_MS)) {
      try {
        return await work();
      } catch (error) {
        signal.throwIfAborted();
        this.deps.log.warn({ err: error }, "node could not be registered, trying again");
        await this.deps.clock.sleep(waitMs, signal);
      }
    }
  }

  private async register(signal: AbortSignal): Promise<void> {
    const { nodeName, taints, providerId } = this.options;
    const client = this.deps.client.of(nodes);
    const labels = this.labels();
    const status = await this.status(undefined);
    const known = await client.get("", nodeName, { signal }).catch((error) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    if (known) {
      const changed = Object.entries(labels).some(([key, value]) => known.metadata.labels?.[key] !== value);
      this.learn(changed ? await client.patch("", nodeName, "strategic", { metadata: { labels } }, { signal }) : known);
      return;
    }
    const metadata = {
      name: nodeName,
      labels,
      // Tells the attach-detach controller that volumes of this node are its to attach.
      annotations: { "volumes.kubernetes.io/controller-managed-attach-detach": "true" },
    };
    const spec = {
      ...(taints.length > 0 ? { taints: [...taints] } : {}),
      ...(providerId ? { providerID: providerId } : {}),
    };
    this.learn(await client.create("", { metadata, spec, status }, { signal }));
    this.deps.log.info({ node: nodeName }, "registered node");
  }

  private labels(): Record<string, string> {
    const { labels, hostname, machine } = this.options;
    const { architecture, operatingSystem } = machine.system;
    return {
      "beta.kubernetes.io/arch": architecture,
      "beta.kubernetes.io/os": operatingSystem,
      "kubernetes.io/arch": architecture,
      "kubernetes.io/os": operatingSystem,
      "kubernetes.io/hostname": hostname,
      ...labels,
    };
  }

  private async statusLoop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.nudge = Promise.withResolvers<void>();
      try {
        await this.report(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.deps.log.warn({ err: error }, "node status could not be reported");
        // A node that somebody deleted comes back.
        if (isNotFound(error) && this.options.register) await this.insist(() => this.register(signal), signal);
      }
      const { clock } = this.deps;
      const stop = new AbortController();
      const wait = clock.sleep(this.waitMs(), AbortSignal.any([signal, stop.signal])).catch(() => {});
      await Promise.race([wait, this.nudge.promise]);
      stop.abort();
    }
  }

  /** A node that is not ready yet looks often, so that it is ready as soon as it can be. */
  private waitMs(): number {
    const isReady = this.node?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True");
    return isReady ? this.options.statusUpdateMs : RETRY_MS;
  }

  private async report(signal: AbortSignal): Promise<void> {
    const client = this.deps.client.of(nodes);
    const { nodeName } = this.options;
    const node = await client.get("", nodeName, { signal });
    this.learn(node);
    const status = await this.status(node);
    const { clock } = this.deps;
    const isDue = clock.monotonic() - this.reportedAt >= this.options.statusReportMs;
    if (!isDue && isSameStatus(node.status ?? {}, status)) return;
    // With the UID: a node that was deleted and made anew meanwhile must not get this status.
    const body = { metadata: { uid: node.metadata.uid }, status: statusPatch(node.status ?? {}, status) };
    this.learn(await client.patch("", nodeName, "strategic", body, { signal, subresource: "status" }));
    this.reportedAt = clock.monotonic();
  }

  private learn(node: Node): void {
    this.node = node;
    this.deps.onNode(node);
  }

  private async status(node: Node | undefined): Promise<NodeStatus> {
    const { machine, nodeIps, hostname, port, size } = this.options;
    const addresses = [
      ...nodeIps.map((address) => ({ type: "InternalIP", address })),
      { type: "Hostname", address: hostname },
    ];
    const now = formatTime(this.deps.clock.now());
    const runtime = await this.runtimeStatus();
    const problems = [...this.deps.problems(), ...runtimeProblems(runtime)];
    const previous = node?.status?.conditions ?? [];
    const conditions = nodeConditions({ pressures: this.deps.pressures(), problems, previous, now });
    this.deps.events.observe(conditions, previous);
    return {
      capacity: { ...nodeCapacity(size), ...this.deps.extended().capacity },
      allocatable: this.allocatable,
      addresses,
      conditions,
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
      nodeInfo: {
        ...machine.system,
        containerRuntimeVersion: await this.containerRuntimeVersion(),
        kubeletVersion: GIT_VERSION,
        kubeProxyVersion: "",
      },
      images: await this.deps.images.nodeImages().catch(() => []),
      ...runtimeAbilities(runtime instanceof Error ? undefined : runtime),
      declaredFeatures: [...DECLARED_FEATURES],
      // The attach-detach controller detaches nothing that stands here, lest a mounted disk be pulled away.
      volumesInUse: [...(this.deps.volumesInUse?.() ?? node?.status?.volumesInUse ?? [])],
    };
  }

  private async containerRuntimeVersion(): Promise<string> {
    try {
      const { runtimeName, runtimeVersion } = await this.deps.cri.version();
      // Debian appends a suffix of its own after a tilde; clients parse a plain version.
      this.runtimeVersion = `${runtimeName}://${runtimeVersion.replace(/^v/, "").split("~")[0]}`;
    } catch {
      // The last answer stands while the runtime is away.
    }
    return this.runtimeVersion;
  }

  private runtimeStatus(): Promise<RuntimeStatus | Error> {
    return this.deps.cri.status().catch((error) => (error instanceof Error ? error : new Error(String(error))));
  }

  private async leaseLoop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // Spread by 4 %, lest all nodes that started together renew together for ever.
      let waitMs = this.leaseRenewMs * (0.96 + Math.random() * 0.08);
      try {
        await this.renewLease(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.deps.log.warn({ err: error }, "node lease could not be renewed, trying again");
        waitMs = RETRY_MS * 2;
      }
      await this.deps.clock.sleep(waitMs, signal).catch(() => {});
    }
  }

  private get leaseRenewMs(): number {
    return this.options.leaseSeconds * 1000 * LEASE_RENEW_SHARE;
  }

  private async renewLease(signal: AbortSignal): Promise<void> {
    const { nodeName } = this.options;
    const client = this.deps.client.of(leases);
    const renewTime = formatMicroTime(this.deps.clock.now());
    const spec = { holderIdentity: nodeName, leaseDurationSeconds: this.options.leaseSeconds, renewTime };
    // An answer that comes later than the next renewal is of no use.
    const limited = { signal, timeoutMs: this.leaseRenewMs };
    try {
      await client.patch(LEASE_NAMESPACE, nodeName, "merge", { spec }, limited);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      const uid = this.node?.metadata.uid;
      // Owned by the node, so that the garbage collector takes the Lease with it.
      const owner = { apiVersion: "v1", kind: "Node", name: nodeName, uid: uid ?? "" };
      const metadata = { name: nodeName, namespace: LEASE_NAMESPACE, ...(uid ? { ownerReferences: [owner] } : {}) };
      await client.create(LEASE_NAMESPACE, { metadata, spec }, limited).catch((failure) => {
        if (!isApiError(failure, "AlreadyExists")) throw failure;
      });
    }
  }
}

/** Upstream's words for the Ready condition. */
function runtimeProblems(runtime: RuntimeStatus | Error): string[] {
  if (runtime instanceof Error) return [`container runtime is down: ${runtime.message}`];
  const problems: string[] = [];
  for (const { type, status: ok, reason, message } of runtime.status?.conditions ?? []) {
    if (ok) continue;
    if (type === "NetworkReady")
      problems.push(`container runtime network not ready: NetworkReady=false reason:${reason} message:${message}`);
    if (type === "RuntimeReady")
      problems.push(`container runtime not ready: RuntimeReady=false reason:${reason} message:${message}`);
  }
  return problems;
}
