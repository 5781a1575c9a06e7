// What must hold of the configuration of the node's resources, in upstream's words. Pure.
import { quantityValue } from "@skiff/api/quantity.ts";
import { parseCpuSet } from "../resource-managers/cpus/cpu-set.ts";
import type { Settings } from "./fields.ts";

/** A kubelet that breaks one of them refuses to start; the message names the field and its flag. */
export const RESOURCE_RULES: readonly ((settings: Settings) => string | undefined)[] = [
  ({ topologyManagerPolicy: policy }) => {
    const known = ["none", "best-effort", "restricted", "single-numa-node"];
    if (known.includes(policy)) return undefined;
    return `topologyManagerPolicy (--topology-manager-policy) ${quoted(policy)} must be one of: [${known.map(quoted).join(" ")}]`;
  },
  ({ topologyManagerScope: scope }) =>
    scope === "container" || scope === "pod"
      ? undefined
      : `topologyManagerScope (--topology-manager-scope) ${quoted(scope)} must be one of: "container", or "pod"`,
  ({ cpuManagerPolicy: policy }) =>
    policy === "none" || policy === "static" ? undefined : `cpuManagerPolicy: unknown policy: ${quoted(policy)}`,
  ({ memoryManagerPolicy: policy }) =>
    policy === "None" || policy === "Static" ? undefined : `memoryManagerPolicy: unknown policy: ${quoted(policy)}`,
  ({ cpuManagerPolicy, cpuManagerPolicyOptions }) =>
    alphaProblem(cpuManagerPolicyOptions) ??
    optionProblem("CPU Manager Policy", cpuManagerPolicyOptions, CPU_OPTIONS) ??
    (cpuManagerPolicy === "none" && Object.keys(cpuManagerPolicyOptions).length > 0
      ? `None policy: received unsupported options=${JSON.stringify(cpuManagerPolicyOptions)}`
      : undefined),
  ({ topologyManagerPolicyOptions }) =>
    optionProblem("Topology Manager Policy", flagsOf(topologyManagerPolicyOptions), TOPOLOGY_OPTIONS) ??
    numaProblem(topologyManagerPolicyOptions[MAX_NUMA_OPTION]),
  ({ reservedSystemCPUs }) => {
    try {
      parseCpuSet(reservedSystemCPUs);
      return undefined;
    } catch (error) {
      return `unable to parse reservedSystemCPUs (--reserved-cpus) ${reservedSystemCPUs}, error: ${(error as Error).message}`;
    }
  },
  ({ reservedSystemCPUs, systemReservedCgroup, kubeReservedCgroup }) =>
    reservedSystemCPUs && (systemReservedCgroup || kubeReservedCgroup)
      ? "can't use reservedSystemCPUs (--reserved-cpus) with systemReservedCgroup (--system-reserved-cgroup) or kubeReservedCgroup (--kube-reserved-cgroup)"
      : undefined,
  // Without CPU set aside, exclusive CPUs could take the last one from every pod that shares.
  ({ cpuManagerPolicy, reservedSystemCPUs, kubeReserved, systemReserved }) =>
    cpuManagerPolicy !== "static" || reservedSystemCPUs || kubeReserved.cpu || systemReserved.cpu
      ? undefined
      : "the static policy requires systemreserved.cpu + kubereserved.cpu to be greater than zero",
  ({ enforceNodeAllocatable, systemReservedCgroup, kubeReservedCgroup }) => {
    const name = "enforceNodeAllocatable (--enforce-node-allocatable)";
    for (const part of ["system-reserved", "kube-reserved"]) {
      const both = [part, `${part}-compressible`];
      if (both.every((what) => enforceNodeAllocatable.includes(what))) {
        return `both ${both.map(quoted).reverse().join(" and ")} cannot be specified together in ${name}`;
      }
    }
    for (const [i, what] of enforceNodeAllocatable.entries()) {
      if (enforceNodeAllocatable.indexOf(what) < i) return `duplicated enforcements ${quoted(what)} in ${name}`;
      if (!ENFORCEABLE.includes(what)) {
        return `option ${quoted(what)} specified for ${name}. Valid options are "pods", "system-reserved", "system-reserved-compressible", "kube-reserved", "kube-reserved-compressible" or "none"`;
      }
      if (what === "none" && enforceNodeAllocatable.length > 1) {
        return `${name} may not contain additional enforcements when "none" is specified`;
      }
      if (what.startsWith("system-reserved") && !systemReservedCgroup) {
        return `systemReservedCgroup (--system-reserved-cgroup) must be specified when ${quoted(what)} contained in ${name}`;
      }
      if (what.startsWith("kube-reserved") && !kubeReservedCgroup) {
        return `kubeReservedCgroup (--kube-reserved-cgroup) must be specified when ${quoted(what)} contained in ${name}`;
      }
    }
    return undefined;
  },
  ({ reservedMemory }) => {
    const seen = new Set<string>();
    for (const { numaNode, limits } of reservedMemory) {
      for (const [kind, amount] of Object.entries(limits)) {
        if (kind !== "memory" && !kind.startsWith("hugepages-")) {
          return `the limit type ${quoted(kind)} for NUMA node ${numaNode} is not supported, only [memory hugepages-<HugePageSize>] is accepted`;
        }
        if (quantityValue(amount) === 0) {
          return `reserved memory may not be zero for NUMA node ${numaNode} and resource ${quoted(kind)}`;
        }
        const key = `${numaNode}/${kind}`;
        if (seen.has(key)) {
          return `the reserved memory has a duplicate value for NUMA node ${numaNode} and resource ${quoted(kind)}`;
        }
        seen.add(key);
      }
    }
    return undefined;
  },
  ({ "memorySwap.swapBehavior": behavior }) =>
    ["", "NoSwap", "LimitedSwap"].includes(behavior)
      ? undefined
      : `memorySwap.swapBehavior ${quoted(behavior)} must be one of: "", "LimitedSwap" or "NoSwap"`,
];

/** Whom the kubelet may limit. `-compressible` means CPU alone, which throttles and kills nobody. */
const ENFORCEABLE: readonly string[] = [
  "pods",
  "none",
  "system-reserved",
  "system-reserved-compressible",
  "kube-reserved",
  "kube-reserved-compressible",
];
/** Options of the static policy that this kubelet has; upstream has more. */
const CPU_OPTIONS: readonly string[] = [
  "full-pcpus-only",
  "distribute-cpus-across-numa",
  "strict-cpu-reservation",
  "prefer-align-cpus-by-uncorecache",
];
const TOPOLOGY_OPTIONS: readonly string[] = ["prefer-closest-numa-nodes"];

/** The one option of the topology manager that is a number: how many nodes it may reckon with, in time and memory. */
export const MAX_NUMA_OPTION = "max-allowable-numa-nodes";
/** Without the option. The sets of nodes double with each. */
export const DEFAULT_MAX_NUMA = 8;

/** A set of nodes is kept as the bits of one number. */
const MAX_NUMA = 30;

function flagsOf({ [MAX_NUMA_OPTION]: _, ...flags }: Readonly<Record<string, string>>): Record<string, string> {
  return flags;
}

function numaProblem(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) return `bad value for option "${MAX_NUMA_OPTION}": ${quoted(text)} is no whole number`;
  if (Number(text) > MAX_NUMA) return `"${MAX_NUMA_OPTION}" of more than ${MAX_NUMA} is not supported by this kubelet`;
  if (Number(text) >= DEFAULT_MAX_NUMA) return undefined;
  return `the minimum value of "${MAX_NUMA_OPTION}" should not be less than ${DEFAULT_MAX_NUMA}`;
}

/** Upstream has these behind the gate CPUManagerPolicyAlphaOptions, which is off. */
const ALPHA_CPU_OPTIONS: readonly string[] = ["align-by-socket", "distribute-cpus-across-cores"];

function alphaProblem(options: Readonly<Record<string, string>>): string | undefined {
  const name = ALPHA_CPU_OPTIONS.find((option) => Object.hasOwn(options, option));
  return name && `CPU Manager Policy Alpha-level Options not enabled, but option ${quoted(name)} provided`;
}

function optionProblem(
  what: string,
  options: Readonly<Record<string, string>>,
  known: readonly string[],
): string | undefined {
  for (const [name, value] of Object.entries(options)) {
    if (!known.includes(name)) return `unknown ${what} option: ${quoted(name)}`;
    if (value !== "true" && value !== "false")
      return `bad value for option ${quoted(name)}: ${quoted(value)} is no truth value`;
  }
  return undefined;
}

function quoted(word: string): string {
  return JSON.stringify(word);
}
