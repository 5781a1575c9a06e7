// `skiff compose-init`: makes the certificates of the cluster in containers, and gives each container only what it needs.
import { chownSync, copyFileSync, existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Clock } from "@skiff/component-base/clock.ts";
import { ensurePki, readdressKubeconfig } from "../pki/cluster-pki.ts";
import { UserError } from "../user-error.ts";
import { apiServerUrl, CONTAINERS, composeNames, credentialsOf } from "./compose-cluster.ts";

/** From the compose file, which fills in what the person chose. */
export interface ComposeInitRequest {
  readonly state: string;
  readonly subnet: string;
  readonly apiPort: number;
}

/** Leaves what is good as it is. The folders `compose/NAME` below the state are mounted into the containers. */
export async function composeInit(
  { state, subnet, apiPort }: ComposeInitRequest,
  { clock }: { clock: Clock },
): Promise<number> {
  if (existsSync(join(state, "cluster.json"))) {
    throw new UserError(
      "the state folder belongs to a cluster of `up`",
      "give compose another one: SKIFF_STATE=./.skiff-compose",
    );
  }
  const root = join(state, "compose");
  const whole = { pki: join(root, "all", "pki"), kubeconfigs: join(root, "all", "kubeconfigs") };
  mkdirSync(join(root, "all"), { recursive: true, mode: 0o700 });
  const server = apiServerUrl(subnet);
  const made = await ensurePki(whole, composeNames(subnet), server, clock.now());
  for (const container of CONTAINERS) {
    // An old file that is no longer named must not stay.
    const folder = join(root, container.name);
    rmSync(join(folder, "pki"), { recursive: true, force: true });
    rmSync(join(folder, "kubeconfigs"), { recursive: true, force: true });
    for (const file of credentialsOf(container)) copyInto(folder, join(root, "all"), file);
  }
  const kubeconfig = join(state, "kubeconfig");
  const admin = join(whole.kubeconfigs, "admin.conf");
  readdressKubeconfig(admin, kubeconfig, server, `https://127.0.0.1:${apiPort}`);
  // Whoever owns the folder on the host can use the cluster, and needs no sudo for it.
  const { uid, gid } = statSync(state);
  chownSync(kubeconfig, uid, gid);
  process.stdout.write(`${made > 0 ? `${made} certificates made` : "all certificates are fresh"}\n`);
  return 0;
}

// copyFile keeps the mode: a key stays readable by root alone.
function copyInto(folder: string, from: string, file: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true, mode: 0o755 });
  copyFileSync(join(from, file), join(folder, file));
}
