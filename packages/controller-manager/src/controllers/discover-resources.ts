// Asks the apiserver which resources it serves, for controllers that deal with all of them.
import { groupVersion } from "@skiff/api/object.ts";
import type { ResourceRef } from "@skiff/api/resource-ref.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";

/** A resource with what can be done to it. */
export interface DiscoveredResource extends ResourceRef {
  readonly verbs: readonly string[];
}

/** One answer to what the apiserver serves now. */
export interface Discovery {
  /** Each resource in its group's preferred version; subresources are left out. */
  readonly resources: readonly DiscoveredResource[];
  /** Group versions that did not answer, with the reason. What they serve is unknown. */
  readonly failures: ReadonlyMap<string, string>;
}

/** The parts of discovery's answers that are read here. */
interface ApiResource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs?: readonly string[];
}

interface ApiGroup {
  readonly name: string;
  readonly versions: readonly { readonly groupVersion: string; readonly version: string }[];
  readonly preferredVersion?: { readonly version: string };
}

/** Throws only when the list of groups itself cannot be had. Ask anew each time: custom resources come and go. */
export async function discoverResources(client: Pick<RestClient, "request">, signal: AbortSignal): Promise<Discovery> {
  const groups = (await fetch<{ groups: readonly ApiGroup[] }>(client, "/apis", signal)).groups;
  const versions = groups.flatMap((group) => preferredFirst(group).map((version) => ({ group: group.name, version })));
  const failures = new Map<string, string>();
  const answers = await Promise.all(
    [{ group: "", version: "v1" }, ...versions].map(async ({ group, version }) => {
      const name = groupVersion(group, version);
      try {
        const path = `${group ? "/apis" : "/api"}/${name}`;
        const list = await fetch<{ resources?: readonly ApiResource[] }>(client, path, signal);
        return (list.resources ?? []).map((resource) => refOf(resource, group, version));
      } catch (error) {
        if (signal.aborted) throw error;
        failures.set(name, error instanceof Error ? error.message : String(error));
        return [];
      }
    }),
  );
  return { resources: firstOfEach(answers.flat()), failures };
}

async function fetch<T>(client: Pick<RestClient, "request">, path: string, signal: AbortSignal): Promise<T> {
  return (await client.request({ method: "GET", path, signal })).body as T;
}

/** Other versions too: a group may serve a resource in an old version alone. */
function preferredFirst({ versions, preferredVersion }: ApiGroup): string[] {
  const names = versions.map(({ version }) => version);
  const preferred = preferredVersion?.version;
  return preferred ? [preferred, ...names.filter((name) => name !== preferred)] : names;
}

function refOf(
  { name, kind, namespaced, verbs = [] }: ApiResource,
  group: string,
  version: string,
): DiscoveredResource {
  return { group, version, kind, plural: name, namespaced, verbs };
}

/** A resource that is served in several versions counts once; the first is that of the preferred version. */
function firstOfEach(resources: readonly DiscoveredResource[]): DiscoveredResource[] {
  const byName = new Map<string, DiscoveredResource>();
  for (const resource of resources) {
    const key = `${resource.group}/${resource.plural}`;
    if (!resource.plural.includes("/") && !byName.has(key)) byName.set(key, resource);
  }
  return [...byName.values()];
}
