// Priority: pods get the number behind their PriorityClass, and no two classes are the default.
import { priorityClasses } from "@skiff/api/resource-ref.ts";
import type { Pod, PriorityClass } from "@skiff/api/types.ts";
import type { ObjectReader } from "../registry/object-access.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./admission.ts";
import { concerns, refuse } from "./refusal.ts";

/** Only classes give priorities: with a number of their own choice anybody could preempt anybody. */
export function createPriorityPlugin(reader: ObjectReader): AdmissionPlugin {
  return {
    name: "Priority",
    async admit(request, signal) {
      if (!concerns(request, "pods")) return;
      if (request.operation === "CREATE") await setPriority(request, reader, signal);
      if (request.operation === "UPDATE") keepPriority(request.object as Pod, request.oldObject as Pod);
    },
    validate(request) {
      const isWrite = request.operation === "CREATE" || request.operation === "UPDATE";
      if (isWrite && concerns(request, "priorityclasses", "", "scheduling.k8s.io")) checkOnlyDefault(request, reader);
    },
  };
}

async function setPriority(request: AdmissionRequest, reader: ObjectReader, signal: AbortSignal): Promise<void> {
  const { spec } = request.object as Pod;
  const found = spec.priorityClassName
    ? await classNamed(request, spec.priorityClassName, reader, signal)
    : defaultClass(reader);
  if (!spec.priorityClassName && found) spec.priorityClassName = found.metadata.name ?? "";
  // Without a class and without a default one a pod has priority 0.
  const priority = found?.value ?? 0;
  if (spec.priority !== undefined && spec.priority !== priority) {
    const why = `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${priority} from the given PriorityClass name`;
    throw refuse(request, why);
  }
  spec.priority = priority;
  // Whether pods of the class may push others out; unset in a class, the pod's own word stays.
  const policy = found ? found.preemptionPolicy : "PreemptLowerPriority";
  if (policy === undefined) return;
  if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== policy) {
    const why = `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${policy} from the given PriorityClass name`;
    throw refuse(request, why);
  }
  spec.preemptionPolicy = policy;
}

/** Read from etcd when the cache lacks it: a class and its first pod may be made in one breath. */
async function classNamed(
  request: AdmissionRequest,
  name: string,
  reader: ObjectReader,
  signal: AbortSignal,
): Promise<Readonly<PriorityClass>> {
  const found = await reader.getLatest(priorityClasses, "", name, signal);
  if (!found) throw refuse(request, `no PriorityClass with name ${name} was found`);
  return found;
}

/** Two apiservers may have let two defaults in; then the lowest counts. */
function defaultClass(reader: ObjectReader): Readonly<PriorityClass> | undefined {
  const defaults = reader.list(priorityClasses).filter(({ globalDefault }) => globalDefault);
  return defaults.sort((a, b) => (a.value ?? 0) - (b.value ?? 0))[0];
}

/** A PUT that leaves these out does not mean to take them away. */
function keepPriority(pod: Pod, previous: Readonly<Pod>): void {
  const { priority, preemptionPolicy } = previous.spec;
  if (pod.spec.priority === undefined && priority !== undefined) pod.spec.priority = priority;
  if (pod.spec.preemptionPolicy === undefined && preemptionPolicy !== undefined) {
    pod.spec.preemptionPolicy = preemptionPolicy;
  }
}

/** Throws 403 for a second class with `globalDefault`. */
function checkOnlyDefault(request: AdmissionRequest, reader: ObjectReader): void {
  const { globalDefault, metadata } = request.object as PriorityClass;
  if (!globalDefault) return;
  const present = defaultClass(reader);
  if (!present) return;
  const name = present.metadata.name ?? "";
  if (request.operation === "UPDATE" && name === metadata.name) return;
  throw refuse(request, `PriorityClass ${name} is already marked as default. Only one default can exist`);
}
