// Who is evicted first: those that use more than they asked for, then by priority, then by how much more. Pure.
import { quantityMilliValue, quantityValue } from "@skiff/api/quantity.ts";
import { podRequests } from "@skiff/api/scheduling/resources.ts";
import type { Container, Pod } from "@skiff/api/types.ts";

/** One container's share, for the message that says who used how much. */
export interface ContainerFigures {
  readonly name: string;
  readonly memoryBytes: number;
  /** Writable layer and logs. */
  readonly diskBytes: number;
  readonly inodes: number;
}

/** What a pod uses now. Disk: writable layers, logs and the emptyDirs that lie on disk. */
export interface PodFigures {
  readonly pod: Readonly<Pod>;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly inodes: number;
  readonly processes: number;
  readonly containers: readonly ContainerFigures[];
}

/** What a node can be short of. */
export type Resource = "memory" | "ephemeral-storage" | "inodes" | "pids";

/**
 * The first goes first. Pods below their requests come last, whatever their priority: they have what they were
 * promised.
 */
export function rankPods(pods: readonly PodFigures[], resource: Resource): PodFigures[] {
  const excess = (figures: PodFigures) => usageOf(figures, resource) - requestOf(figures.pod, resource);
  // Processes cannot be asked for, so priority alone comes before their number.
  const exceeds = (figures: PodFigures) => (resource === "pids" ? 0 : Number(excess(figures) > 0));
  const priority = ({ pod }: PodFigures) => pod.spec?.priority ?? 0;
  return pods.toSorted((a, b) => exceeds(b) - exceeds(a) || priority(a) - priority(b) || excess(b) - excess(a));
}

function usageOf(figures: PodFigures, resource: Resource): number {
  if (resource === "memory") return figures.memoryBytes;
  if (resource === "pids") return figures.processes;
  return resource === "inodes" ? figures.inodes : figures.diskBytes;
}

function requestOf(pod: Readonly<Pod>, resource: Resource): number {
  return resource === "memory" || resource === "ephemeral-storage" ? (podRequests(pod)[resource] ?? 0) : 0;
}

/** What the node lacks, for the message. */
export interface Shortage {
  readonly resource: Resource;
  /** The threshold, and what was left, in the form of quantities; absent where no reading is known. */
  readonly threshold?: { readonly quantity: string; readonly available: string } | undefined;
}

/** Why the pod was evicted, in upstream's words. */
export function evictionMessage(figures: PodFigures, { resource, threshold }: Shortage): string {
  let message = `The node was low on resource: ${resource}. `;
  if (threshold) message += `Threshold quantity: ${threshold.quantity}, available: ${threshold.available}. `;
  for (const { name, used, request } of greedyContainers(figures, resource)) {
    message += `Container ${name} was using ${used}, request is ${request}, has larger consumption of ${resource}. `;
  }
  return message;
}

/** The same for programs, under upstream's names. */
export function evictionAnnotations(figures: PodFigures, resource: Resource): Readonly<Record<string, string>> {
  const greedy = greedyContainers(figures, resource);
  return {
    offending_containers: greedy.map(({ name }) => name).join(),
    offending_containers_usage: greedy.map(({ used }) => used).join(),
    starved_resource: resource,
  };
}

/** Those that took more than they had asked for. Processes and inodes are not measured by container. */
function greedyContainers({ pod, containers }: PodFigures, resource: Resource) {
  if (resource === "pids" || resource === "inodes") return [];
  return containers.flatMap((figures) => {
    const spec = containersOf(pod).find(({ name }) => name === figures.name);
    const request = spec?.resources?.requests?.[resource] ?? "0";
    const used = resource === "memory" ? figures.memoryBytes : figures.diskBytes;
    if (!spec || used <= quantityMilliValue(request) / 1000) return [];
    return [{ name: figures.name, used: kibis(used), request }];
  });
}

/** As upstream prints what it has measured: a multiple of Ki where it is one. */
export function kibis(bytes: number): string {
  return bytes > 0 && bytes % 1024 === 0 ? `${bytes / 1024}Ki` : String(Math.round(bytes));
}

/** What a pod uses beyond its own limits of local storage: the first such, in upstream's words. */
export function localStorageProblem(figures: PodFigures, emptyDirs: ReadonlyMap<string, number>): string | undefined {
  const { pod, containers, diskBytes } = figures;
  for (const { name, emptyDir } of pod.spec?.volumes ?? []) {
    const limit = emptyDir?.sizeLimit;
    if (!limit || quantityValue(limit) <= 0) continue;
    if ((emptyDirs.get(name) ?? 0) > quantityValue(limit)) {
      return `Usage of EmptyDir volume ${JSON.stringify(name)} exceeds the limit ${JSON.stringify(limit)}. `;
    }
  }
  const limits = containersOf(pod).map(({ name, resources }) => ({
    name,
    limit: resources?.limits?.["ephemeral-storage"],
  }));
  const total = limits.reduce((sum, { limit }) => sum + (limit ? quantityValue(limit) : 0), 0);
  if (total > 0 && limits.every(({ limit }) => limit) && diskBytes > total) {
    return `Pod ephemeral local storage usage exceeds the total limit of containers ${kibisUp(total)}. `;
  }
  for (const { name, limit } of limits) {
    const used = containers.find((container) => container.name === name)?.diskBytes ?? 0;
    if (limit && used > quantityValue(limit)) {
      return `Container ${name} exceeded its local ephemeral storage limit ${JSON.stringify(limit)}. `;
    }
  }
  return undefined;
}

/** Whether the pod's use of local storage has to be measured at all. */
export function limitsLocalStorage(pod: Readonly<Pod>): boolean {
  const byVolume = (pod.spec?.volumes ?? []).some(({ emptyDir }) => emptyDir?.sizeLimit);
  return byVolume || containersOf(pod).some(({ resources }) => resources?.limits?.["ephemeral-storage"]);
}

function containersOf(pod: Readonly<Pod>): Container[] {
  return [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
}

function kibisUp(bytes: number): string {
  for (const [unit, size] of [
    ["Gi", 2 ** 30],
    ["Mi", 2 ** 20],
    ["Ki", 2 ** 10],
  ] as const) {
    if (bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return String(bytes);
}
