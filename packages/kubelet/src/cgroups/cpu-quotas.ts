// Whether limits on CPU become quotas of the kernel: not where they are turned off, nor for whom processors are set aside.
import type { Pod } from "@skiff/api/types.ts";

/** Which pods and containers a quota is for. */
export interface CpuQuotas {
  /** Whether anybody has one: the setting cpuCFSQuota. */
  readonly isOn: boolean;
  /** Whether a container of the pod, or any one of it, has processors of its own. */
  hasOwnCpus(pod: Readonly<Pod>, container?: string): boolean;
}

/** For all who have a limit. */
export const QUOTAS_FOR_ALL: CpuQuotas = { isOn: true, hasOwnCpus: () => false };

/** To the kernel and the runtime: no quota, also where there was one. */
export const NO_QUOTA = -1;
