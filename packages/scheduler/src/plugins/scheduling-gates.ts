// SchedulingGates: a pod with gates is not tried until all are taken away.

import type { PreEnqueuePlugin } from "../framework/plugin.ts";
import { FITS, refuseForGood } from "../framework/plugin.ts";

export const schedulingGates = {
  name: "SchedulingGates",
  hints: [{ event: "Pod/Update" }],
  preEnqueue({ pod }) {
    const gates = pod.spec.schedulingGates ?? [];
    if (gates.length === 0) return FITS;
    return refuseForGood(`waiting for scheduling gates: [${gates.map((gate) => gate.name).join(" ")}]`);
  },
} satisfies PreEnqueuePlugin;
