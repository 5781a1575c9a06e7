// The fields and flags of KubeletConfiguration that say how the node's resources are given out.
import { flag } from "@skiff/component-base/flags.ts";
import type { Field } from "./field-types.ts";
import { asObject, asText, bool, duration, int, map, strings, text } from "./field-types.ts";

/** Memory of one NUMA node that is kept for the system. */
export interface MemoryReservation {
  readonly numaNode: number;
  readonly limits: Readonly<Record<string, string>>;
}

/** Parts of the whole table; apart because the resource managers are what they configure. */
export const RESOURCE_FIELDS = {
  // Whether limits on CPU hold by quotas of the kernel; requests weigh in any case.
  cpuCFSQuota: bool(true),
  cpuManagerPolicy: text("none"),
  cpuManagerPolicyOptions: map({}),
  cpuManagerReconcilePeriod: duration(10_000),
  memoryManagerPolicy: text("None"),
  reservedMemory: memoryReservations(),
  topologyManagerPolicy: text("none"),
  topologyManagerScope: text("container"),
  topologyManagerPolicyOptions: map({}),
  reservedSystemCPUs: text(""),
  podPidsLimit: int(-1),
  enforceNodeAllocatable: strings(["pods"]),
  systemReserved: map({}),
  kubeReserved: map({}),
  systemReservedCgroup: text(""),
  kubeReservedCgroup: text(""),
  "memorySwap.swapBehavior": text(""),
} as const;

/** Their flags under upstream's names. A flag wins over the file. */
export const RESOURCE_FLAGS = {
  "cpu-cfs-quota": flag.bool(true, "hold containers to their limits on CPU"),
  "pod-max-pids": flag.int(-1, "the most processes of a pod; -1 for no limit"),
  "kube-reserved": flag.map({}, "kept back for Kubernetes, such as cpu=200m,memory=500Mi"),
  "system-reserved": flag.map({}, "kept back for the system"),
  "cpu-manager-policy": flag.string("none", "none, or static for processors of one's own"),
  "cpu-manager-policy-options": flag.map({}, "options of the static policy, such as full-pcpus-only=true"),
  "cpu-manager-reconcile-period": flag.duration(10_000, "how often containers' processors are put right"),
  "memory-manager-policy": flag.string("None", "None, or Static for memory of certain NUMA nodes"),
  "reserved-memory": flagOfMemory(),
  "topology-manager-policy": flag.string("none", "none, best-effort, restricted or single-numa-node"),
  "topology-manager-scope": flag.string("container", "container, or pod for one place for all of a pod's containers"),
  "topology-manager-policy-options": flag.map({}, "options of that policy, such as prefer-closest-numa-nodes=true"),
  "reserved-cpus": flag.string("", "processors for the system, such as 0-1; wins over reserved amounts of CPU"),
  "enforce-node-allocatable": flag.strings(["pods"], "of pods, system-reserved and kube-reserved, or none"),
  "system-reserved-cgroup": flag.string("", "cgroup of the system's processes"),
  "kube-reserved-cgroup": flag.string("", "cgroup of Kubernetes' own processes"),
} as const;

/** Flag → the field that it overrides. */
export const RESOURCE_FIELD_OF = {
  "cpu-cfs-quota": "cpuCFSQuota",
  "pod-max-pids": "podPidsLimit",
  "kube-reserved": "kubeReserved",
  "system-reserved": "systemReserved",
  "cpu-manager-policy": "cpuManagerPolicy",
  "cpu-manager-policy-options": "cpuManagerPolicyOptions",
  "cpu-manager-reconcile-period": "cpuManagerReconcilePeriod",
  "memory-manager-policy": "memoryManagerPolicy",
  "reserved-memory": "reservedMemory",
  "topology-manager-policy": "topologyManagerPolicy",
  "topology-manager-scope": "topologyManagerScope",
  "topology-manager-policy-options": "topologyManagerPolicyOptions",
  "reserved-cpus": "reservedSystemCPUs",
  "enforce-node-allocatable": "enforceNodeAllocatable",
  "system-reserved-cgroup": "systemReservedCgroup",
  "kube-reserved-cgroup": "kubeReservedCgroup",
} as const satisfies Record<keyof typeof RESOURCE_FLAGS, keyof typeof RESOURCE_FIELDS>;

function memoryReservations(): Field<readonly MemoryReservation[]> {
  return {
    default: [],
    decode(value) {
      if (!Array.isArray(value)) throw new Error("a list of NUMA nodes with limits is wanted");
      return value.map((one) => {
        const { numaNode, limits } = asObject(one);
        if (typeof numaNode !== "number") throw new Error("numaNode: a whole number is wanted");
        const amounts = Object.entries(asObject(limits)).map(([name, amount]) => [name, asText(amount)]);
        return { numaNode, limits: Object.fromEntries(amounts) };
      });
    },
    encode: (value) => value,
  };
}

/** `0:memory=1Gi,hugepages-1Gi=2Gi;1:memory=2Gi`. */
function flagOfMemory() {
  return {
    default: [] as readonly MemoryReservation[],
    help: "memory for the system by NUMA node, such as 0:memory=1Gi",
    isBoolean: false,
    parse(value: string, previous: readonly MemoryReservation[] | undefined): readonly MemoryReservation[] {
      const found = value
        .split(";")
        .filter(Boolean)
        .map((part) => {
          const [, node, list = ""] = /^(\d+):(.+)$/.exec(part) ?? [];
          const pairs = list.split(",").map((pair) => pair.split("="));
          if (node === undefined || pairs.some(([name, amount]) => !name || !amount)) {
            throw new Error(`the reserved memory has incorrect format ${part}`);
          }
          return { numaNode: Number(node), limits: Object.fromEntries(pairs) as Record<string, string> };
        });
      return [...(previous ?? []), ...found];
    },
  };
}
