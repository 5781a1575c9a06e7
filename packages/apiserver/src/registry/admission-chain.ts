// Runs the admission plug-ins in their order: first all that may change the object, then all that only judge.
import type { KubeObject } from "@skiff/api/object.ts";
import type { AdmissionChain, AdmissionOperation, AdmissionRequest } from "../admission/admission.ts";
import type { StorageKind } from "../storage/stored-object.ts";
import type { WriteOptions } from "./write-options.ts";

/** What plug-ins are told of a write. `object` is the very one that is stored: what a plug-in changes in it counts. */
export function admissionRequest(
  operation: AdmissionOperation,
  kind: StorageKind,
  place: { readonly namespace: string; readonly name: string },
  objects: { readonly object?: KubeObject | undefined; readonly oldObject?: Readonly<KubeObject> | undefined },
  options: WriteOptions,
): AdmissionRequest {
  return {
    operation,
    kind: kind.definition,
    subresource: options.subresource,
    namespace: place.namespace,
    name: place.name,
    object: objects.object,
    oldObject: objects.oldObject,
    user: options.user,
    dryRun: options.dryRun,
    warn: options.warn,
  };
}

/** The mutating half. Plug-ins refuse by throwing an ApiError, mostly 403, and the first refusal ends the chain. */
export function admit(plugins: AdmissionChain, request: AdmissionRequest, signal: AbortSignal): Promise<void> {
  return runStep(plugins, "admit", request, signal);
}

/** The judging half, on the object as it would be stored; it must not change anything. */
export function validateAdmission(
  plugins: AdmissionChain,
  request: AdmissionRequest,
  signal: AbortSignal,
): Promise<void> {
  return runStep(plugins, "validate", request, signal);
}

async function runStep(
  plugins: AdmissionChain,
  type: "admit" | "validate",
  request: AdmissionRequest,
  signal: AbortSignal,
): Promise<void> {
  const start = plugins.nowMs?.() ?? 0;
  let rejected = true;
  try {
    for (const plugin of plugins) {
      // Most plug-ins are done at once; an await for each would cost every write a turn of the event loop.
      const pending = plugin[type]?.(request, signal);
      if (pending) await pending;
    }
    rejected = false;
  } finally {
    plugins.observeStep?.(type, request, start, rejected);
  }
}
