// Small shared records of the apiserver itself under its etcd prefix (allocators, masters, compaction): not API objects.

/** A value and what to compare the next write with. */
export interface KvRecord {
  /** UTF-8 text. */
  readonly value: string;
  /** mod_revision, as decimal text; "0" when the key does not exist. */
  readonly revision: string;
}

/** Keys are relative to the prefix, without a leading slash: `ranges/serviceips`. */
export interface Kv {
  get(key: string, signal: AbortSignal): Promise<KvRecord | undefined>;
  /** Writes only if the key's mod_revision is still `expectedRevision` ("0": must not exist). False when it is not. */
  compareAndSwap(key: string, expectedRevision: string, value: string, signal: AbortSignal): Promise<boolean>;
  /** Removes the key if its mod_revision is still `expectedRevision`. False when it is not. */
  remove(key: string, expectedRevision: string, signal: AbortSignal): Promise<boolean>;
  /** Keys and values below `prefix`. */
  list(prefix: string, signal: AbortSignal): Promise<readonly (KvRecord & { readonly key: string })[]>;
  /** Keeps `key` with `value` alive until the signal aborts; it vanishes `ttlSeconds` after the process dies. */
  keepAlive(key: string, value: string, ttlSeconds: number, signal: AbortSignal): Promise<void>;
}
