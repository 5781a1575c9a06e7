// Discovery: which groups, versions and resources are served, in the forms that old and new clients ask for.
import { createHash } from "node:crypto";
import type { KindDefinition } from "@skiff/api/kind.ts";
import type { VirtualKind } from "@skiff/api/kinds/virtual-kinds.ts";
import { groupVersion } from "@skiff/api/object.ts";
import type { APIGroup } from "@skiff/api/types.ts";
import type { Answer, PathHandler, RequestContext } from "../http/endpoint.ts";
import type { AggregatedVersion } from "./aggregated.ts";
import { aggregatedContentType, aggregatedDocument, wantedAggregatedVersion } from "./aggregated.ts";
import type { ServedGroup } from "./resource-lists.ts";
import { resourceEntries, servedGroups } from "./resource-lists.ts";

/** What discovery says besides the kinds. */
export interface DiscoveryOptions {
  /** `host:port` that clients of any network should use; left out of the answers when absent. */
  readonly serverAddress?: string;
}

/** /api, /apis and every path below them that lists what is served; all made once, since the kinds never change. */
export function createDiscoveryHandlers(
  kinds: readonly KindDefinition[],
  virtualKinds: readonly VirtualKind[],
  options: DiscoveryOptions = {},
): PathHandler[] {
  const groups = servedGroups(kinds, virtualKinds);
  const core = groups.filter(({ name }) => name === "");
  const named = groups.filter(({ name }) => name !== "");
  // Every network is told the same address; upstream could tell them apart.
  const addresses = options.serverAddress ? [{ clientCIDR: "0.0.0.0/0", serverAddress: options.serverAddress }] : [];
  const coreVersions = core.flatMap(({ versions }) => versions.map(({ version }) => version));
  const apiVersions = { kind: "APIVersions", versions: coreVersions, serverAddressByClientCIDRs: addresses };
  const groupList = { kind: "APIGroupList", apiVersion: "v1", groups: named.map(groupSummary) };
  return [
    rootHandler("/api", core, apiVersions),
    rootHandler("/apis", named, groupList),
    ...named.map((group) => plainHandler(`/apis/${group.name}`, { ...GROUP_HEAD, ...groupSummary(group) })),
    ...groups.flatMap(versionHandlers),
  ];
}

/** A single group says its own type; in the list the list does. */
const GROUP_HEAD = { kind: "APIGroup", apiVersion: "v1" };

/** An APIGroup. The preferred version is the one that kubectl uses when none is named. */
function groupSummary({ name, versions }: ServedGroup): APIGroup {
  const list = versions.map(({ version }) => ({ groupVersion: groupVersion(name, version), version }));
  return { name, versions: list, ...(list[0] ? { preferredVersion: list[0] } : {}) };
}

/** /api/v1 and /apis/GROUP/VERSION. */
function versionHandlers(group: ServedGroup): PathHandler[] {
  return group.versions.map((served) => {
    const name = groupVersion(group.name, served.version);
    const resources = resourceEntries(group.name, served);
    // Upstream leaves apiVersion out of the core list, and clients compare.
    const head = group.name ? { kind: "APIResourceList", apiVersion: "v1" } : { kind: "APIResourceList" };
    return plainHandler(`${group.name ? "/apis" : "/api"}/${name}`, { ...head, groupVersion: name, resources });
  });
}

function plainHandler(path: string, object: object): PathHandler {
  return { path, handle: async () => ({ code: 200, object }) };
}

/** Serves the aggregated document to those who ask for it, and the plain list to all others. */
function rootHandler(path: string, groups: readonly ServedGroup[], plain: object): PathHandler {
  const made = new Map<AggregatedVersion, { bytes: Buffer; etag: string }>();
  return {
    path,
    async handle(context) {
      const version = wantedAggregatedVersion(context.raw.headers.accept);
      // kubectl before 1.26 asks each group version by itself.
      if (!version) return { code: 200, object: plain, headers: { vary: "Accept" } };
      let document = made.get(version);
      if (!document) {
        const bytes = Buffer.from(JSON.stringify(aggregatedDocument(version, groups)));
        document = { bytes, etag: `"${createHash("sha512").update(bytes).digest("hex").toUpperCase()}"` };
        made.set(version, document);
      }
      return withEtag(context, aggregatedContentType(version), document);
    },
  };
}

/** 304 without a body when the client already has this document. */
function withEtag(
  context: RequestContext,
  contentType: string,
  { bytes, etag }: { readonly bytes: Uint8Array; readonly etag: string },
  extraHeaders: Readonly<Record<string, string>> = {},
): Answer {
  const headers = { etag, vary: "Accept", "cache-control": "public", ...extraHeaders };
  const known = String(context.raw.headers["if-none-match"] ?? "")
    .split(",")
    .map((tag) => tag.trim().replace(/^W\//, ""));
  if (known.includes(etag)) return { code: 304, contentType, bytes: "", headers };
  return { code: 200, contentType, bytes, headers };
}
