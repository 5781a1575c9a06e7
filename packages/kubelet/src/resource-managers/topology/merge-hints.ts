// Finds the NUMA nodes on which everything a container asks for can be had, from what each manager offers. Pure.
import type { NumaMask } from "./numa-mask.ts";
import { countOf, isNarrower, maskOf } from "./numa-mask.ts";

/** Nodes that a resource can come from; undefined where any will do. */
export interface Hint {
  readonly nodes: NumaMask | undefined;
  readonly preferred: boolean;
}

/** Resource → the ways to get it; undefined where its place does not matter, empty where there is none. */
export type HintsByResource = ReadonlyMap<string, readonly Hint[] | undefined>;

/** `restricted` and `single-numa-node` turn a pod away that cannot be aligned; `best-effort` starts it all the same. */
export type TopologyPolicy = "none" | "best-effort" | "restricted" | "single-numa-node";

/** The machine as far as a choice among its nodes goes. */
export interface NumaView {
  readonly nodes: readonly number[];
  /** From the first node to the second; undefined where nearer nodes are not preferred. */
  distance?(from: number, to: number): number;
}

/** The nodes to take from, and whether the policy lets the pod in. */
export interface MergedHint {
  readonly hint: Hint;
  readonly admitted: boolean;
}

/**
 * Tries one hint of each resource in every combination: nodes that all of them share, best where each prefers its
 * own.
 */
export function mergeHints(policy: TopologyPolicy, providers: readonly HintsByResource[], numa: NumaView): MergedHint {
  const filtered = providers.flatMap((hints) => optionsOf(hints));
  const everything = maskOf(numa.nodes);
  if (policy === "single-numa-node") {
    const single = filtered.map((hints) => hints.filter(isSingle));
    const best = bestOf(single, everything, numa);
    // All nodes mean that none is asked for.
    const hint = best.nodes === everything ? { nodes: undefined, preferred: best.preferred } : best;
    return { hint, admitted: hint.preferred };
  }
  const hint = bestOf(filtered, everything, numa);
  return { hint, admitted: policy !== "restricted" || hint.preferred };
}

function optionsOf(hints: HintsByResource): (readonly Hint[])[] {
  if (hints.size === 0) return [[{ nodes: undefined, preferred: true }]];
  return [...hints.values()].map((options) => {
    if (options === undefined) return [{ nodes: undefined, preferred: true }];
    // No way at all counts as one that nobody prefers, so that the strict policies refuse.
    return options.length === 0 ? [{ nodes: undefined, preferred: false }] : options;
  });
}

function isSingle({ nodes, preferred }: Hint): boolean {
  if (nodes === undefined) return preferred;
  return countOf(nodes) === 1 && preferred;
}

function bestOf(filtered: readonly (readonly Hint[])[], everything: NumaMask, numa: NumaView): Hint {
  const wanted = widestNeed(filtered);
  let best: Required<{ nodes: NumaMask; preferred: boolean }> | undefined;
  for (const permutation of permutations(filtered)) {
    const nodes = permutation.reduce((mask, hint) => mask & (hint.nodes ?? everything), everything);
    if (nodes === 0) continue;
    const candidate = { nodes, preferred: isAgreed(permutation) };
    if (!best || isBetter(candidate, best, wanted, numa)) best = candidate;
  }
  return best ?? { nodes: everything, preferred: false };
}

/** Whether each resource prefers its nodes, and those that name any name the same: else what is shared is not all of them. */
function isAgreed(permutation: readonly Hint[]): boolean {
  const named = new Set(permutation.flatMap(({ nodes }) => nodes ?? []));
  return named.size <= 1 && permutation.every(({ preferred }) => preferred);
}

function* permutations(lists: readonly (readonly Hint[])[], chosen: readonly Hint[] = []): Generator<readonly Hint[]> {
  const [first, ...rest] = lists;
  if (!first) {
    yield chosen;
    return;
  }
  for (const hint of first) yield* permutations(rest, [...chosen, hint]);
}

/** Of the resources, the one that needs most nodes: what cannot be preferred should at least come that close. */
function widestNeed(filtered: readonly (readonly Hint[])[]): number {
  const needs = filtered.map((hints) => {
    const counts = hints.flatMap(({ nodes }) => (nodes === undefined ? [] : [countOf(nodes)]));
    return counts.length > 0 ? Math.min(...counts) : 0;
  });
  return Math.max(0, ...needs);
}

interface Candidate {
  readonly nodes: NumaMask;
  readonly preferred: boolean;
}

/** Upstream's order: preferred before not; else as near as possible to what the widest resource needs anyway. */
function isBetter(candidate: Candidate, best: Candidate, wanted: number, numa: NumaView): boolean {
  if (candidate.preferred !== best.preferred) return candidate.preferred;
  const better = () => isCloser(candidate.nodes, best.nodes, numa);
  if (candidate.preferred) return better();
  const [now, next] = [countOf(best.nodes), countOf(candidate.nodes)];
  if (now > wanted) return better();
  if (now === wanted) return next === wanted && better();
  if (next > wanted) return false;
  return next === now ? better() : next > now;
}

function isCloser(a: NumaMask, b: NumaMask, numa: NumaView): boolean {
  if (!numa.distance || countOf(a) !== countOf(b)) return isNarrower(a, b);
  const [one, other] = [averageDistance(a, numa), averageDistance(b, numa)];
  return one === other ? isNarrower(a, b) : one < other;
}

function averageDistance(mask: NumaMask, { nodes, distance }: NumaView): number {
  const inside = nodes.filter((node) => (mask >> node) & 1);
  const all = inside.flatMap((from) => inside.map((to) => distance?.(from, to) ?? 0));
  return all.reduce((sum, one) => sum + one, 0) / Math.max(1, all.length);
}
