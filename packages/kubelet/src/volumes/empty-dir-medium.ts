// What an emptyDir lies on: the disk, memory, or huge pages of a size that the pod asks for. Pure.
import { quantityValue } from "@skiff/api/quantity.ts";
import type { Pod, Volume } from "@skiff/api/types.ts";

/** For mount(8). */
export interface MediumMount {
  readonly type: "tmpfs" | "hugetlbfs";
  readonly options: readonly string[];
}

/** Undefined for a folder on the disk. Throws upstream's words where the pod asks for no such pages. */
export function mediumMount(
  pod: Pod,
  { medium = "", sizeLimit }: NonNullable<Volume["emptyDir"]>,
): MediumMount | undefined {
  if (medium === "") return undefined;
  if (medium === "Memory") {
    // Memory in it counts as that of whoever wrote it, and is limited by the container's limit besides.
    return { type: "tmpfs", options: sizeLimit ? [`size=${quantityValue(sizeLimit)}`] : [] };
  }
  if (medium === "HugePages" || medium.startsWith("HugePages-")) {
    const bytes = pageSizeOf(pod, medium);
    // The kernel reads K, M and G, without the i.
    return { type: "hugetlbfs", options: [`pagesize=${bytes / 1024}K`] };
  }
  throw new Error(`unknown storage medium ${JSON.stringify(medium)}`);
}

function pageSizeOf(pod: Pod, medium: string): number {
  const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
  const names = containers.flatMap(({ resources }) => Object.keys({ ...resources?.limits, ...resources?.requests }));
  const requested = new Set(names.flatMap((name) => /^hugepages-(.+)$/.exec(name)?.[1] ?? []).map(quantityValue));
  if (requested.size === 0) {
    throw nothingRequested(medium);
  }
  const [only = 0] = requested;
  if (medium === "HugePages") {
    if (requested.size === 1) return only;
    throw new Error(`medium: ${medium} can't be used if container requests multiple huge page sizes`);
  }
  const size = quantityValue(medium.slice("HugePages-".length));
  if (requested.has(size)) return size;
  throw nothingRequested(medium);
}

function nothingRequested(medium: string): Error {
  return new Error(`medium ${medium}: hugePages storage requested, but there is no resource request for huge pages`);
}
