// spec.nodeSelector and required node affinity: which nodes a pod may run on.
import type { Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod } from "../../generated/types.ts";

type NodeLabels = { readonly metadata: Pick<Node["metadata"], "name" | "labels"> };

/** Upstream's GetRequiredNodeAffinity: nodeSelector and required affinity must both hold. Preferred affinity is a score. */
export function matchesNodeSelectorAndAffinity(pod: Readonly<Pod>, node: NodeLabels): boolean {
  for (const [key, value] of Object.entries(pod.spec.nodeSelector ?? {})) {
    if (labelOf(node, key) !== value) return false;
  }
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return !required || matchesNodeSelector(required, node);
}

/** Terms are alternatives. No terms match no node. */
function matchesNodeSelector(selector: NodeSelector, node: NodeLabels): boolean {
  return selector.nodeSelectorTerms.some((term) => matchesNodeSelectorTerm(term, node));
}

/** All expressions of a term must hold; an empty term matches no node, unlike an empty label selector. */
export function matchesNodeSelectorTerm(term: NodeSelectorTerm, node: NodeLabels): boolean {
  const expressions = term.matchExpressions ?? [];
  const fields = term.matchFields ?? [];
  if (expressions.length === 0 && fields.length === 0) return false;
  return (
    expressions.every((requirement) => holds(requirement, labelOf(node, requirement.key))) &&
    // The name is the only field upstream lets one ask for.
    fields.every((requirement) => requirement.key === "metadata.name" && holds(requirement, node.metadata.name))
  );
}

function labelOf(node: NodeLabels, key: string): string | undefined {
  const labels = node.metadata.labels;
  return labels && Object.hasOwn(labels, key) ? labels[key] : undefined;
}

function holds({ operator, values = [] }: NodeSelectorRequirement, actual: string | undefined): boolean {
  switch (operator) {
    case "In":
      return actual !== undefined && values.includes(actual);
    case "NotIn":
      return actual === undefined || !values.includes(actual);
    case "Exists":
      return actual !== undefined;
    case "DoesNotExist":
      return actual === undefined;
    case "Gt":
    case "Lt":
      return isOrdered(operator, actual, values[0]);
    default:
      return false;
  }
}

/** Whole numbers only; a node whose label is none does not match, whatever the bound. */
function isOrdered(operator: "Gt" | "Lt", actual: string | undefined, bound: string | undefined): boolean {
  const isInteger = (text: string | undefined): text is string => text !== undefined && /^[+-]?\d{1,18}$/.test(text);
  if (!isInteger(actual) || !isInteger(bound)) return false;
  const difference = BigInt(actual.replace("+", "")) - BigInt(bound.replace("+", ""));
  return operator === "Gt" ? difference > 0n : difference < 0n;
}
