// The apiserver's own small records in etcd: allocators, masters, the compaction agreement.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { EtcdConnection } from "./etcd-connection.ts";
import type { Kv, KvRecord } from "./kv.ts";

/** Reads go to etcd each time: these records decide what is handed out, and a cache may be behind. */
export class EtcdKv implements Kv {
  private readonly etcd: EtcdConnection;
  private readonly clock: Clock;
  private readonly log: Logger;

  constructor(etcd: EtcdConnection, deps: { clock: Clock; log: Logger }) {
    this.etcd = etcd;
    this.clock = deps.clock;
    this.log = deps.log;
  }

  async get(key: string, signal: AbortSignal): Promise<KvRecord | undefined> {
    signal.throwIfAborted();
    const answer = await this.etcd.range({ key: this.path(key) });
    const kv = answer.kvs[0];
    return kv && { value: kv.value.toString(), revision: String(kv.modRevision) };
  }

  async compareAndSwap(key: string, expectedRevision: string, value: string, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    const swap = { key: this.path(key), expectedRevision: Number(expectedRevision), value: Buffer.from(value) };
    return (await this.etcd.swap({ ...swap, readOnFailure: false }, "update")).succeeded;
  }

  async remove(key: string, expectedRevision: string, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    const swap = { key: this.path(key), expectedRevision: Number(expectedRevision), value: undefined };
    return (await this.etcd.swap({ ...swap, readOnFailure: false }, "delete")).succeeded;
  }

  async list(prefix: string, signal: AbortSignal): Promise<readonly (KvRecord & { readonly key: string })[]> {
    signal.throwIfAborted();
    const from = this.path(prefix);
    const to = Buffer.from(from);
    // The first key after all that start with the prefix.
    to[to.length - 1] = (to.at(-1) ?? 0) + 1;
    const answer = await this.etcd.range({ key: from, rangeEnd: to });
    return answer.kvs.map((kv) => ({
      key: kv.key.toString().slice(this.etcd.prefix.length + 1),
      value: kv.value.toString(),
      revision: String(kv.modRevision),
    }));
  }

  async keepAlive(key: string, value: string, ttlSeconds: number, signal: AbortSignal): Promise<void> {
    let lease: string | undefined;
    while (!signal.aborted) {
      try {
        if (!lease || !(await this.etcd.renewLease(lease))) {
          lease = await this.etcd.grantLease(ttlSeconds);
          await this.etcd.put(this.path(key).toString(), value, lease);
        }
        // Two renewals may fail before the record is lost.
        await this.clock.sleep((ttlSeconds * 1000) / 3, signal).catch(() => {});
      } catch (error) {
        this.log.warn({ err: error, key }, "cannot keep a record alive, retrying");
        await this.clock.sleep(RETRY_MS, signal).catch(() => {});
      }
    }
    // Leaving at once beats making everybody wait for the time to live.
    if (lease) await this.etcd.revokeLease(lease).catch(() => {});
  }

  private path(key: string): Buffer {
    return Buffer.from(`${this.etcd.prefix}/${key}`);
  }
}

const RETRY_MS = 1000;
