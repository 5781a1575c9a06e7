// Deletes everything in a namespace that discovery knows of, pods first, and reports what is left.
import { ApiError } from "@skiff/api/errors.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import { pods } from "@skiff/api/resource-ref.ts";
import type { Pod } from "@skiff/api/types.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { DiscoveredResource } from "../discover-resources.ts";
import { discoverResources } from "../discover-resources.ts";
import { MetadataClient, resourcePath } from "../metadata-client.ts";
import type { ContentReport } from "./namespace-conditions.ts";

/** What one pass came to. */
export interface ContentDeletion extends ContentReport {
  /** How long the pods that are left may take to end. */
  readonly estimateSeconds: number;
}

/** Objects per list request. */
const PAGE = 500;

/** Asks for everything to be deleted and counts what is still there. Safe to repeat. */
export async function deleteContent(
  client: RestClient,
  namespace: string,
  signal: AbortSignal,
): Promise<ContentDeletion> {
  const { resources, failures } = await discoverResources(client, signal);
  const report = {
    discoveryFailures: failures,
    deletionFailures: [] as string[],
    remaining: new Map<string, number>(),
    finalizers: new Map<string, number>(),
    estimateSeconds: 0,
  };
  const deletable = resources.filter((resource) => resource.namespaced && resource.verbs.includes("delete"));
  const isPods = ({ group, plural }: DiscoveredResource) => group === "" && plural === "pods";
  // Pods go before the policies, secrets and accounts that they may still rely on.
  report.estimateSeconds = await gracePeriodOfPods(client, namespace, signal);
  for (const resource of deletable.filter(isPods)) await deleteResource(client, resource, namespace, report, signal);
  if (report.remaining.size > 0) return report;
  for (const resource of deletable) {
    if (!isPods(resource)) await deleteResource(client, resource, namespace, report, signal);
  }
  return report;
}

/** Filled while the resources are gone through. */
interface MutableReport {
  readonly deletionFailures: string[];
  readonly remaining: Map<string, number>;
  readonly finalizers: Map<string, number>;
}

async function deleteResource(
  client: RestClient,
  resource: DiscoveredResource,
  namespace: string,
  report: MutableReport,
  signal: AbortSignal,
): Promise<void> {
  try {
    // Counted after the request, since finalizers and grace periods keep objects alive.
    await deleteAll(client, resource, namespace, signal);
    if (!resource.verbs.includes("list")) return;
    const left = await listAll(client, resource, namespace, signal);
    if (left.length > 0) report.remaining.set(`${resource.plural}.${resource.group}`, left.length);
    for (const name of left.flatMap((object) => object.metadata.finalizers ?? [])) {
      report.finalizers.set(name, (report.finalizers.get(name) ?? 0) + 1);
    }
  } catch (error) {
    if (signal.aborted || !(error instanceof ApiError)) throw error;
    // The resource vanished between discovery and now, or does not mean its verbs.
    if (error.code === 404 || error.code === 405) return;
    // The other resources go on; the pass fails at its end.
    report.deletionFailures.push(error.message);
  }
}

async function deleteAll(
  client: RestClient,
  resource: DiscoveredResource,
  namespace: string,
  signal: AbortSignal,
): Promise<void> {
  const body = { apiVersion: "v1", kind: "DeleteOptions", propagationPolicy: "Background" };
  if (resource.verbs.includes("deletecollection")) {
    await client.request({ method: "DELETE", path: resourcePath(resource, namespace), body, signal });
    return;
  }
  if (!resource.verbs.includes("list")) return;
  for (const { metadata } of await listAll(client, resource, namespace, signal)) {
    const path = resourcePath(resource, namespace, metadata.name);
    await client.request({ method: "DELETE", path, body, signal }).catch(ignoreNotFound);
  }
}

function ignoreNotFound(error: unknown): void {
  if (!(error instanceof ApiError) || error.code !== 404) throw error;
}

/** In pages, by metadata alone: a namespace may hold more than fits into memory with all its specs. */
async function listAll(
  client: RestClient,
  resource: DiscoveredResource,
  namespace: string,
  signal: AbortSignal,
): Promise<KubeObject[]> {
  const metadata = new MetadataClient(client, resource);
  const objects: KubeObject[] = [];
  let next: string | undefined;
  do {
    const page = await metadata.list({ namespace, limit: PAGE, continue: next }, { signal });
    objects.push(...page.items);
    next = page.metadata.continue;
  } while (next);
  return objects;
}

/** The longest grace of any running pod, in seconds; 0 when no pod needs time. */
async function gracePeriodOfPods(client: RestClient, namespace: string, signal: AbortSignal): Promise<number> {
  let longest = 0;
  let next: string | undefined;
  do {
    const page = await client.of<Pod>(pods).list({ namespace, limit: PAGE, continue: next }, { signal });
    for (const { spec, status } of page.items) {
      const isEnded = status?.phase === "Succeeded" || status?.phase === "Failed";
      if (!isEnded) longest = Math.max(longest, spec?.terminationGracePeriodSeconds ?? 0);
    }
    next = page.metadata.continue;
  } while (next);
  return longest;
}
