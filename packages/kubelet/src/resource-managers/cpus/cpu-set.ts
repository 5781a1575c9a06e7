// Sets of processors as the kernel lists them: `0-3,8`. Pure.

/** Processor numbers as in /proc/cpuinfo. */
export type CpuSet = ReadonlySet<number>;

/** Throws where the text is no such list. */
export function parseCpuSet(text: string): CpuSet {
  const cpus = new Set<number>();
  for (const part of text.trim().split(",").filter(Boolean)) {
    const [, first = "", last = first] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
    if (first === "" || Number(last) < Number(first)) throw new Error(`invalid cpuset: ${JSON.stringify(text)}`);
    for (let cpu = Number(first); cpu <= Number(last); cpu++) cpus.add(cpu);
  }
  return cpus;
}

/** Sorted, with runs as ranges; "" for none. */
export function formatCpuSet(cpus: Iterable<number>): string {
  const parts: string[] = [];
  const sorted = [...cpus].sort((a, b) => a - b);
  for (let at = 0; at < sorted.length; ) {
    let end = at;
    while (sorted[end + 1] === (sorted[end] ?? 0) + 1) end++;
    parts.push(end === at ? String(sorted[at]) : `${sorted[at]}-${sorted[end]}`);
    at = end + 1;
  }
  return parts.join(",");
}
