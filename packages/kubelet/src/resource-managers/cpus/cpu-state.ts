// cpu_manager_state: which processors are whose, in upstream's form. Pure.
import { checksumOf, goText } from "../../checkpoints/checksum.ts";
import type { CpuSet } from "./cpu-set.ts";
import { formatCpuSet, parseCpuSet } from "./cpu-set.ts";

/** What the file says, whichever kubelet wrote it. */
export interface CpuState {
  /** Shared by all containers that have none of their own. */
  readonly shared: CpuSet;
  /** Pod UID → container → processors. */
  readonly assignments: ReadonlyMap<string, ReadonlyMap<string, CpuSet>>;
}

/** The file's text with its checksum. */
export function encodeCpuState(policy: string, { shared, assignments }: CpuState): string {
  const entries = Object.fromEntries(
    [...assignments].map(([uid, containers]) => [
      uid,
      Object.fromEntries([...containers].map(([name, cpus]) => [name, formatCpuSet(cpus)])),
    ]),
  );
  const defaultCpuSet = formatCpuSet(shared);
  const checksum = checksumOfState(policy, defaultCpuSet, entries);
  return JSON.stringify({ policyName: policy, defaultCpuSet, ...(assignments.size > 0 ? { entries } : {}), checksum });
}

type Entries = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Throws upstream's words where the file is another policy's, or damaged. */
export function decodeCpuState(text: string, policy: string): CpuState {
  const file = JSON.parse(text) as { policyName: string; defaultCpuSet: string; entries?: Entries; checksum: number };
  const { policyName, defaultCpuSet, entries = {}, checksum } = file;
  if (policyName !== policy) {
    throw new Error(
      `configured policy ${JSON.stringify(policy)} differs from state checkpoint policy ${JSON.stringify(policyName)}`,
    );
  }
  if (checksumOfState(policyName, defaultCpuSet, entries) !== checksum) throw new Error("checkpoint is corrupted");
  const containersOf = (containers: Readonly<Record<string, string>>) =>
    new Map(Object.entries(containers).map(([name, cpus]) => [name, parseCpuSet(cpus)]));
  return {
    shared: parseCpuSet(defaultCpuSet),
    assignments: new Map(Object.entries(entries).map(([uid, containers]) => [uid, containersOf(containers)])),
  };
}

function checksumOfState(policy: string, defaultCpuSet: string, entries: Entries): number {
  const texts = (record: Readonly<Record<string, string>>) => ({
    type: "map[string]string",
    entries: new Map(Object.entries(record).map(([name, cpus]) => [name, goText(cpus)])),
  });
  const type = "map[string]map[string]string";
  return checksumOf({
    type: "*state.CPUManagerCheckpoint",
    fields: [
      ["PolicyName", goText(policy)],
      ["DefaultCPUSet", goText(defaultCpuSet)],
      ["Entries", { type, entries: new Map(Object.entries(entries).map(([uid, one]) => [uid, texts(one)])) }],
      // Upstream computes the sum over the object with the sum itself at zero.
      ["Checksum", goText(0, "checksum.Checksum")],
    ],
  });
}
