// How the node affinity of a pod may change while scheduling gates hold it: it may only become narrower.
import type { NodeSelectorRequirement, NodeSelectorTerm, PodSpec } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { deepEqual } from "../../validation/deep-equal.ts";
import { type FieldPath, invalidValue } from "../../validation/path.ts";

const REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution";

/**
 * Refuses what would let a gated pod run on more nodes than its creator allowed: gates exist so that a controller
 * (for quota, say) can narrow a pod's choice before the scheduler sees it. Where nothing was required, anything may be.
 */
export function nodeAffinityErrors(next: PodSpec, previous: Readonly<PodSpec>, path: FieldPath): FieldError[] {
  const before = previous.affinity?.nodeAffinity?.[REQUIRED];
  if (!before?.nodeSelectorTerms?.length) return [];
  const after = next.affinity?.nodeAffinity?.[REQUIRED]?.nodeSelectorTerms ?? [];
  const at = path.child(REQUIRED, "nodeSelectorTerms");
  // Terms are alternatives, so that one more widens the choice.
  if (after.length !== before.nodeSelectorTerms.length) {
    const detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
    return [invalidValue(at, after, detail)];
  }
  return before.nodeSelectorTerms.flatMap((term, i) => termErrors(after[i] ?? {}, term, at.index(i)));
}

function termErrors(next: NodeSelectorTerm, previous: NodeSelectorTerm, path: FieldPath): FieldError[] {
  const wasEmpty = !previous.matchExpressions?.length && !previous.matchFields?.length;
  // A term without requirements matches nothing, so that any requirement would widen it.
  if (wasEmpty && (next.matchExpressions?.length || next.matchFields?.length)) return [onlyAdditions(path, next)];
  const fields = ["matchExpressions", "matchFields"] as const;
  return fields.filter((field) => !extendsList(next[field], previous[field])).map(() => onlyAdditions(path, next));
}

const onlyAdditions = (path: FieldPath, term: NodeSelectorTerm) =>
  invalidValue(path, term, "only additions are allowed (no mutations or deletions)");

type Requirements = readonly NodeSelectorRequirement[] | undefined;

/** Whether the list begins as it did before. */
function extendsList(next: Requirements, previous: Requirements): boolean {
  return (previous ?? []).every((requirement, i) => deepEqual(next?.[i], requirement));
}
