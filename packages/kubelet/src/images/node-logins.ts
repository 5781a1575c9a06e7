// The node's own logins to registries: Docker's configuration files where upstream's kubelet looks for them.
import { open } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { parseImageReference } from "./image-reference.ts";
import type { Login, PullLogin } from "./pull-secrets.ts";
import { loginsOfConfig, matchingLogins } from "./pull-secrets.ts";

/** Far more than any list of logins. */
const MAX_FILE_BYTES = 1024 * 1024;

export class NodeLogins {
  private readonly files: readonly string[];

  /** `rootDir` is the kubelet's --root-dir, which comes first. */
  constructor(rootDir: string, workDir = process.cwd(), home = homedir(), top = "/") {
    const current = [rootDir, workDir, join(home, ".docker"), join(top, ".docker")].map((dir) =>
      join(dir, "config.json"),
    );
    const legacy = [rootDir, workDir, home, top].map((dir) => join(dir, ".dockercfg"));
    this.files = [...current, ...legacy];
  }

  /** Those of the first file that there is. It is read for each pull, so that a login that was renewed counts at once. */
  async credentialsFor(image: string): Promise<PullLogin[]> {
    for (const file of this.files) {
      const logins = await readLogins(file);
      if (!logins) continue;
      const { registry, repository } = parseImageReference(image);
      return matchingLogins(`${registry}/${repository}`, logins);
    }
    return [];
  }
}

/** Undefined for what is no such file, or no Docker configuration: then the next place counts. */
async function readLogins(path: string): Promise<Login[] | undefined> {
  try {
    await using file = await open(path);
    const { size } = await file.stat();
    if (size > MAX_FILE_BYTES) return undefined;
    return loginsOfConfig(await file.readFile("utf8"), path.endsWith(".dockercfg"));
  } catch {
    // Most nodes have none of these files.
    return undefined;
  }
}
