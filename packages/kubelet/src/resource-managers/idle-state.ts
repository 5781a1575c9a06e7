// The state files of the policies that give nothing out: they say so, and an earlier policy's is not passed over.
import { join } from "node:path";
import type { CheckpointFile } from "../checkpoints/checkpoint-file.ts";

interface IdleState {
  readonly file: string;
  readonly what: string;
  readonly policy: string;
  /** Upstream's file of that policy, checksum included. */
  readonly text: string;
}

/** The texts are constant, so their checksums are too. */
export const IDLE_CPU: IdleState = {
  file: "cpu_manager_state",
  what: "CPU",
  policy: "none",
  text: '{"policyName":"none","defaultCpuSet":"","checksum":1353318690}',
};

export const IDLE_MEMORY: IdleState = {
  file: "memory_manager_state",
  what: "memory",
  policy: "None",
  text: '{"policyName":"None","machineState":{},"checksum":4236770233}',
};

/** Where managers keep their state. */
export interface StateFiles {
  readonly rootDir: string;
  /** The state file of that name in the folder. */
  open(name: string): CheckpointFile;
}

/** Throws where the file is another policy's: its containers may still have what it gave them. */
export async function keepIdle({ file, what, policy, text }: IdleState, { rootDir, open }: StateFiles): Promise<void> {
  const path = join(rootDir, file);
  const checkpoint = open(file);
  const found = await checkpoint.read();
  if (found === undefined) return checkpoint.save(text);
  const { policyName } = JSON.parse(found) as { policyName?: string };
  if (policyName === policy) return;
  const why = `configured policy ${JSON.stringify(policy)} differs from state checkpoint policy ${JSON.stringify(policyName)}`;
  throw stateError(what, path, new Error(why));
}

/** What an operator must do about a state file that cannot be gone on from. */
export function stateError(what: string, path: string, cause: Error): Error {
  return new Error(
    `could not restore state from checkpoint: ${cause.message}, please drain this node and delete the ${what} manager checkpoint file ${JSON.stringify(path)} before restarting Kubelet`,
    { cause },
  );
}
