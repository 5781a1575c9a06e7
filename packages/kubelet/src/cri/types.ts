// The messages of proto/cri/runtime-v1.proto as TypeScript sees them: camel case, 64-bit numbers as text, enums by name.

/** Labels and annotations alike. The kubelet finds its own pods and containers by their labels. */
export type Labels = Record<string, string>;

/** Upstream's enum; UNKNOWN is what a runtime says that has lost track. */
export type ContainerStateName = "CONTAINER_CREATED" | "CONTAINER_RUNNING" | "CONTAINER_EXITED" | "CONTAINER_UNKNOWN";
/** A sandbox that is not ready never becomes ready again; another takes its place. */
export type SandboxStateName = "SANDBOX_READY" | "SANDBOX_NOTREADY";
/**
 * POD: shared with the sandbox; NODE: the host's; TARGET: another container's, as `kubectl debug --target` asks for.
 */
export type NamespaceMode = "POD" | "CONTAINER" | "NODE" | "TARGET";
/** Whether mounts made on one side show on the other: not at all, from the host inwards, or both ways. */
export type MountPropagation = "PROPAGATION_PRIVATE" | "PROPAGATION_HOST_TO_CONTAINER" | "PROPAGATION_BIDIRECTIONAL";

/** A number that may be absent: user 0 is root, and no user at all is the image's. */
export interface Int64Value {
  value: string | number;
}

/** Ids of the host that a container has as its own. */
export interface IdMapping {
  readonly hostId: number;
  readonly containerId: number;
  readonly length: number;
}

/** NODE without mappings: the host's users. */
export interface UserNamespace {
  readonly mode: "POD" | "NODE";
  readonly uids: readonly IdMapping[];
  readonly gids: readonly IdMapping[];
}

/** One mode for each kind of namespace; `targetId` for TARGET alone. */
export interface NamespaceOption {
  network: NamespaceMode;
  pid: NamespaceMode;
  ipc: NamespaceMode;
  targetId?: string;
  usernsOptions?: UserNamespace;
}

/** Of seccomp or AppArmor. `localhostRef` is a path or a name on the node, for Localhost alone. */
export interface SecurityProfile {
  profileType: "RuntimeDefault" | "Unconfined" | "Localhost";
  localhostRef?: string;
}

/** The parts of an SELinux label; absent ones are the runtime's to choose. */
export interface SeLinuxOption {
  user?: string | undefined;
  role?: string | undefined;
  type?: string | undefined;
  level?: string | undefined;
}

/** What a pod's containers share: names, addresses, cgroup. `attempt` counts the sandboxes of one pod. */
export interface PodSandboxConfig {
  metadata: { name: string; uid: string; namespace: string; attempt: number };
  hostname: string;
  logDirectory: string;
  dnsConfig?: { servers: string[]; searches: string[]; options: string[] };
  portMappings: { protocol: string; containerPort: number; hostPort: number; hostIp: string }[];
  labels: Labels;
  annotations: Labels;
  linux: {
    cgroupParent: string;
    sysctls: Labels;
    securityContext: {
      namespaceOptions: NamespaceOption;
      selinuxOptions?: SeLinuxOption;
      runAsUser?: Int64Value;
      runAsGroup?: Int64Value;
      readonlyRootfs?: boolean;
      supplementalGroups: number[];
      supplementalGroupsPolicy?: "Merge" | "Strict";
      privileged: boolean;
      seccomp?: SecurityProfile;
    };
    overhead?: LinuxContainerResources;
    resources?: LinuxContainerResources;
  };
}

/** Absent means no change, or no limit at a start. `unified` has file names of cgroup v2 for keys. */
export interface LinuxContainerResources {
  cpuPeriod?: number | string;
  cpuQuota?: number | string;
  cpuShares?: number | string;
  memoryLimitInBytes?: number | string;
  oomScoreAdj?: number | string;
  cpusetCpus?: string;
  cpusetMems?: string;
  hugepageLimits?: { pageSize: string; limit: number | string }[];
  unified?: Labels;
  memorySwapLimitInBytes?: number | string;
}

/** One bind mount: a path of the host, or an image, at a path of the container. */
export interface Mount {
  containerPath: string;
  hostPath: string;
  readonly: boolean;
  propagation: MountPropagation;
  recursiveReadOnly?: boolean;
  /** Give the files the container's SELinux label. */
  selinuxRelabel?: boolean;
  /** Whose files these are inside a user namespace. */
  uidMappings?: readonly IdMapping[];
  gidMappings?: readonly IdMapping[];
  /** In place of `hostPath`. */
  image?: { image: string; userSpecifiedImage: string };
  imageSubPath?: string;
}

/** With whose rights a container runs. Paths that are masked read as empty, against leaks from /proc. */
export interface LinuxContainerSecurityContext {
  capabilities?: { addCapabilities: string[]; dropCapabilities: string[] };
  privileged: boolean;
  namespaceOptions: NamespaceOption;
  selinuxOptions?: SeLinuxOption;
  runAsUser?: Int64Value;
  runAsUsername?: string;
  runAsGroup?: Int64Value;
  readonlyRootfs: boolean;
  supplementalGroups: number[];
  supplementalGroupsPolicy?: "Merge" | "Strict";
  noNewPrivs: boolean;
  maskedPaths: string[];
  readonlyPaths: string[];
  seccomp?: SecurityProfile;
  apparmor?: SecurityProfile;
}

/** One container as it is to be made; `attempt` counts its restarts in the pod. */
export interface ContainerConfig {
  metadata: { name: string; attempt: number };
  image: { image: string; userSpecifiedImage?: string };
  command: string[];
  args: string[];
  workingDir: string;
  envs: { key: string; value: string }[];
  mounts: Mount[];
  devices: { containerPath: string; hostPath: string; permissions: string }[];
  CDIDevices?: { name: string }[];
  labels: Labels;
  annotations: Labels;
  logPath: string;
  stdin: boolean;
  stdinOnce: boolean;
  tty: boolean;
  /** Such as SIGUSR1; the image's or the runtime's own when absent. */
  stopSignal?: string;
  linux: { resources: LinuxContainerResources; securityContext: LinuxContainerSecurityContext };
}

/** As listed: enough to tell whose it is and whether it is ready. */
export interface PodSandbox {
  id: string;
  metadata: { name: string; uid: string; namespace: string; attempt: number } | null;
  state: SandboxStateName;
  createdAt: string;
  labels: Labels;
  annotations: Labels;
  runtimeHandler: string;
}

/** Asked for one by one: the addresses, and in which namespaces it lies. */
export interface PodSandboxStatus extends PodSandbox {
  network: { ip: string; additionalIps: { ip: string }[] } | null;
  linux: { namespaces: { options: NamespaceOption | null } | null } | null;
}

/** As listed; `state` is all that changes. */
export interface Container {
  id: string;
  podSandboxId: string;
  metadata: { name: string; attempt: number } | null;
  image: { image: string } | null;
  imageRef: string;
  state: ContainerStateName;
  createdAt: string;
  labels: Labels;
  annotations: Labels;
}

/**
 * Times are nanoseconds since the epoch as text, "0" when unset. `imageRef` is a digest where the registry gave one.
 */
export interface ContainerStatus {
  id: string;
  metadata: { name: string; attempt: number } | null;
  state: ContainerStateName;
  createdAt: string;
  startedAt: string;
  finishedAt: string;
  exitCode: number;
  image: { image: string } | null;
  imageRef: string;
  imageId: string;
  reason: string;
  message: string;
  labels: Labels;
  annotations: Labels;
  mounts: Mount[];
  logPath: string;
  resources: { linux: LinuxContainerResources | null } | null;
  user: { linux: { uid: string; gid: string; supplementalGroups: string[] } | null } | null;
  /** RUNTIME_DEFAULT from a runtime that does not say. */
  stopSignal: string;
}

/** `conditions` has RuntimeReady and NetworkReady; `runtimeHandlers` what RuntimeClasses may name. */
export interface RuntimeStatus {
  status: { conditions: { type: string; status: boolean; reason: string; message: string }[] } | null;
  runtimeHandlers: {
    name: string;
    features: { recursiveReadOnlyMounts: boolean; userNamespaces: boolean } | null;
  }[];
  /** Of the runtime whatever the handler; null from one that does not tell. */
  features: { supplementalGroupsPolicy: boolean } | null;
}

/** `uid` and `username` are the image's user; a pinned one must not be removed. `size` is in bytes. */
export interface Image {
  id: string;
  repoTags: string[];
  repoDigests: string[];
  size: string;
  uid: { value: string } | null;
  username: string;
  pinned: boolean;
}

/** A login to a registry, in one of the forms that Docker knows. Never logged. */
export interface AuthConfig {
  username?: string;
  password?: string;
  auth?: string;
  serverAddress?: string;
  identityToken?: string;
  registryToken?: string;
}

interface UInt64Value {
  value: string;
}

/** Bytes and inodes in use; `timestamp` in nanoseconds. */
export interface FilesystemUsage {
  timestamp: string;
  fsId: { mountpoint: string } | null;
  usedBytes: UInt64Value | null;
  inodesUsed: UInt64Value | null;
}

/** What a container uses. CPU time grows for ever; rates come from two readings. */
export interface ContainerStats {
  attributes: { id: string; metadata: { name: string; attempt: number } | null; labels: Labels } | null;
  cpu: { timestamp: string; usageCoreNanoSeconds: UInt64Value | null } | null;
  memory: {
    timestamp: string;
    workingSetBytes: UInt64Value | null;
    availableBytes: UInt64Value | null;
    usageBytes: UInt64Value | null;
    rssBytes: UInt64Value | null;
    pageFaults: UInt64Value | null;
    majorPageFaults: UInt64Value | null;
  } | null;
  writableLayer: FilesystemUsage | null;
}

/** `containerEventType` is such as CONTAINER_STOPPED_EVENT. */
export interface ContainerEvent {
  containerId: string;
  containerEventType: string;
  podSandboxStatus: PodSandboxStatus | null;
  containersStatuses: ContainerStatus[];
}

/** Nanoseconds since the epoch, as the runtime writes them, in milliseconds; 0 when unset. */
export function millisOf(nanos: string): number {
  return Number(BigInt(nanos || "0") / 1_000_000n);
}
