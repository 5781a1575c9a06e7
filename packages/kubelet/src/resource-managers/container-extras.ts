// What the node's resource managers add to a container's configuration. Pure.
import type { ContainerConfig } from "../cri/types.ts";
import type { DeviceOptions } from "./devices/pod-devices.ts";

/** Absent parts change nothing. */
export interface ContainerExtras {
  readonly devices?: DeviceOptions | undefined;
  /** Processors and memory nodes as the kernel lists them, such as `0-3,8`. */
  readonly cpusetCpus?: string | undefined;
  readonly cpusetMems?: string | undefined;
}

/** The configuration with the extras in it; what the pod itself asks for goes before what plugins add. */
export function withExtras(
  config: ContainerConfig,
  { devices, cpusetCpus, cpusetMems }: ContainerExtras,
): ContainerConfig {
  const resources = {
    ...config.linux.resources,
    ...(cpusetCpus ? { cpusetCpus } : {}),
    ...(cpusetMems ? { cpusetMems } : {}),
  };
  const linux = { ...config.linux, resources };
  if (!devices) return { ...config, linux };
  // Of two values for one name, the pod's own counts.
  const own = new Set(config.envs.map(({ key }) => key));
  const envs = Object.entries(devices.envs).filter(([key]) => !own.has(key));
  const taken = new Set(config.mounts.map(({ containerPath }) => containerPath));
  const mounts = devices.mounts
    .filter(({ containerPath }) => !taken.has(containerPath))
    .map(({ containerPath, hostPath, readOnly }) => ({
      containerPath,
      hostPath,
      readonly: readOnly,
      propagation: "PROPAGATION_PRIVATE" as const,
    }));
  return {
    ...config,
    linux,
    envs: [...envs.map(([key, value]) => ({ key, value })), ...config.envs],
    mounts: [...mounts, ...config.mounts],
    devices: [...config.devices, ...devices.devices],
    annotations: { ...devices.annotations, ...config.annotations },
    ...(devices.cdiDevices.length > 0 ? { CDIDevices: [...devices.cdiDevices] } : {}),
  };
}
