// The feature gates of upstream's kubelet: what each names is here or is not, so that a gate can be agreed with and not moved.
import { asObject, type Field } from "./field-types.ts";

/** By gate. */
export type FeatureGates = Readonly<Record<string, boolean>>;

/** Of a file: an object of true and false. */
export function featureGates(): Field<FeatureGates> {
  return { default: {}, decode: (value) => agreed(asObject(value)), encode: (gates) => gates };
}

/** Of the command line: `ImageVolume=true,MemoryQoS=false`. Throws an Error that names the gate. */
export function parseFeatureGates(text: string): FeatureGates {
  const pairs = text.split(",").filter((pair) => pair.trim() !== "");
  const entries = pairs.map((pair) => {
    const [name = "", value] = pair.split("=").map((part) => part.trim());
    if (value === undefined) throw new Error(`missing bool value for ${name}`);
    if (!/^(true|false)$/i.test(value)) throw new Error(`invalid value of ${name}=${value}, wanted true or false`);
    return [name, value.toLowerCase() === "true"];
  });
  return agreed(Object.fromEntries(entries));
}

function agreed(given: Readonly<Record<string, unknown>>): FeatureGates {
  for (const [name, value] of Object.entries(given)) {
    if (typeof value !== "boolean") throw new Error(`${name}: true or false is wanted`);
    const present = PRESENT.has(name);
    if (!present && !ABSENT.has(name)) throw new Error(`unrecognized feature gate: ${name}`);
    if (value !== present) {
      throw new Error(`cannot set feature gate ${name} to ${value}, feature is locked to ${present}`);
    }
  }
  return given as FeatureGates;
}

/** What this kubelet does, whether or not it is asked to. */
const PRESENT: ReadonlySet<string> = new Set([
  "CPUManagerPolicyBetaOptions",
  "CPUManagerPolicyOptions",
  "ClusterTrustBundleProjection",
  "ContainerRestartRules",
  "DevicePluginCDIDevices",
  "DisableCPUQuotaWithExclusiveCPUs",
  "EnvFiles",
  "EventedPLEG",
  "ExecProbeTimeout",
  "GracefulNodeShutdown",
  "GracefulNodeShutdownBasedOnPodPriority",
  "HostnameOverride",
  "ImageMaximumGCAge",
  "ImageVolume",
  "InPlacePodLevelResourcesVerticalScaling",
  "InPlacePodVerticalScaling",
  "InPlacePodVerticalScalingInitContainers",
  "KubeletCgroupDriverFromCRI",
  "KubeletCrashLoopBackOffMax",
  "KubeletEnsureSecretPulledImages",
  "KubeletPodResourcesGet",
  "KubeletServiceAccountTokenForCredentialProviders",
  "LocalStorageCapacityIsolation",
  "MemoryManager",
  "NodeDeclaredFeatures",
  "NodeSwap",
  "PodLevelResources",
  "PodCertificateRequest",
  "PodLifecycleSleepAction",
  "PodLifecycleSleepActionAllowZero",
  "PodObservedGenerationTracking",
  "PodReadyToStartContainersCondition",
  "ProcMountType",
  "RecursiveReadOnlyMounts",
  "ResourceHealthStatus",
  "RotateKubeletServerCertificate",
  "SELinuxChangePolicy",
  "SELinuxMountReadWriteOncePod",
  "SidecarContainers",
  "SupplementalGroupsPolicy",
  "TopologyManagerPolicyBetaOptions",
  "TopologyManagerPolicyOptions",
  "UserNamespacesSupport",
]);

/** What it does not do. */
const ABSENT: ReadonlySet<string> = new Set([
  "AllAlpha",
  "AllBeta",
  "CPUManagerPolicyAlphaOptions",
  "CustomCPUCFSQuotaPeriod",
  "DRAAdminAccess",
  "DRAConsumableCapacity",
  "DRADeviceBindingConditions",
  "DRADeviceTaints",
  "DRAExtendedResource",
  "DRANodeAllocatableResources",
  "DRAPartitionableDevices",
  "DRAPrioritizedList",
  "DRAResourceClaimDeviceStatus",
  "DynamicResourceAllocation",
  "InPlacePodVerticalScalingExclusiveCPUs",
  "InPlacePodVerticalScalingExclusiveMemory",
  "KubeletInUserNamespace",
  "KubeletPSI",
  "KubeletTracing",
  "LocalStorageCapacityIsolationFSQuotaMonitoring",
  "MemoryQoS",
  "NodeLogQuery",
  "PodAndContainerStatsFromCRI",
  "PodLevelResourceManagers",
  "QOSReserved",
  "ReduceDefaultCrashLoopBackOffDecay",
  "RestartAllContainersOnContainerExits",
  "RuntimeClassInImageCriApi",
  "SELinuxMount",
  "SystemdWatchdog",
  "TopologyManagerPolicyAlphaOptions",
  "UserNamespacesHostNetworkSupport",
  "WindowsGracefulNodeShutdown",
  "WindowsHostNetwork",
]);
