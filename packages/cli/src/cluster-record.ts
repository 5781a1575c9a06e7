// What `up` decided about a cluster and `down` must know: kept in the state folder, written whole or not at all.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { AddressPlan } from "./network/address-plan.ts";

/** Fixed when the cluster is made: a later `up` without options finds all of it here. */
export interface ClusterRecord {
  readonly version: 1;
  readonly id: string;
  readonly nodes: readonly string[];
  readonly isolated: boolean;
  readonly apiPort: number;
  readonly addresses: AddressPlan;
  readonly snapshotter: "overlayfs" | "native";
}

/** Undefined when there is no cluster in that state folder. */
export function readClusterRecord(path: string): ClusterRecord | undefined {
  return readJsonFile<ClusterRecord>(path);
}

/** Written before anything is made on the machine, so that `down` finds what a crash left. */
export function writeClusterRecord(path: string, record: ClusterRecord): void {
  writeJsonFile(path, record);
}

/** Undefined when the file is absent or was cut short by a crash. */
export function readJsonFile<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as T;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Writes beside the target and renames, so that a reader sees the old text or the new. */
export function writeJsonFile(path: string, value: unknown): void {
  writeFileWhole(path, `${JSON.stringify(value, null, 2)}\n`, 0o600);
}

/** Makes the folders above it. `mode` is that of the file, whatever an earlier one had. */
export function writeFileWhole(path: string, text: string, mode: number): void {
  mkdirSync(dirname(path), { recursive: true });
  const next = `${path}.next`;
  writeFileSync(next, text, { mode });
  renameSync(next, path);
}
