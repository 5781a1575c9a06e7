// "Is the cache as new as the newest write?": one tiny etcd read, shared by all who ask before it is sent.
import type { ChangeFeed } from "./change-feed.ts";
import type { EtcdConnection } from "./etcd-connection.ts";

/**
 * Consistent reads from the cache, as upstream has them since v1.31: a quorum read of one key's count costs etcd next
 * to nothing, whatever the list costs.
 */
export class Freshness {
  private readonly etcd: EtcdConnection;
  private readonly feed: ChangeFeed;
  /** The question whose read has not been sent yet: later callers may join. */
  private gathering: Promise<boolean> | undefined;
  private inFlight: Promise<unknown> = Promise.resolve();
  private ticking: Promise<number> | undefined;

  constructor(etcd: EtcdConnection, feed: ChangeFeed) {
    this.etcd = etcd;
    this.feed = feed;
  }

  /** True once the caches hold everything written before this call; false when etcd itself must be read. */
  fresh(): Promise<boolean> {
    this.gathering ??= this.ask();
    return this.gathering;
  }

  private async ask(): Promise<boolean> {
    // One read at a time, so that under load the requests of a whole round trip share the next one.
    await this.inFlight;
    this.gathering = undefined;
    const seen = this.feed.revision;
    const read = this.readRevision();
    this.inFlight = read.catch(() => {});
    const revision = await read;
    // etcd was restored from a backup: what the caches hold beyond it never happened.
    if (revision < seen) {
      this.feed.historyLost(`etcd is at revision ${revision}, the caches at ${seen}`);
      return false;
    }
    return (await this.feed.reached(revision, WATCH_TIMEOUT_MS)) || (await this.tick(revision));
  }

  private async readRevision(): Promise<number> {
    const key = Buffer.from(`${this.etcd.prefix}/skiff/tick`);
    const answer = await this.etcd.range({ key, countOnly: true });
    return answer.revision;
  }

  // The newest revision may be of a key outside the prefix, whose event never comes. A write of ours comes after it.
  private async tick(revision: number): Promise<boolean> {
    this.ticking ??= this.etcd.put(`${this.etcd.prefix}/skiff/tick`, "").finally(() => {
      this.ticking = undefined;
    });
    await this.ticking;
    return await this.feed.reached(revision, TICK_TIMEOUT_MS);
  }
}

/** Events take a few milliseconds; after this long the newest revision is probably none of ours. */
const WATCH_TIMEOUT_MS = 100;
const TICK_TIMEOUT_MS = 200;
