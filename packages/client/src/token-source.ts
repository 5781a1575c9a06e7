// The bearer token of a client: fixed, or a file that is read again when it changes.
import { readFile, stat } from "node:fs/promises";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { ClientConfig } from "./config.ts";

/** Files are looked at again after this long; a token lives for at least ten minutes, and is replaced well before its end. */
const RECHECK_MS = 10_000;

/** A stat every few seconds instead of a watch: tokens are replaced through symbolic links, which watches miss. */
export class TokenSource {
  private readonly path: string | undefined;
  private readonly clock: Clock;
  private token: string | undefined;
  private changedMs = -1;
  private checkedAt = Number.NEGATIVE_INFINITY;

  constructor(config: Pick<ClientConfig, "token" | "tokenFile">, clock: Clock) {
    this.path = config.tokenFile;
    this.token = config.token;
    this.clock = clock;
  }

  /** The token to send now; keeps the last good one while the file cannot be read. */
  async current(): Promise<string | undefined> {
    if (!this.path || this.clock.monotonic() - this.checkedAt < RECHECK_MS) return this.token;
    try {
      const { mtimeMs } = await stat(this.path);
      if (mtimeMs !== this.changedMs) {
        this.token = (await readFile(this.path, "utf8")).trim();
        this.changedMs = mtimeMs;
      }
    } catch (error) {
      if (this.token === undefined) throw new Error(`token file ${this.path} cannot be read`, { cause: error });
    }
    this.checkedAt = this.clock.monotonic();
    return this.token;
  }

  /** Makes the next call look at the file: the server refused the token. True when there is a file to look at. */
  refused(): boolean {
    this.checkedAt = Number.NEGATIVE_INFINITY;
    return this.path !== undefined;
  }
}
