// Finds the handler of a request: plain paths, resources and subresources with handlers of their own, the registry.
import type { Duplex } from "node:stream";
import { ApiError } from "@skiff/api/errors.ts";
import type { Answer, PathHandler, ResourceHandler } from "./endpoint.ts";
import type { Exchange } from "./exchange.ts";
import type { RequestInfo } from "./request-info.ts";

/** What serves the stored resources. */
export interface ResourceServer {
  serves(info: RequestInfo): boolean;
  handle(exchange: Exchange): Promise<Answer>;
  /** Serves a request that asked to leave HTTP; owns the socket once it returns. */
  upgrade(exchange: Exchange, socket: Duplex, head: Buffer): Promise<void>;
}

/**
 * The order is fixed: a handler of its own wins over the registry. Two handlers for one place are a mistake and throw
 * at start.
 */
export class Router {
  private readonly exact = new Map<string, PathHandler>();
  private readonly prefixes: PathHandler[] = [];
  private readonly resources = new Map<string, ResourceHandler>();
  private readonly registry: ResourceServer;

  constructor(paths: readonly PathHandler[], resources: readonly ResourceHandler[], registry: ResourceServer) {
    this.registry = registry;
    for (const handler of paths) this.addPath(handler);
    for (const handler of resources) {
      const key = keyOf(handler.group, handler.version, handler.resource, handler.subresource);
      if (this.resources.has(key)) throw new Error(`two handlers for ${key}`);
      this.resources.set(key, handler);
    }
  }

  /** The answer of whoever serves the request; 404 when nobody does. */
  async dispatch(exchange: Exchange): Promise<Answer> {
    const { info } = exchange;
    if (info.isResourceRequest) {
      const own = this.resourceHandler(info);
      if (own) return await own.handle(exchange);
      if (this.registry.serves(info)) return await this.registry.handle(exchange);
    } else {
      const handler = this.pathHandler(info.path);
      if (handler) return await handler.handle(exchange);
    }
    // Below a group that is served, upstream speaks JSON.
    if (this.exact.has(`/${info.path.split("/").slice(1, 3).join("/")}`) && /^\/apis?\//.test(info.path))
      throw noSuchResource();
    return NOT_FOUND;
  }

  /** Undefined for what cannot leave HTTP. */
  upgradeHandler({ info }: Exchange): ((c: Exchange, s: Duplex, head: Buffer) => Promise<void>) | undefined {
    if (!info.isResourceRequest) return undefined;
    const handler = this.resourceHandler(info);
    if (handler) return handler.upgrade?.bind(handler);
    const isWatch = info.verb === "watch" && this.registry.serves(info);
    return isWatch ? this.registry.upgrade.bind(this.registry) : undefined;
  }

  /** Whether the names in a request are ours rather than the client's invention. */
  serves(info: RequestInfo): boolean {
    if (!info.isResourceRequest) return false;
    return this.resourceHandler(info) !== undefined || this.registry.serves(info);
  }

  private addPath(handler: PathHandler): void {
    if (this.exact.has(handler.path)) throw new Error(`two handlers for ${handler.path}`);
    this.exact.set(handler.path, handler);
    if (handler.path.endsWith("/") && handler.path !== "/") this.prefixes.push(handler);
  }

  /** The exact path wins, with or without a slash at its end; then the first prefix that fits. */
  private pathHandler(path: string): PathHandler | undefined {
    const exact = this.exact.get(path) ?? (path.endsWith("/") ? this.exact.get(path.slice(0, -1)) : undefined);
    return exact ?? this.prefixes.find((handler) => path.startsWith(handler.path));
  }

  private resourceHandler(info: RequestInfo): ResourceHandler | undefined {
    return this.resources.get(keyOf(info.group, info.version, info.resource, info.subresource));
  }
}

// Upstream answers unknown paths in plain text; clients such as kubectl probe for groups and expect a 404 only.
const NOT_FOUND: Answer = { code: 404, contentType: "text/plain; charset=utf-8", bytes: "404 page not found\n" };

function keyOf(group: string, version: string, resource: string, subresource: string): string {
  return `${group}/${version}/${resource}/${subresource}`;
}

/** For handlers that want the JSON form of "there is no such thing". */
export function noSuchResource(): ApiError {
  return new ApiError(404, "NotFound", "the server could not find the requested resource", {});
}
