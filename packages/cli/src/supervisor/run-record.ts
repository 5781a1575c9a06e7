// What is known about each supervised program, one JSON file each: enough for another supervisor to adopt it.
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { readJsonFile, writeJsonFile } from "../cluster-record.ts";
import type { ProcessIdentity } from "./process-identity.ts";

/** The folder lies on disk, so the boot's id in `process` tells a record of before a reboot. */
export interface RunRecord {
  /** Such as `etcd` or `node-1/kubelet`. */
  readonly key: string;
  readonly process: ProcessIdentity;
  /** RFC 3339. */
  readonly startedAt: string;
  /** Starts since the supervisor took it on, less one. */
  readonly restarts: number;
}

/** Undefined for a program that was never started, or was stopped by `down`. */
export function readRunRecord(runFolder: string, key: string): RunRecord | undefined {
  return readJsonFile<RunRecord>(pathOf(runFolder, key));
}

/** Replaces the record as a whole. */
export function writeRunRecord(runFolder: string, record: RunRecord): void {
  mkdirSync(runFolder, { recursive: true });
  writeJsonFile(pathOf(runFolder, record.key), record);
}

/** One that is not there is fine. */
export function removeRunRecord(runFolder: string, key: string): void {
  rmSync(pathOf(runFolder, key), { force: true });
}

/** All records of a cluster, the supervisor's own among them. */
export function listRunRecords(runFolder: string): RunRecord[] {
  try {
    return readdirSync(runFolder)
      .filter((file) => file.endsWith(".json"))
      .flatMap((file) => readJsonFile<RunRecord>(join(runFolder, file)) ?? []);
  } catch {
    return [];
  }
}

function pathOf(runFolder: string, key: string): string {
  return join(runFolder, `${key.replace("/", ".")}.json`);
}
