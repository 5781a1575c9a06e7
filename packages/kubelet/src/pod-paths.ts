// Where the kubelet keeps what belongs to a pod, laid out as upstream so that other tools find it.
import { dirname, join } from "node:path";
import type { Pod } from "@skiff/api/types.ts";
import type { LoggedContainer } from "./container-logs/log-paths.ts";
import { logLinkPath } from "./container-logs/log-paths.ts";

/** Paths below ROOT/pods/UID and the log folder. Log collectors, CSI drivers and `crictl` rely on this layout. */
export class PodPaths {
  readonly root: string;
  readonly logRoot: string;
  /** Links to the logs by name: /var/log/containers beside /var/log/pods. */
  readonly logLinks: string;

  constructor(root: string, logRoot: string, logLinks = "") {
    this.root = root;
    this.logRoot = logRoot;
    this.logLinks = logLinks || join(dirname(logRoot), "containers");
  }

  get pods(): string {
    return join(this.root, "pods");
  }

  pod(uid: string): string {
    return join(this.pods, uid);
  }

  volumes(uid: string): string {
    return join(this.pod(uid), "volumes");
  }

  /** `plugin` is upstream's escaped name, such as `kubernetes.io~configmap`. */
  volume(uid: string, plugin: string, name: string): string {
    return join(this.volumes(uid), plugin, name);
  }

  /** The link to a block device. */
  device(uid: string, plugin: string, name: string): string {
    return join(this.pod(uid), "volumeDevices", plugin, name);
  }

  /** Exists once a volume that is set up once was set up. */
  volumeReady(uid: string, plugin: string, name: string): string {
    return join(this.pod(uid), "plugins", plugin, name, "ready");
  }

  /**
   * Bind mounts of single paths inside volumes; held here so that a container that swaps a link later gains nothing.
   */
  subPaths(uid: string): string {
    return join(this.pod(uid), "volume-subpaths");
  }

  subPath(uid: string, volume: string, container: string, index: number): string {
    return join(this.subPaths(uid), volume, container, String(index));
  }

  /** The file that each container gets as /etc/hosts. */
  etcHosts(uid: string): string {
    return join(this.pod(uid), "etc-hosts");
  }

  /** The folder of a container's termination message files. */
  container(uid: string, name: string): string {
    return join(this.pod(uid), "containers", name);
  }

  podLogs(pod: Pod): string {
    const { namespace = "", name, uid = "" } = pod.metadata;
    return this.podLogsOf(namespace, name, uid);
  }

  /** The folder that the runtime is told to log into: one folder per container in it, one file per restart. */
  podLogsOf(namespace: string, name: string, uid: string): string {
    return join(this.logRoot, `${namespace}_${name}_${uid}`);
  }

  /** NAME_NAMESPACE_CONTAINER-ID.log, which log collectors take the pod's names from. */
  logLink(pod: { name: string; namespace: string }, container: LoggedContainer): string {
    return logLinkPath(this.logLinks, pod, container);
  }
}
