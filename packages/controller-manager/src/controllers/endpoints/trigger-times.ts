// Remembers when pods and Services last changed, so that the delay until their endpoints follow can be measured.
import { findCondition } from "@skiff/api/conditions.ts";
import { objectKey } from "@skiff/api/object.ts";
import type { Pod, Service } from "@skiff/api/types.ts";

interface Seen {
  service: string;
  /** Pod name to the time of its last change of readiness. */
  pods: Map<string, string>;
}

/** Upstream's trigger-time tracker. Its memory is for measuring only: after a restart a few times are not reported. */
export class TriggerTimes {
  private readonly seen = new Map<string, Seen>();

  /** The earliest change since the last call for this Service; undefined when nothing changed. */
  next(service: Readonly<Service>, pods: readonly Readonly<Pod>[]): string | undefined {
    const key = objectKey(service);
    const before = this.seen.get(key);
    const now: Seen = { service: service.metadata.creationTimestamp, pods: new Map() };
    const changes: string[] = [];
    for (const pod of pods) {
      const time = findCondition(pod.status?.conditions, "Ready")?.lastTransitionTime ?? pod.metadata.creationTimestamp;
      now.pods.set(pod.metadata.name, time);
      // RFC 3339 in UTC sorts as text. Without a former call nothing is known to be new.
      if (before && time > (before.pods.get(pod.metadata.name) ?? "")) changes.push(time);
    }
    if (before?.service !== now.service) changes.push(now.service);
    this.seen.set(key, now);
    return changes.sort()[0];
  }

  /** The Service is gone. */
  forget(serviceKey: string): void {
    this.seen.delete(serviceKey);
  }
}
