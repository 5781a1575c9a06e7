// Serves the stored resources: finds the kind and the verb of a request and hands it to the function for it.

import type { Duplex } from "node:stream";
import { methodNotAllowed, notFound } from "@skiff/api/errors.ts";
import type { Answer } from "../http/endpoint.ts";
import type { Exchange } from "../http/exchange.ts";
import { negotiate } from "../http/negotiate.ts";
import type { RequestInfo } from "../http/request-info.ts";
import type { ResourceServer } from "../http/router.ts";
import type { StorageKind } from "../storage/stored-object.ts";
import { applyObject, isApply } from "./apply-object.ts";
import { encodeObject } from "./encode-object.ts";
import { type ListDeps, listObjects, waitForRevision } from "./list-objects.ts";
import { readRevision } from "./list-parameters.ts";
import { bindPod } from "./pod-binding.ts";
import { evictPod } from "./pod-eviction.ts";
import type { ResourceTable } from "./resource-table.ts";
import {
  deleteCollection,
  deleteOne,
  keyOf,
  patchObject,
  postObject,
  putObject,
  type RestWriteDeps,
} from "./rest-writes.ts";
import { serveScale } from "./scale.ts";
import { deprecationOf } from "./served-version.ts";
import { upgradeWatch } from "./upgrade-watch.ts";
import { type WatchDeps, watchObjects } from "./watch-objects.ts";

/** What reads, writes and watches need, together with the table that finds the kind of a URL. */
export type RestDeps = RestWriteDeps & ListDeps & WatchDeps & { readonly resources: ResourceTable };

/** Every kind is served by the same code; what differs is in its definition: verbs, subresources, rules. */
export class RestServer implements ResourceServer {
  private readonly deps: RestDeps;

  constructor(deps: RestDeps) {
    this.deps = deps;
  }

  /** Whether the path is the registry's: the router asks the servers in turn, and a path of none is 404. */
  serves(info: RequestInfo): boolean {
    if (isLegacyBinding(info)) return true;
    const kind = this.deps.resources.find(info);
    return kind !== undefined && (info.subresource === "" || hasSubresource(kind, info.subresource));
  }

  async handle(exchange: Exchange): Promise<Answer> {
    const { info } = exchange;
    // Before anything is stored: an answer that the client cannot take must not be the answer to a write.
    if (!READS.has(info.verb)) negotiate(exchange.raw.headers, exchange.query, VIEWS);
    if (isLegacyBinding(info)) return await this.bind(exchange, this.deps.resources.require("", "pods"));
    const kind = this.deps.resources.find(info);
    if (!kind) throw notFound({ group: info.group, plural: info.resource }, info.name);
    const ofKind = DEPRECATIONS.get(kind.directory);
    const deprecation = deprecationOf(kind, info) ?? (ofKind && { warning: ofKind, removedRelease: "" });
    if (deprecation) tellDeprecation(exchange, deprecation);
    if (info.subresource === "") return await this.object(kind, exchange);
    return await this.subresource(kind, exchange);
  }

  /** A watch over WebSocket, for browsers: one text frame for each event. */
  async upgrade(exchange: Exchange, socket: Duplex, head: Buffer): Promise<void> {
    const kind = this.watchable(exchange);
    await upgradeWatch(this.deps, kind, exchange, socket, head);
  }

  /** Watches are GETs of kinds that can be watched; the older /watch/… paths say so with any method. */
  private watchable({ info, raw }: Exchange): StorageKind {
    const kind = this.deps.resources.find(info);
    if (!kind) throw notFound({ group: info.group, plural: info.resource }, info.name);
    const { verbs } = kind.definition;
    const isRead = raw.method === "GET" || raw.method === "HEAD";
    const isServed = !verbs || verbs.includes("watch");
    if (!isRead || !isServed || info.subresource) throw methodNotAllowed();
    return kind;
  }

  private async object(kind: StorageKind, exchange: Exchange): Promise<Answer> {
    const { verb } = exchange.info;
    const allowed = kind.definition.verbs;
    if (allowed && !allowed.some((known) => known === verb)) throw methodNotAllowed();
    switch (verb) {
      case "get":
        return await this.get(kind, exchange);
      case "list":
        return await listObjects(this.deps, kind, exchange);
      case "watch":
        return await watchObjects(this.deps, this.watchable(exchange), exchange);
      case "create":
        // POST is for collections: the name is in the body.
        if (exchange.info.name) throw methodNotAllowed();
        return await postObject(this.deps, kind, exchange);
      case "deletecollection":
        // Nobody empties all namespaces in one request, as much as a slip of a URL may ask for it.
        if (kind.definition.namespaced && !exchange.info.namespace) throw methodNotAllowed();
        return await deleteCollection(this.deps, kind, exchange);
      default:
        return await this.write(kind, exchange);
    }
  }

  /** The verbs that need a name, on the object or on a subresource that is another way of writing it. */
  private async write(kind: StorageKind, exchange: Exchange): Promise<Answer> {
    const { verb, name, subresource } = exchange.info;
    if (!name) throw methodNotAllowed();
    if (verb === "update") return await putObject(this.deps, kind, exchange);
    if (verb === "patch") return await (isApply(exchange) ? applyObject : patchObject)(this.deps, kind, exchange);
    if (verb === "delete" && !subresource) return await deleteOne(this.deps, kind, exchange);
    throw methodNotAllowed();
  }

  private async subresource(kind: StorageKind, exchange: Exchange): Promise<Answer> {
    const { subresource, verb } = exchange.info;
    const { definition } = kind;
    if (subresource === "binding") {
      if (verb !== "create") throw methodNotAllowed();
      return await this.bind(exchange, kind);
    }
    if (subresource === "eviction") {
      if (verb !== "create") throw methodNotAllowed();
      return await evictPod(this.deps, kind, exchange);
    }
    if (subresource === "scale" && definition.scale) {
      if (!SCALE_VERBS.has(verb)) throw methodNotAllowed();
      return await serveScale(this.deps, kind, definition.scale, exchange);
    }
    const allowed = definition.subresources.find((known) => known.name === subresource)?.verbs;
    if (allowed && !allowed.some((known) => known === verb)) throw methodNotAllowed();
    if (verb === "get") return await this.get(kind, exchange);
    return await this.write(kind, exchange);
  }

  private async bind(exchange: Exchange, pods: StorageKind): Promise<Answer> {
    return await bindPod(this.deps, pods, exchange);
  }

  private async get(kind: StorageKind, exchange: Exchange): Promise<Answer> {
    const { storage, clock } = this.deps;
    const version = exchange.query.get("resourceVersion") ?? "";
    const key = keyOf(kind, exchange);
    // With a resourceVersion a GET is answered from the cache, as new as asked for; without one it is the newest.
    if (version !== "") await waitForRevision(storage, readRevision(version));
    const found = version === "" ? await storage.get(kind, key) : storage.cacheOf(kind).get(key);
    if (!found) throw notFound(kind.definition, exchange.info.name);
    return encodeObject(found, exchange, 200, clock.now());
  }
}

/** To the client, which prints it, to the audit log, and to whoever looks at the metrics before an upgrade. */
function tellDeprecation(
  exchange: Exchange,
  { warning, removedRelease }: { readonly warning: string; readonly removedRelease: string },
): void {
  exchange.warn(warning);
  exchange.removedRelease = removedRelease;
  exchange.annotate("k8s.io/deprecated", "true");
  if (removedRelease) exchange.annotate("k8s.io/removed-release", removedRelease);
}

/** Directory of a kind → what everybody who uses it is told. */
const DEPRECATIONS: ReadonlyMap<string, string> = new Map([
  ["endpoints", "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"],
]);

/** Requests that leave nothing behind when their answer cannot be sent. */
const READS: ReadonlySet<string> = new Set(["get", "list", "watch"]);
/** The answer to a write may be asked for as a view too. */
const VIEWS = ["Table", "PartialObjectMetadata", "PartialObjectMetadataList"] as const;
/** A Scale exists as long as its object does, so it is neither created nor deleted. */
const SCALE_VERBS: ReadonlySet<string> = new Set(["get", "update", "patch"]);

/** Schedulers older than pods/binding POST to a resource of its own, with the pod's name in the body. */
function isLegacyBinding(info: RequestInfo): boolean {
  const { group, version, resource, subresource, verb } = info;
  return group === "" && version === "v1" && resource === "bindings" && subresource === "" && verb === "create";
}

/** Subresources that the registry serves itself; the others have handlers of their own. */
function hasSubresource({ definition }: StorageKind, name: string): boolean {
  if (name === "status") return definition.status !== undefined;
  if (name === "scale") return definition.scale !== undefined;
  if (name === "binding" || name === "eviction") return definition.plural === "pods";
  return definition.subresources.find((known) => known.name === name)?.rules !== undefined;
}
