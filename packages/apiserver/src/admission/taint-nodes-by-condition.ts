// TaintNodesByCondition: a new node takes no pods before it was seen to be ready.
import type { Node } from "@skiff/api/types.ts";
import type { AdmissionPlugin } from "./admission.ts";
import { concerns } from "./refusal.ts";

/** The node controller takes it away when the kubelet reports Ready. */
const NOT_READY = { key: "node.kubernetes.io/not-ready", effect: "NoSchedule" };

/** Otherwise a pod could be placed on a node whose network is not set up yet. */
export const taintNodesByCondition = {
  name: "TaintNodesByCondition",
  admit(request) {
    if (request.operation !== "CREATE" || !concerns(request, "nodes")) return;
    const node = request.object as Node;
    node.spec ??= {};
    const taints = node.spec.taints ?? [];
    if (taints.some(({ key, effect }) => key === NOT_READY.key && effect === NOT_READY.effect)) return;
    node.spec.taints = [...taints, { ...NOT_READY }];
  },
} satisfies AdmissionPlugin;
