// Certificates on disk in upstream's layout: PREFIX-<time>.pem with certificate and key, and a link PREFIX-current.pem to the newest.
import { mkdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type KeyPair, keyPairOf } from "./key-pair.ts";

/** One certificate and its predecessors. Other programs may read the link, which always leads to a whole pair. */
export class CertificateStore {
  readonly currentPath: string;
  private readonly dir: string;
  private readonly prefix: string;

  constructor(dir: string, prefix: string) {
    this.dir = dir;
    this.prefix = prefix;
    this.currentPath = join(dir, `${prefix}-current.pem`);
  }

  /** Undefined where there is none yet. Throws an Error that names the file where it is broken. */
  async current(): Promise<KeyPair | undefined> {
    let text: string;
    try {
      text = await readFile(this.currentPath, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
    try {
      return keyPairOf(text, text);
    } catch (error) {
      throw new Error(`could not load ${this.currentPath}: ${(error as Error).message}`, { cause: error });
    }
  }

  /** A crash at any point leaves the old pair or the new one. Older files stay, for whoever still reads them. */
  async update(cert: string, key: string, nowMs: number): Promise<KeyPair> {
    const pair = keyPairOf(cert, key);
    await mkdir(this.dir, { recursive: true, mode: 0o755 });
    // Upstream's form, such as 2025-01-31-12-00-00.
    const time = new Date(nowMs).toISOString().slice(0, 19).replace("T", "-").replaceAll(":", "-");
    const path = join(this.dir, `${this.prefix}-${time}.pem`);
    await writeFile(path, `${cert.trimEnd()}\n${key}`, { mode: 0o600 });
    // A link cannot be changed in place; a rename over it is atomic.
    const next = join(this.dir, `${this.prefix}-updated.pem`);
    await rm(next, { force: true });
    await symlink(path, next);
    await rename(next, this.currentPath);
    return pair;
  }
}
