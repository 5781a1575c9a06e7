// What a sandbox's runtime is told of its pod's size, so that one that is a machine of its own can be made to fit. Pure.
import { podLimits, podRequests, resourceAmounts } from "@skiff/api/scheduling/resources.ts";
import type { Pod } from "@skiff/api/types.ts";
import type { LinuxContainerResources } from "../cri/types.ts";
import type { CpuQuotas } from "./cpu-quotas.ts";
import { QUOTAS_FOR_ALL } from "./cpu-quotas.ts";
import { linuxResources } from "./resources.ts";

/** All containers together, without what the runtime itself takes. */
export function sandboxResources(pod: Pod, quotas: CpuQuotas = QUOTAS_FOR_ALL): LinuxContainerResources {
  const { overhead: _, ...spec } = pod.spec;
  const bare = { ...pod, spec };
  const requests = podRequests(bare);
  const limits = podLimits(bare);
  const amounts = {
    cpuRequest: requests.cpu ?? limits.cpu ?? 0,
    cpuLimit: limits.cpu ?? 0,
    memoryLimit: limits.memory ?? 0,
  };
  return linuxResources(amounts, { isOn: quotas.isOn, isFree: quotas.hasOwnCpus(pod) });
}

/** What the runtime class says the sandbox itself takes: requested and limited alike. Undefined where it says nothing. */
export function sandboxOverhead(
  { spec: { overhead } }: Pod,
  { isOn }: Pick<CpuQuotas, "isOn"> = QUOTAS_FOR_ALL,
): LinuxContainerResources | undefined {
  if (!overhead || Object.keys(overhead).length === 0) return undefined;
  const { cpu = 0, memory = 0 } = resourceAmounts(overhead);
  return linuxResources({ cpuRequest: cpu, cpuLimit: cpu, memoryLimit: memory }, { isOn, isFree: false });
}
