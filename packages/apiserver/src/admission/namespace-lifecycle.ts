// NamespaceLifecycle: nothing is created in a namespace that is missing or ends, and some namespaces never end.
import { ApiError, notFound } from "@skiff/api/errors.ts";
import { namespaces } from "@skiff/api/resource-ref.ts";
import type { ObjectReader } from "../registry/object-access.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./admission.ts";
import { refuse } from "./refusal.ts";

/** Without these the cluster's own parts have no place; the apiserver would make them again, empty. */
const IMMORTAL = new Set(["default", "kube-system", "kube-public"]);

/**
 * Throws 404 for a namespace that does not exist and 403 for one that ends. Else a creation could slip in behind the
 * controller that empties it, and stay for ever.
 */
export function createNamespaceLifecycle(reader: ObjectReader): AdmissionPlugin {
  return {
    name: "NamespaceLifecycle",
    async admit(request, signal) {
      const { kind, operation, namespace } = request;
      if (kind.group === "" && kind.plural === "namespaces") {
        const isDeletion = operation === "DELETE" && !request.subresource;
        if (isDeletion && IMMORTAL.has(request.name)) throw refuse(request, "this namespace may not be deleted");
        return;
      }
      if (!kind.namespaced || !namespace) return;
      // What is left in a namespace must always be removable, and asking about rights changes nothing.
      if (operation === "DELETE" || operation === "CONNECT" || kind.plural === "localsubjectaccessreviews") return;
      const found = await reader.getLatest(namespaces, "", namespace, signal);
      if (!found) throw notFound(namespaces, namespace);
      const isEnding = found.status?.phase === "Terminating" || found.metadata.deletionTimestamp !== undefined;
      if (operation === "CREATE" && isEnding) throw terminating(request);
    },
  };
}

/** The cause lets controllers tell this refusal, which no retry helps, from others. */
function terminating(request: AdmissionRequest): ApiError {
  const { namespace } = request;
  const refusal = refuse(
    request,
    `unable to create new content in namespace ${namespace} because it is being terminated`,
  );
  const cause = {
    reason: "NamespaceTerminating",
    message: `namespace ${namespace} is being terminated`,
    field: "metadata.namespace",
  };
  return new ApiError(refusal.code, refusal.reason, refusal.message, { ...refusal.details, causes: [cause] });
}
