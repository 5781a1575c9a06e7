// Aggregated discovery: everything below /api or /apis in one document, in its versions v2 and v2beta1.
import type { ServedGroup, ServedResource, ServedSubresource } from "./resource-lists.ts";

/** v2 since Kubernetes 1.30; v2beta1 is what clients from 1.26 on ask for. */
export type AggregatedVersion = "v2" | "v2beta1";

/** The type that the client must find in the answer to read it as the aggregated form. */
export function aggregatedContentType(version: AggregatedVersion): string {
  return `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
}

/** Both versions have the same shape. */
export function aggregatedDocument(version: AggregatedVersion, groups: readonly ServedGroup[]): object {
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map((group) => ({
      metadata: { ...(group.name ? { name: group.name } : {}), creationTimestamp: null },
      versions: group.versions.map(({ version, resources }) => ({
        version,
        resources: resources.map(resourceDiscovery),
        freshness: "Current",
      })),
    })),
  };
}

function resourceDiscovery(resource: ServedResource): object {
  return {
    resource: resource.plural,
    responseKind: resource.responseKind,
    scope: resource.namespaced ? "Namespaced" : "Cluster",
    singularResource: resource.singular,
    verbs: resource.verbs,
    ...(resource.shortNames.length > 0 ? { shortNames: resource.shortNames } : {}),
    ...(resource.categories.length > 0 ? { categories: resource.categories } : {}),
    ...(resource.subresources.length > 0 ? { subresources: resource.subresources.map(subresourceDiscovery) } : {}),
  };
}

function subresourceDiscovery({ name, responseKind, verbs }: ServedSubresource): object {
  return { subresource: name, responseKind, verbs };
}

/** The version that an Accept header asks for before it asks for plain JSON; undefined for the plain form. */
export function wantedAggregatedVersion(accept: string | undefined): AggregatedVersion | undefined {
  for (const range of (accept ?? "").split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
    const values = new Map(parameters.map((parameter) => parameter.split("=", 2) as [string, string]));
    const isAggregated = values.get("g") === "apidiscovery.k8s.io" && values.get("as") === "APIGroupDiscoveryList";
    const version = values.get("v");
    if (isAggregated && type === "application/json" && (version === "v2" || version === "v2beta1")) return version;
    if (!isAggregated && (type === "application/json" || type === "application/yaml")) return undefined;
  }
  return undefined;
}
