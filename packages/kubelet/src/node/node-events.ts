// Events about the node itself, as users see them in `kubectl describe node`.
import type { NodeCondition, ObjectReference } from "@skiff/api/types.ts";
import type { Recorder } from "../events/pod-events.ts";

/** Condition → the reasons of the events for its two states. */
const REASONS: Readonly<Record<string, { readonly yes: string; readonly no: string }>> = {
  MemoryPressure: { yes: "NodeHasInsufficientMemory", no: "NodeHasSufficientMemory" },
  DiskPressure: { yes: "NodeHasDiskPressure", no: "NodeHasNoDiskPressure" },
  PIDPressure: { yes: "NodeHasInsufficientPID", no: "NodeHasSufficientPID" },
  Ready: { yes: "NodeReady", no: "NodeNotReady" },
};

/** Changes of state only: a node that stays ready says so once. */
export class NodeEvents {
  private readonly recorder: Recorder;
  private readonly node: ObjectReference;
  private readonly told = new Map<string, string>();

  constructor(recorder: Recorder, nodeName: string) {
    this.recorder = recorder;
    // As upstream: the kubelet's events name the node where others write its UID, and kubectl looks for both.
    this.node = { kind: "Node", name: nodeName, uid: nodeName, apiVersion: "v1" };
  }

  /** The kubelet has come up. */
  started(): void {
    this.say("Starting", "Starting kubelet.");
    this.say("NodeAllocatableEnforced", "Updated Node Allocatable limit across pods");
  }

  /** Tells what has changed since the last call; the first one tells all, save for a readiness that the API knows. */
  observe(conditions: readonly NodeCondition[], known: readonly NodeCondition[]): void {
    for (const { type, status } of conditions) {
      const reasons = REASONS[type];
      if (!reasons) continue;
      const isNews = this.told.get(type) !== status;
      const isKnown =
        type === "Ready" && !this.told.has(type) && known.some((c) => c.type === type && c.status === status);
      this.told.set(type, status);
      if (!isNews || isKnown) continue;
      const reason = status === "True" ? reasons.yes : reasons.no;
      this.say(reason, `Node ${this.node.name} status is now: ${reason}`);
    }
  }

  private say(reason: string, message: string): void {
    this.recorder.record(this.node, "Normal", reason, message);
  }
}
