// DefaultTolerationSeconds: pods stay on a node that fails for five minutes, unless they say otherwise.
import type { Pod, Toleration } from "@skiff/api/types.ts";
import type { AdmissionPlugin } from "./admission.ts";
import { concerns } from "./refusal.ts";

/** Upstream's default of --default-not-ready-toleration-seconds and its sibling. */
const DEFAULT_SECONDS = 300;
/** The taints that the node controller sets when a node reports that it is not ready, or no more at all. */
const KEYS = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/** Without a toleration the taint would evict at once, and a short network failure would move every pod. */
export const defaultTolerationSeconds = {
  name: "DefaultTolerationSeconds",
  admit(request) {
    if (request.operation !== "CREATE" && request.operation !== "UPDATE") return;
    if (!concerns(request, "pods")) return;
    const pod = request.object as Pod;
    const present = pod.spec.tolerations ?? [];
    const missing = KEYS.filter((key) => !present.some((toleration) => covers(toleration, key)));
    if (missing.length > 0) pod.spec.tolerations = [...present, ...missing.map(defaultToleration)];
  },
} satisfies AdmissionPlugin;

/** An empty key or effect means all of them. */
function covers(toleration: Toleration, key: string): boolean {
  return (!toleration.key || toleration.key === key) && (!toleration.effect || toleration.effect === "NoExecute");
}

function defaultToleration(key: string): Toleration {
  return { key, operator: "Exists", effect: "NoExecute", tolerationSeconds: DEFAULT_SECONDS };
}
