// One `up` or `down` at a time per state folder: a lock file that names its holder, void once the holder is gone.
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { readJsonFile } from "./cluster-record.ts";
import type { ProcessIdentity } from "./supervisor/process-identity.ts";
import { identifyProcess, isAlive } from "./supervisor/process-identity.ts";
import { UserError } from "./user-error.ts";

/** Throws UserError when another process holds it. */
export function lockState(state: string): Disposable {
  const path = join(state, "lock");
  mkdirSync(state, { recursive: true });
  for (let attempt = 0; attempt < 2; attempt += 1) {
    if (tryCreate(path)) return { [Symbol.dispose]: () => rmSync(path, { force: true }) };
    const holder = readJsonFile<ProcessIdentity>(path);
    if (holder && isAlive(holder)) {
      throw new UserError(`another up or down (pid ${holder.pid}) is at work on ${state}`, "wait for it to end");
    }
    rmSync(path, { force: true });
  }
  throw new UserError(`cannot lock ${path}`, "another up or down has just begun");
}

function tryCreate(path: string): boolean {
  try {
    const file = openSync(path, "wx", 0o600);
    writeSync(file, JSON.stringify(identifyProcess(process.pid)));
    closeSync(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}
