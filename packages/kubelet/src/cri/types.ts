// The messages of proto/cri/runtime-v1.proto as TypeScript sees them: camel case, 64-bit numbers as text, enums by name.

export type Labels = Record<string, string>;

export type ContainerStateName = "CONTAINER_CREATED" | "CONTAINER_RUNNING" | "CONTAINER_EXITED" | "CONTAINER_UNKNOWN";
export type SandboxStateName = "SANDBOX_READY" | "SANDBOX_NOTREADY";
export type NamespaceMode = "POD" | "CONTAINER" | "NODE" | "TARGET";
export type MountPropagation = "PROPAGATION_PRIVATE" | "PROPAGATION_HOST_TO_CONTAINER" | "PROPAGATION_BIDIRECTIONAL";

export interface Int64Value {
  value: string | number;
}

export interface NamespaceOption {
  network: NamespaceMode;
  pid: NamespaceMode;
  ipc: NamespaceMode;
  targetId?: string;
}

export interface SecurityProfile {
  profileType: "RuntimeDefault" | "Unconfined" | "Localhost";
  localhostRef?: string;
}

export interface SeLinuxOption {
  user?: string | undefined;
  role?: string | undefined;
  type?: string | undefined;
  level?: string | undefined;
}

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

export interface Mount {
  containerPath: string;
  hostPath: string;
  readonly: boolean;
  propagation: MountPropagation;
  recursiveReadOnly?: boolean;
  /** In place of `hostPath`. */
  image?: { image: string; userSpecifiedImage: string };
  imageSubPath?: string;
}

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

export interface PodSandbox {
  id: string;
  metadata: { name: string; uid: string; namespace: string; attempt: number } | null;
  state: SandboxStateName;
  createdAt: string;
  labels: Labels;
  annotations: Labels;
  runtimeHandler: string;
}

export interface PodSandboxStatus extends PodSandbox {
  network: { ip: string; additionalIps: { ip: string }[] } | null;
  linux: { namespaces: { options: NamespaceOption | null } | null } | null;
}

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

export interface RuntimeStatus {
  status: { conditions: { type: string; status: boolean; reason: string; message: string }[] } | null;
  runtimeHandlers: {
    name: string;
    features: { recursiveReadOnlyMounts: boolean; userNamespaces: boolean } | null;
  }[];
  features: { supplementalGroupsPolicy: boolean } | null;
}

export interface Image {
  id: string;
  repoTags: string[];
  repoDigests: string[];
  size: string;
  uid: { value: string } | null;
  username: string;
  pinned: boolean;
}

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

export interface FilesystemUsage {
  timestamp: string;
  fsId: { mountpoint: string } | null;
  usedBytes: UInt64Value | null;
  inodesUsed: UInt64Value | null;
}

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
