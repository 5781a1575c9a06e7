// The two PriorityClasses of the system stay: pods without which a cluster does not work are known by them.
import type { AdmissionPlugin } from "./admission.ts";
import { concerns, refuse } from "./refusal.ts";

/** Made by bootstrap at start. */
const SYSTEM_CLASSES: ReadonlySet<string> = new Set(["system-cluster-critical", "system-node-critical"]);

/** Throws 403 on deletion. */
export const systemPriorityClasses = {
  name: "SystemPriorityClasses",
  validate(request) {
    if (request.operation !== "DELETE" || !concerns(request, "priorityclasses", "", "scheduling.k8s.io")) return;
    if (!SYSTEM_CLASSES.has(request.name ?? "")) return;
    throw refuse(request, "this is a system priority class and cannot be deleted");
  },
} satisfies AdmissionPlugin;
