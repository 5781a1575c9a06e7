// StorageObjectInUseProtection: volumes and claims are born with a finalizer, so that none goes away while it is used.
import type { AdmissionPlugin } from "./admission.ts";

/** The protection controllers take them away once no pod, or no claim, uses the object any more. */
const FINALIZERS: Readonly<Record<string, string>> = {
  persistentvolumeclaims: "kubernetes.io/pvc-protection",
  persistentvolumes: "kubernetes.io/pv-protection",
};

/** `kubectl delete pvc` on a claim in use then leaves it Terminating until the last pod is gone. */
export const storageObjectInUseProtection = {
  name: "StorageObjectInUseProtection",
  admit({ operation, kind, subresource, object }) {
    const finalizer = kind.group === "" ? FINALIZERS[kind.plural] : undefined;
    if (operation !== "CREATE" || subresource !== "" || !finalizer || !object) return;
    const present = object.metadata.finalizers ?? [];
    if (!present.includes(finalizer)) object.metadata.finalizers = [...present, finalizer];
  },
} satisfies AdmissionPlugin;
