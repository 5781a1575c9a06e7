// The events since each pod in flight was taken from the queue, so that none is missed while it is tried.
import type { ClusterEvent } from "../framework/cluster-event.ts";

/** Beyond so many the oldest go; the five-minute flush then brings back what missed one. */
const MAX_EVENTS = 10_000;

interface NotedEvent {
  readonly event: ClusterEvent;
  /** Set when it concerns one pod only. */
  readonly key: string | undefined;
}

/**
 * As old as the longest binding under way; empty when nothing is in flight. Upstream's inFlightPods and inFlightEvents: one list
 * of events for all pods, of which each remembers where its own part begins.
 */
export class EventHistory {
  /** Pod to the number of the next event at the time it was taken; in that order. */
  private readonly starts = new Map<string, number>();
  private events: NotedEvent[] = [];
  /** The number of the first event kept. */
  private first = 0;

  has(key: string): boolean {
    return this.starts.has(key);
  }

  start(key: string): void {
    this.starts.delete(key);
    this.starts.set(key, this.first + this.events.length);
  }

  /** The pod has landed, here or there: what it alone kept is forgotten. */
  end(key: string): void {
    this.starts.delete(key);
    this.trim();
  }

  /** Costs nothing while no pod is in flight. */
  note(event: ClusterEvent, key?: string): void {
    if (this.starts.size === 0) return;
    this.events.push({ event, key });
    if (this.events.length > MAX_EVENTS) this.drop(MAX_EVENTS / 2);
  }

  /** What happened since the pod was taken; nothing when it is not in flight. */
  since(key: string): ClusterEvent[] {
    const start = this.starts.get(key);
    if (start === undefined) return [];
    const noted = this.events.slice(Math.max(0, start - this.first));
    return noted.filter((entry) => entry.key === undefined || entry.key === key).map((entry) => entry.event);
  }

  private trim(): void {
    const oldest = this.starts.values().next();
    if (oldest.done) this.drop(this.events.length);
    // In steps, since shifting the array costs its length.
    else if (oldest.value - this.first > 256) this.drop(oldest.value - this.first);
  }

  private drop(count: number): void {
    this.events = this.events.slice(count);
    this.first += count;
  }
}
