// Sets of NUMA nodes as bits of a number: there are thirty at most, so they fit. Pure.

/** Bit n stands for node n. */
export type NumaMask = number;

/** The set of these nodes. */
export function maskOf(nodes: Iterable<number>): NumaMask {
  let mask = 0;
  for (const node of nodes) mask |= 1 << node;
  return mask;
}

/** In ascending order. */
export function nodesOf(mask: NumaMask): number[] {
  const nodes: number[] = [];
  for (let node = 0; mask >> node !== 0; node++) if ((mask >> node) & 1) nodes.push(node);
  return nodes;
}

/** How many nodes are in it. */
export function countOf(mask: NumaMask): number {
  return nodesOf(mask).length;
}

/** Fewer nodes, or as many with lower numbers. */
export function isNarrower(a: NumaMask, b: NumaMask): boolean {
  const [one, other] = [countOf(a), countOf(b)];
  return one === other ? a < b : one < other;
}

/** Every set of at least one of the nodes, the smallest first. */
export function subsetsOf(nodes: readonly number[]): NumaMask[] {
  const masks: NumaMask[] = [];
  for (let bits = 1; bits < 1 << nodes.length; bits++) {
    masks.push(maskOf(nodes.filter((_, at) => (bits >> at) & 1)));
  }
  return masks.sort((a, b) => countOf(a) - countOf(b) || a - b);
}
