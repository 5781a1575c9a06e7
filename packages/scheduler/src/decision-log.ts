// The last decision about each of the latest pods, so that a user can be told why.
import { LruCache } from "@skiff/client/lru-cache.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import type { Decision } from "./decision.ts";

/** Enough for everything that is pending in a small cluster; a decision lists every node, so more would cost memory. */
const MAX_PODS = 512;

/** One pod's last decision in words and numbers, as JSON. */
export interface Explanation {
  readonly pod: string;
  readonly time: string;
  readonly node?: string;
  readonly message?: string;
  readonly nodesInCluster: number;
  readonly refused: readonly { plugin: string; reasons: readonly string[]; nodes: readonly string[] }[];
  /** Best first. */
  readonly scored: readonly { node: string; total: number; scores: Readonly<Record<string, number>> }[];
}

/** Behind /debug/explain, which upstream does not have. Memory only: it starts empty, and a standby knows nothing. */
export class DecisionLog {
  private readonly clock: Clock;
  private readonly decisions: LruCache<{ readonly at: number; readonly decision: Decision }>;

  constructor(clock: Clock) {
    this.clock = clock;
    this.decisions = new LruCache(MAX_PODS, clock);
  }

  keep(pod: string, decision: Decision): void {
    this.decisions.set(pod, { at: this.clock.now(), decision });
  }

  /** `pod` is `namespace/name`. Undefined when the pod was not decided about lately. */
  explain(pod: string): Explanation | undefined {
    const kept = this.decisions.get(pod);
    if (!kept) return undefined;
    const { decision, at } = kept;
    const { nodeCount, refused, refusedBy } = decision.reasons;
    const early = refusedBy ? [{ plugin: refusedBy.plugin, reasons: refusedBy.refusal.reasons, nodes: [] }] : [];
    return {
      pod,
      time: formatTime(at),
      ...(decision.nodeName === undefined ? { message: decision.message } : { node: decision.nodeName }),
      nodesInCluster: nodeCount,
      refused: [...early, ...refused],
      scored: scoredNodes(decision),
    };
  }
}

function scoredNodes({ reasons }: Decision): Explanation["scored"] {
  const rows = reasons.feasible.map((node, place) => {
    const scores = Object.fromEntries([...reasons.scores].map(([plugin, all]) => [plugin, all[place] ?? 0]));
    return { node, total: Object.values(scores).reduce((sum, score) => sum + score, 0), scores };
  });
  return rows.toSorted((a, b) => b.total - a.total);
}
