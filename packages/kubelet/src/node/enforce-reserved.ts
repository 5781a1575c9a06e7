// Limits the cgroups of the system and of Kubernetes' own processes to what is reserved for them, where asked to.
import { quantityMilliValue, quantityValue } from "@skiff/api/quantity.ts";
import type { CgroupFs } from "../cgroups/cgroup-fs.ts";
import type { Cgroups } from "../cgroups/open-cgroups.ts";
import type { CgroupLimits } from "../cgroups/resources.ts";
import { milliCpuToShares } from "../cgroups/resources.ts";
import type { Settings } from "../configuration/fields.ts";
import type { Recorder } from "../events/pod-events.ts";

export interface EnforceDeps {
  readonly cgroups: Pick<Cgroups, "names"> & {
    readonly files: Pick<CgroupFs, "exists">;
    readonly maker: Pick<CgroupFs, "apply">;
  };
  readonly recorder: Recorder;
  readonly nodeName: string;
}

/** Throws upstream's words where a cgroup is not there: the kubelet limits others' cgroups, and makes none. */
export async function enforceReserved(settings: Settings, { cgroups, recorder, nodeName }: EnforceDeps): Promise<void> {
  const node = { kind: "Node", name: nodeName, uid: nodeName, apiVersion: "v1" };
  for (const { title, key, cgroup, reserved } of targets(settings)) {
    const isWhole = settings.enforceNodeAllocatable.includes(key);
    const isCompressible = settings.enforceNodeAllocatable.includes(`${key}-compressible`);
    if (!isWhole && !isCompressible) continue;
    try {
      const path = cgroups.names.given(cgroup);
      if (!(await cgroups.files.exists(path))) throw new Error(`${JSON.stringify(cgroup)} cgroup does not exist`);
      await cgroups.maker.apply(path, reservedLimits(reserved, isWhole));
    } catch (error) {
      const why = (error as Error).message;
      const message = `Failed to enforce ${title} Reserved Cgroup Limits on ${JSON.stringify(cgroup)}: ${why}`;
      recorder.record(node, "Warning", "FailedNodeAllocatableEnforcement", message);
      throw new Error(message, { cause: error });
    }
    const message = `Updated limits on ${title.toLowerCase()} reserved cgroup ${cgroup}`;
    recorder.record(node, "Normal", "NodeAllocatableEnforced", message);
  }
}

function targets({ systemReserved, systemReservedCgroup, kubeReserved, kubeReservedCgroup }: Settings) {
  return [
    { title: "System", key: "system-reserved", cgroup: systemReservedCgroup, reserved: systemReserved },
    { title: "Kube", key: "kube-reserved", cgroup: kubeReservedCgroup, reserved: kubeReserved },
  ] as const;
}

/** Processors are shared out by weight; the rest is a limit, and left alone where only the compressible is enforced. */
function reservedLimits(reserved: Readonly<Record<string, string>>, isWhole: boolean): CgroupLimits {
  const { cpu, memory, pid } = reserved;
  return {
    ...(cpu ? { cpuShares: milliCpuToShares(quantityMilliValue(cpu)) } : {}),
    ...(isWhole && memory ? { memoryBytes: quantityValue(memory) } : {}),
    ...(isWhole && pid ? { pids: quantityValue(pid) } : {}),
  };
}
