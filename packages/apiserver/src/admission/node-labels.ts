// Which labels a kubelet may set on its own Node: those it can know, none that could attract pods it should not have.

/** Facts of the machine, which nobody but the kubelet can tell. */
const KUBELET_LABELS = new Set([
  "kubernetes.io/hostname",
  "kubernetes.io/os",
  "kubernetes.io/arch",
  "topology.kubernetes.io/zone",
  "topology.kubernetes.io/region",
  "failure-domain.beta.kubernetes.io/zone",
  "failure-domain.beta.kubernetes.io/region",
  "node.kubernetes.io/instance-type",
  "node.kubernetes.io/windows-build",
  "beta.kubernetes.io/instance-type",
  "beta.kubernetes.io/os",
  "beta.kubernetes.io/arch",
]);
/** Prefixes in which a kubelet may use any label, given with --node-labels. */
const KUBELET_NAMESPACES = ["kubelet.kubernetes.io", "node.kubernetes.io"];
/** Reserved for administrators: a label here says which nodes are trusted, and no node can give it to itself. */
const RESTRICTED_NAMESPACE = "node-restriction.kubernetes.io";

/** The changed labels that a kubelet may not change, sorted. */
export function forbiddenNodeLabels(
  previous: Readonly<Record<string, string>>,
  next: Readonly<Record<string, string>> = {},
): string[] {
  const names = new Set([...Object.keys(previous), ...Object.keys(next)]);
  return [...names].filter((name) => previous[name] !== next[name] && isForbidden(name)).sort();
}

function isForbidden(label: string): boolean {
  const namespace = label.includes("/") ? label.slice(0, label.indexOf("/")) : "";
  if (isWithin(namespace, RESTRICTED_NAMESPACE)) return true;
  const isKubernetes = isWithin(namespace, "kubernetes.io") || isWithin(namespace, "k8s.io");
  if (!isKubernetes || KUBELET_LABELS.has(label)) return false;
  return !KUBELET_NAMESPACES.some((allowed) => isWithin(namespace, allowed));
}

function isWithin(namespace: string, parent: string): boolean {
  return namespace === parent || namespace.endsWith(`.${parent}`);
}
