// Keeps etcd's history short: somebody must compact, and of several apiservers exactly one does, every five minutes.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { ChangeFeed } from "./change-feed.ts";
import type { EtcdConnection } from "./etcd-connection.ts";
import type { Kv } from "./kv.ts";

/** Upstream's --etcd-compaction-interval: paged lists and watches can go back five to ten minutes. */
const COMPACTION_INTERVAL_MS = 300_000;

/** Runs until `signal` aborts. What is compacted is at least one interval old. */
export async function runCompactor(
  deps: { etcd: EtcdConnection; feed: ChangeFeed; kv: Kv; clock: Clock; log: Logger },
  signal: AbortSignal,
  intervalMs = COMPACTION_INTERVAL_MS,
): Promise<void> {
  let known = "";
  let before = 0;
  while (!signal.aborted) {
    // What a burst left in the rings goes as well, one interval later.
    for (const cache of deps.feed.allCaches()) cache.trim(before);
    before = deps.feed.revision;
    try {
      known = await compactOnce(deps, known, signal);
    } catch (error) {
      if (!signal.aborted) deps.log.warn({ err: error }, "compaction failed, trying again later");
    }
    await deps.clock.sleep(intervalMs, signal).catch(() => {});
  }
}

/** One round: whoever moves the record compacts at the revision it held before. Returns the record's revision. */
async function compactOnce(
  { etcd, feed, kv, log }: { etcd: EtcdConnection; feed: ChangeFeed; kv: Kv; log: Logger },
  known: string,
  signal: AbortSignal,
): Promise<string> {
  const record = await kv.get(KEY, signal);
  const current = record?.revision ?? "0";
  // Somebody moved the record since our last look: this interval is theirs.
  if (record && current !== known) return current;
  if (!(await kv.compareAndSwap(KEY, current, String(feed.revision), signal))) return "";
  const moved = (await kv.get(KEY, signal))?.revision ?? "";
  const target = Number(record?.value ?? 0);
  if (target > 0) {
    await etcd.compact(target);
    log.debug({ revision: target }, "compacted etcd");
  }
  return moved;
}

/** Its value is the revision to compact at next time, its own revision says whether somebody else has moved it. */
const KEY = "skiff/compaction";
