// Objects in etcd: consistent reads from the caches, and compare-and-swap writes that start from the cached copy.
import { ApiError, gone, internalError } from "@skiff/api/errors.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import type { ChangeFeed } from "./change-feed.ts";
import type { KeyValue, SwapResponse } from "./etcd/messages.ts";
import type { EtcdConnection } from "./etcd-connection.ts";
import type { Freshness } from "./freshness.ts";
import type { LeasePool } from "./lease-pool.ts";
import type { ResourceCache, Scope } from "./resource-cache.ts";
import {
  decodeFromStorage,
  encodeStoredForm,
  type StorageKind,
  type StoredObject,
  storedForm,
} from "./stored-object.ts";

/** What to do with an object, decided from its present state. `undo` gives back what was taken if the write fails. */
export type WriteDecision =
  | {
      readonly type: "put";
      readonly object: KubeObject;
      readonly ttlSeconds?: number | undefined;
      readonly undo?: (() => Promise<void>) | undefined;
    }
  | { readonly type: "delete" }
  | { readonly type: "keep" };

/** What became of it. `previous` is what was there before, for hooks that give back what it held. */
export type WriteOutcome =
  | { readonly type: "put"; readonly stored: StoredObject; readonly previous: StoredObject | undefined }
  | { readonly type: "delete"; readonly previous: StoredObject; readonly revision: number }
  | { readonly type: "keep"; readonly current: StoredObject | undefined };

/** Decides from the present object (undefined: there is none). May throw to refuse; runs again when the object moved. */
export type Decide = (current: StoredObject | undefined) => WriteDecision | Promise<WriteDecision>;

/** Part of a list, at one revision. */
export interface ObjectPage {
  readonly objects: StoredObject[];
  readonly revision: number;
  /** Key to go on from, when there is more. */
  readonly next: string | undefined;
  readonly remaining: number | undefined;
}

/**
 * Reads and writes of API objects. No lock is held anywhere: what keeps two writers apart is etcd's comparison of the
 * revision, as in upstream's GuaranteedUpdate.
 */
export class ObjectStorage {
  readonly feed: ChangeFeed;
  private readonly etcd: EtcdConnection;
  private readonly freshness: Freshness;
  private readonly leases: LeasePool;

  constructor(deps: { etcd: EtcdConnection; feed: ChangeFeed; freshness: Freshness; leases: LeasePool }) {
    this.etcd = deps.etcd;
    this.feed = deps.feed;
    this.freshness = deps.freshness;
    this.leases = deps.leases;
  }

  cacheOf(kind: StorageKind): ResourceCache {
    return this.feed.cacheOf(kind);
  }

  /** The newest state, from memory where that is provably as new. */
  async get(kind: StorageKind, key: string): Promise<StoredObject | undefined> {
    if (await this.freshness.fresh()) return this.cacheOf(kind).get(key);
    return await this.getFromEtcd(kind, key);
  }

  /** A linearizable read: etcd asks its quorum. */
  async getFromEtcd(kind: StorageKind, key: string): Promise<StoredObject | undefined> {
    const answer = await this.etcd.range({ key: this.path(kind, key) });
    return answer.kvs[0] && this.decode(kind, answer.kvs[0]);
  }

  /** The newest state of a scope. */
  async list(kind: StorageKind, scope: Scope): Promise<{ objects: StoredObject[]; revision: number }> {
    if (await this.freshness.fresh()) {
      const cache = this.cacheOf(kind);
      return { objects: cache.list(scope), revision: cache.revision };
    }
    const page = await this.listFromEtcd(kind, scope, {});
    return { objects: page.objects, revision: page.revision };
  }

  /** Makes sure that the cache holds everything written so far; false when it cannot be known. */
  fresh(): Promise<boolean> {
    return this.freshness.fresh();
  }

  /** Reads a scope from etcd, at a revision where one is given; throws 410 when that has been compacted. */
  async listFromEtcd(
    kind: StorageKind,
    scope: Scope,
    options: { revision?: number; from?: string; limit?: number },
  ): Promise<ObjectPage> {
    const base = `${this.etcd.prefix}/${kind.directory}/`;
    const range = rangeOf(base, scope, options.from ?? "");
    const answer = await this.etcd
      .range({
        ...range,
        revision: options.revision ?? 0,
        limit: options.limit ?? 0,
      })
      .catch((error: unknown) => {
        throw isCompacted(error) ? gone("The resourceVersion for the provided list is too old.") : error;
      });
    const objects = answer.kvs.map((kv) => this.decode(kind, kv));
    const wanted = scope.type === "index" ? objects.filter((object) => inIndex(object, scope.value)) : objects;
    const last = objects.at(-1);
    return {
      objects: wanted,
      revision: options.revision ?? answer.revision,
      next: answer.more && last ? `${last.key}\0` : undefined,
      remaining: answer.more ? answer.count - objects.length : undefined,
    };
  }

  /** Stores a new object; undefined when the key is taken. */
  async create(
    kind: StorageKind,
    key: string,
    object: KubeObject,
    ttlSeconds?: number,
  ): Promise<StoredObject | undefined> {
    const outcome = await this.put(kind, key, 0, object, ttlSeconds, "create");
    return outcome.stored;
  }

  /**
   * Reads, decides and writes until the write meets the object that it was decided on. The first try trusts the cache;
   * a refusal or a no-op that a stale copy may have caused is decided again from a fresh one.
   */
  async write(kind: StorageKind, key: string, decide: Decide): Promise<WriteOutcome> {
    let current = this.cacheOf(kind).get(key);
    let isFresh = false;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      let decision: WriteDecision;
      try {
        // "Not found" must never be said from a cache that may be behind.
        if (!current && !isFresh) throw STALE;
        decision = await decide(current);
        if (decision.type === "keep" && !isFresh) throw STALE;
      } catch (error) {
        if (isFresh) throw error;
        const before = current;
        current = await this.get(kind, key);
        isFresh = true;
        // The same object would be judged the same way again.
        if (error !== STALE && before && current?.revision === before.revision) throw error;
        continue;
      }
      if (decision.type === "keep") return { type: "keep", current };
      const result = await this.attempt(kind, key, current, decision);
      if (result.outcome) return result.outcome;
      current = result.current;
      isFresh = true;
    }
    throw new ApiError(409, "Conflict", `too many concurrent writes to ${kind.directory} "${key}"`);
  }

  private async attempt(
    kind: StorageKind,
    key: string,
    current: StoredObject | undefined,
    decision: Exclude<WriteDecision, { type: "keep" }>,
  ): Promise<{ outcome?: WriteOutcome; current: StoredObject | undefined }> {
    if (decision.type === "delete") {
      if (!current) throw internalError("nothing to delete");
      const answer = await this.remove(kind, key, current.revision);
      if (!answer.succeeded) return { current: this.currentOf(kind, answer) };
      const revision = answer.revision;
      return { outcome: { type: "delete", previous: current, revision }, current: undefined };
    }
    const { object, ttlSeconds } = decision;
    // A write that broke off may have been made all the same, so only a refused one is undone:
    // giving back an address that a Service holds would hand it out twice, while the allocators' repair finds what leaked.
    const result = await this.put(kind, key, current?.revision ?? 0, object, ttlSeconds, "update");
    if (result.stored) {
      return { outcome: { type: "put", stored: result.stored, previous: current }, current: undefined };
    }
    await decision.undo?.();
    return { current: result.current };
  }

  private async put(
    kind: StorageKind,
    key: string,
    expectedRevision: number,
    object: KubeObject,
    ttlSeconds: number | undefined,
    operation: string,
  ): Promise<{ stored?: StoredObject; current?: StoredObject | undefined }> {
    const path = this.path(kind, key);
    const form = storedForm(kind, object);
    const value = encodeStoredForm(form);
    // Events go away by themselves: etcd deletes what a lease holds when it ends.
    const lease = ttlSeconds ? await this.leases.leaseFor(ttlSeconds) : undefined;
    const readOnFailure = expectedRevision > 0;
    const { ownWrites } = this.cacheOf(kind);
    // Its event then shares the object that was encoded here, instead of parsing it again.
    const write = ownWrites.begin(key, value, form);
    let succeeded = false;
    try {
      const answer = await this.etcd.swap({ key: path, expectedRevision, value, lease, readOnFailure }, operation);
      succeeded = answer.succeeded;
      return succeeded
        ? { stored: ownWrites.finish(write, answer.revision) }
        : { current: this.currentOf(kind, answer) };
    } finally {
      if (!succeeded) ownWrites.abandon(write);
    }
  }

  private remove(kind: StorageKind, key: string, expectedRevision: number): Promise<SwapResponse> {
    const swap = { key: this.path(kind, key), expectedRevision, value: undefined, readOnFailure: true };
    return this.etcd.swap(swap, "delete");
  }

  private currentOf(kind: StorageKind, answer: SwapResponse): StoredObject | undefined {
    return answer.current && this.decode(kind, answer.current);
  }

  private decode(kind: StorageKind, kv: KeyValue): StoredObject {
    const key = kv.key.toString("utf8", this.etcd.prefix.length + kind.directory.length + 2);
    return decodeFromStorage(kind, key, kv.modRevision, kv.value);
  }

  private path(kind: StorageKind, key: string): Buffer {
    return Buffer.from(`${this.etcd.prefix}/${kind.directory}/${key}`);
  }
}

// 32 writers on one object lose at most 31 times each before they win.
const MAX_ATTEMPTS = 200;

/** Never leaves this file: it only says that the next try needs a fresh object. */
const STALE = new Error("decided on a cached copy");

/** etcd's ranges end before `rangeEnd`; "0" is the character after "/", so the range ends with the directory. */
function rangeOf(base: string, scope: Scope, from: string): { key: Buffer; rangeEnd?: Buffer } {
  if (scope.type === "key") return { key: Buffer.from(base + scope.key) };
  const root = scope.type === "namespace" ? `${base}${scope.namespace}/` : base;
  const wanted = base + from;
  const [, start = root] = [root, wanted].sort();
  return { key: Buffer.from(start), rangeEnd: Buffer.from(`${root.slice(0, -1)}0`) };
}

function inIndex(object: StoredObject, value: string): boolean {
  return object.field("spec.nodeName") === value;
}

function isCompacted(error: unknown): boolean {
  return error instanceof Error && error.message.includes("required revision has been compacted");
}
