// What the HTTPS API is given: its options, and the narrow views of the kubelet that it serves from.
import type { SecureVersion } from "node:tls";
import type { Pod } from "@skiff/api/types.ts";
import type { DelegatedAuth } from "@skiff/client/delegated-auth.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { HealthCheck } from "@skiff/component-base/health-checks.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { CgroupFs } from "../cgroups/cgroup-fs.ts";
import type { PodCgroups } from "../cgroups/pod-cgroups.ts";
import type { CriClient } from "../cri/cri-client.ts";
import type { RuntimeReader } from "../runtime/runtime-reader.ts";

/** From the configuration. Port 0 takes any free one, which tests do. */
export interface KubeletServerOptions {
  readonly address: string;
  readonly port: number;
  /** Ports without TLS and authentication; absent or 0 for none. */
  readonly readOnlyPort?: number;
  readonly cadvisorPort?: number;
  /** PEM texts. Without a certificate every handshake fails until one comes. Without `clientCa` no client certificate is asked for, and tokens alone count. */
  readonly tls: {
    readonly cert?: string | undefined;
    readonly key?: string | undefined;
    readonly clientCa?: string | undefined;
    /** As Node names them; absent means Node's own. */
    readonly minVersion?: SecureVersion | undefined;
    readonly ciphers?: string | undefined;
  };
  /** Served at /logs/; absent means that it is not. */
  readonly systemLogDir?: string | undefined;
  /** Whether containers can be looked into at all; absent means that they can. */
  readonly hasDebuggingHandlers?: boolean;
  /** Where the logs of pods lie, such as /var/log/pods. */
  readonly podLogDir: string;
  readonly nodeName: string;
  /** The kubelet's --root-dir, whose file system is the node's in /stats/summary. */
  readonly rootDir?: string;
  /** Cgroups of parts of the system that are no pods, by upstream's name of the part, such as `kubelet`. */
  readonly systemCgroups?: Readonly<Record<string, string>>;
  /** How old figures of volumes may be; negative for none at all. */
  readonly volumeStatsMs?: number;
}

/** The pods of this node as the kubelet knows them, with the newest status that it has worked out for each. */
export interface PodSource {
  list(): readonly Readonly<Pod>[];
  /** With `uid` only a pod of that UID is found. */
  find(namespace: string, name: string, uid?: string): Readonly<Pod> | undefined;
}

/** Nothing here changes a pod: the API of the kubelet reads, and acts inside containers. */
export interface KubeletServerDeps {
  readonly pods: PodSource;
  readonly cri: Pick<
    CriClient,
    | "containerStatus"
    | "exec"
    | "attach"
    | "portForward"
    | "execSync"
    | "checkpointContainer"
    | "listContainerStats"
    | "imageFsInfo"
  >;
  readonly runtime: Pick<RuntimeReader, "read" | "list">;
  readonly cgroups: Pick<CgroupFs, "read" | "isUnified" | "countProcesses">;
  readonly podCgroups: Pick<PodCgroups, "path" | "containerPath" | "kubepods">;
  readonly auth: Pick<DelegatedAuth, "authorize">;
  readonly metrics: MetricsRegistry;
  /** Of probe results, at /metrics/probes; without it that path is not there. */
  readonly probeMetrics?: MetricsRegistry | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** The running configuration as /configz shows it under `kubeletconfig`. */
  readonly configz: () => object;
  /** Sizes of a pod's volumes behind claims and drivers. */
  readonly claimStats?: (pod: Readonly<Pod>, time: string) => Promise<readonly object[]>;
  /** What /healthz runs; none means that answering is health enough. */
  readonly checks?: readonly HealthCheck[];
}

/** Listens until disposed. */
export interface ServedKubelet extends AsyncDisposable {
  readonly port: number;
  /** For the connections from now on; the listener and what is open stay. */
  useCertificate(pair: { readonly cert: string; readonly key: string }): void;
}
