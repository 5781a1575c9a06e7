// Gives each pod with users of its own (`hostUsers: false`) a range of the node's user ids that no other pod has.
import { open, readdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import type { Pod } from "@skiff/api/types.ts";
import type { CriClient } from "../cri/cri-client.ts";
import type { UserNamespace } from "../cri/types.ts";
import type { PodPaths } from "../pod-paths.ts";
import type { IdPool } from "./id-pool.ts";
import { firstFree, type IdRange, readRange, writeRange } from "./id-pool.ts";

export interface PodUserNamespacesDeps {
  readonly cri: Pick<CriClient, "status">;
  readonly paths: PodPaths;
  /** What may be given away; looked up with the first pod that wants some. */
  pool(): Promise<IdPool>;
  /** A place in the pool to look for a free range from. */
  random(count: number): number;
}

/** Upstream's file in the pod's folder; the range is free again once the folder is gone. */
const FILE = "userns";

/**
 * The files alone say which ranges are taken: a restarted kubelet has nothing to learn, and a pod whose folder was removed
 * has nothing to give back.
 */
export class PodUserNamespaces {
  private readonly deps: PodUserNamespacesDeps;
  private last: Promise<unknown> = Promise.resolve();

  constructor(deps: PodUserNamespacesDeps) {
    this.deps = deps;
  }

  /** For a sandbox that is to be made; rejects in upstream's words where the runtime's handler cannot. */
  async create(pod: Pod, runtimeHandler: string): Promise<UserNamespace> {
    await this.refuseUnable(runtimeHandler);
    const uid = pod.metadata.uid ?? "";
    const range = this.last.then(() => this.rangeOf(uid));
    this.last = range.catch(() => {});
    return userNamespaceOf(await range);
  }

  /** Of a pod that has its sandbox already. */
  async get(pod: Pod): Promise<UserNamespace> {
    const uid = pod.metadata.uid ?? "";
    const range = await this.read(uid);
    if (!range) throw new Error(`user namespace of pod ${uid} is not known`);
    return userNamespaceOf(range);
  }

  private async refuseUnable(runtimeHandler: string): Promise<void> {
    const { runtimeHandlers } = await this.deps.cri.status();
    const handler = runtimeHandlers.find(({ name }) => name === runtimeHandler);
    if (handler?.features?.userNamespaces) return;
    const who = runtimeHandler ? `RuntimeClass handler "${runtimeHandler}"` : "runtime";
    const why = handler ? "" : `: the handler "${runtimeHandler}" is not known`;
    throw new Error(`can't set \`spec.hostUsers: false\`, ${who} does not support user namespaces${why}`);
  }

  private async rangeOf(uid: string): Promise<IdRange> {
    const own = await this.read(uid);
    if (own) return own;
    const found = await Promise.all((await readdir(this.deps.paths.pods)).map((other) => this.read(other)));
    const taken = found.filter((range) => range !== undefined);
    const pool = await this.deps.pool();
    const range = firstFree(pool, taken, this.deps.random(pool.count));
    await this.write(uid, range);
    return range;
  }

  /** Undefined where the pod has none. */
  private async read(uid: string): Promise<IdRange | undefined> {
    try {
      return readRange(await readFile(join(this.deps.paths.pod(uid), FILE), "utf8"));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      throw new Error(`user namespace of pod ${uid}: ${(error as Error).message}`, { cause: error });
    }
  }

  /** On the disk before it is used: after a crash of the machine the range must not seem free while files have its owner. */
  private async write(uid: string, range: IdRange): Promise<void> {
    const dir = this.deps.paths.pod(uid);
    const temporary = join(dir, `.${FILE}.new`);
    await using file = await open(temporary, "w", 0o600);
    await file.writeFile(writeRange(range));
    await file.sync();
    await rename(temporary, join(dir, FILE));
    await using folder = await open(dir, "r");
    await folder.sync();
  }
}

function userNamespaceOf(range: IdRange): UserNamespace {
  return { mode: "POD", uids: [range], gids: [range] };
}
