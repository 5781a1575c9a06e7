// Which cgroups /stats/summary tells of beside those of pods: the kubelet's own, the runtime's and the system's.

/**
 * By upstream's names of the parts. `ownCgroups` is the kubelet's /proc/self/cgroup; a kubelet in the root shares its cgroup
 * with the whole machine, whose figures are no figures of it.
 */
export function systemCgroups(
  { runtime, system }: { readonly runtime: string; readonly system: string },
  ownCgroups: string,
): Readonly<Record<string, string>> {
  const kubelet = cgroupOf(ownCgroups);
  return {
    ...(kubelet === "/" ? {} : { kubelet }),
    ...(runtime ? { runtime } : {}),
    ...(system ? { misc: system } : {}),
  };
}

/** By the memory controller of version 1 where there is one (`4:memory:/path`), else by version 2 (`0::/path`). */
function cgroupOf(table: string): string {
  const rows = table.split("\n").map((line) => /^\d+:([^:]*):(.*)$/.exec(line) ?? []);
  const [, , path] = rows.find(([, names = ""]) => names.split(",").includes("memory")) ?? rows.find(isUnified) ?? [];
  return path ?? "/";
}

function isUnified([row, names]: readonly string[]): boolean {
  return row?.startsWith("0:") === true && names === "";
}
