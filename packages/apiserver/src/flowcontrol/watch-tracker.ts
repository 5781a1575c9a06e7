// Counts the watches of this server by what they watch, to tell how many a write wakes.
import { parseFieldSelector } from "@skiff/api/fields.ts";
import type { RequestInfo } from "../http/request-info.ts";

export class WatchTracker {
  private readonly counts = new Map<string, number>();

  /** Returns what to call when the watch has ended. */
  register(info: RequestInfo, query: URLSearchParams): () => void {
    // The watches of kubelets, which see the pods of their node only: a pod's write wakes one of them at most.
    if (info.resource === "pods" && isOfOneNode(query)) return () => {};
    const key = keyOf(info, info.namespace, info.name);
    this.add(key, 1);
    return () => this.add(key, -1);
  }

  /** Those of all objects, of the namespace, and of the object itself; selectors are not looked at, as upstream. */
  interestedIn(info: RequestInfo): number {
    let count = this.counts.get(keyOf(info, "", "")) ?? 0;
    if (info.namespace) count += this.counts.get(keyOf(info, info.namespace, "")) ?? 0;
    if (info.name) count += this.counts.get(keyOf(info, info.namespace, info.name)) ?? 0;
    return count;
  }

  private add(key: string, by: 1 | -1): void {
    const count = (this.counts.get(key) ?? 0) + by;
    if (count > 0) this.counts.set(key, count);
    else this.counts.delete(key);
  }
}

function keyOf({ group, resource }: RequestInfo, namespace: string, name: string): string {
  return `${group}/${resource}/${namespace}/${name}`;
}

function isOfOneNode(query: URLSearchParams): boolean {
  const selector = query.get("fieldSelector");
  if (!selector?.includes("spec.nodeName")) return false;
  try {
    return (parseFieldSelector(selector).requiredValue("spec.nodeName") ?? "") !== "";
  } catch {
    // The watch is refused for it a moment later.
    return false;
  }
}
