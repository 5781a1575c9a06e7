// The downward API: fields of the pod and resources of its containers as text.

import { quantityMilliValue, quantityValue } from "@skiff/api/quantity.ts";
import { containerLimit } from "@skiff/api/scheduling/resources.ts";
import type { Container, ObjectFieldSelector, Pod, ResourceFieldSelector } from "@skiff/api/types.ts";

/** What the node knows of a pod and the API object may not say yet. */
export interface PodFacts {
  readonly podIps: readonly string[];
  readonly hostIps: readonly string[];
  readonly nodeName: string;
  /** Stands in for absent limits. */
  readonly allocatable: Readonly<Record<string, string>>;
}

const SUBSCRIPT = /^metadata\.(labels|annotations)\['(.+)'\]$/;

/** The value of a fieldRef; throws for a path that the downward API does not have. */
export function podFieldValue(pod: Pod, ref: ObjectFieldSelector, facts: PodFacts): string {
  const { fieldPath } = ref;
  const subscript = SUBSCRIPT.exec(fieldPath);
  if (subscript) return pod.metadata[subscript[1] as "labels" | "annotations"]?.[subscript[2] as string] ?? "";
  switch (fieldPath) {
    case "metadata.name":
      return pod.metadata.name;
    case "metadata.namespace":
      return pod.metadata.namespace ?? "";
    case "metadata.uid":
      return pod.metadata.uid ?? "";
    case "metadata.labels":
      return formatMap(pod.metadata.labels);
    case "metadata.annotations":
      return formatMap(pod.metadata.annotations);
    case "spec.nodeName":
      return facts.nodeName;
    case "spec.serviceAccountName":
      return pod.spec?.serviceAccountName ?? "";
    case "status.hostIP":
      return facts.hostIps[0] ?? "";
    case "status.hostIPs":
      return facts.hostIps.join(",");
    case "status.podIP":
      return facts.podIps[0] ?? "";
    case "status.podIPs":
      return facts.podIps.join(",");
    default:
      throw new Error(`unsupported fieldPath: ${fieldPath}`);
  }
}

/** `key="value"` lines by key, quoted as Go's %q. */
export function formatMap(map: Readonly<Record<string, string>> | undefined): string {
  const lines = Object.entries(map ?? {}).map(([key, value]) => `${key}=${quote(value)}`);
  return lines.sort().join("\n");
}

/** Go's short escapes; every other control character is written as \xNN. */
const ESCAPES: Record<string, string> = {
  "\\": "\\\\",
  '"': '\\"',
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\u0007": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\v": "\\v",
};

function quote(text: string): string {
  // Control characters are what must be escaped here.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: see above
  const escaped = text.replace(/[\\"\u0000-\u001f\u007f]/g, (char) => {
    return ESCAPES[char] ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return `"${escaped}"`;
}

/** The value of a resourceFieldRef in units of its divisor, rounded up. */
export function containerResourceValue(
  pod: Pod,
  container: Container,
  ref: ResourceFieldSelector,
  facts: PodFacts,
): string {
  const target = ref.containerName ? findContainer(pod, ref.containerName) : container;
  if (!target) throw new Error(`container ${ref.containerName} not found`);
  const [kind, ...rest] = ref.resource.split(".");
  const name = rest.join(".");
  if ((kind !== "limits" && kind !== "requests") || !name) {
    throw new Error(`unsupported container resource : ${ref.resource}`);
  }
  const resources = target.resources ?? {};
  // A container without a limit may use what its pod may or, without that, the whole node: so it is told.
  const amount =
    kind === "limits" ? (containerLimit(pod, target, name) ?? facts.allocatable[name]) : resources.requests?.[name];
  return divide(name, amount ?? "0", ref.divisor);
}

function divide(name: string, amount: string, divisor: string | undefined): string {
  // A divisor of zero is how an absent one is served.
  const unit = divisor === undefined || quantityMilliValue(divisor) === 0 ? "1" : divisor;
  if (name === "cpu") return String(Math.ceil(quantityMilliValue(amount) / quantityMilliValue(unit)));
  return String(Math.ceil(quantityValue(amount) / quantityValue(unit)));
}

/** Of any kind, by its name, which is unique in the pod. */
export function findContainer(pod: Pod, name: string): Container | undefined {
  const spec = pod.spec;
  const all = [...(spec?.containers ?? []), ...(spec?.initContainers ?? []), ...ephemeralContainers(pod)];
  return all.find((container) => container.name === name);
}

/** Ephemeral containers in the shape of the others, of which they lack only a few fields. */
export function ephemeralContainers(pod: Pod): Container[] {
  return (pod.spec?.ephemeralContainers ?? []) as Container[];
}
