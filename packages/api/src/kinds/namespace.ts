// Namespace: emptied by its controller while finalizers hold it, so spec.finalizers has a subresource of its own.
import type { Namespace } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { ALL_VERBS, type WriteRules } from "../kind.ts";
import { namespaces } from "../resource-ref.ts";
import { isDns1123Label, isQualifiedName } from "../validation/names.ts";
import { invalidAll, invalidValue, root } from "../validation/path.ts";
import { ageColumn, column, nameColumn } from "./columns.ts";
import { copyPart, defineKind } from "./define-kind.ts";

// Lets selectors of namespaces (NetworkPolicies, webhooks) pick one by its name; it cannot be forged.
const NAME_LABEL = "kubernetes.io/metadata.name";

// The namespace controller takes its finalizer away here once the namespace is empty, and the object then goes.
const finalizeRules: WriteRules<Namespace> = {
  prepareForUpdate: (next, previous) => copyPart(next, previous, "status"),
  validateUpdate: (next) => validateFinalizers(next),
};

/** Names are DNS labels, as each is a part of the DNS names of its Services. */
export const namespaceKind = defineKind<Namespace>({
  ref: namespaces,
  shortNames: ["ns"],
  hasStatus: true,
  hasGeneration: false,
  // Nobody may delete them all at once.
  verbs: ALL_VERBS.filter((verb) => verb !== "deletecollection"),
  validateName: isDns1123Label,
  applyDefaults(namespace) {
    namespace.spec ??= {};
    namespace.status ??= {};
    // Terminating is set when the deletion begins, by the server itself.
    namespace.status.phase ??= "Active";
    // Without a name (generateName) the label follows on the next write.
    if (namespace.metadata.name) {
      namespace.metadata.labels = { ...namespace.metadata.labels, [NAME_LABEL]: namespace.metadata.name };
    }
  },
  prepareForCreate(namespace) {
    namespace.status = { phase: "Active" };
    const finalizers = namespace.spec.finalizers ?? [];
    // Without this one the object would vanish first and leave its content behind.
    namespace.spec.finalizers = finalizers.includes("kubernetes") ? finalizers : [...finalizers, "kubernetes"];
    if (namespace.metadata.name) {
      namespace.metadata.labels = { ...namespace.metadata.labels, [NAME_LABEL]: namespace.metadata.name };
    }
  },
  validate: validateFinalizers,
  prepareForUpdate(next, previous) {
    // Finalizers are all that the spec has, and they have a subresource of their own.
    const finalizers = previous.spec.finalizers;
    next.spec = finalizers ? { finalizers } : {};
  },
  validateStatusUpdate: (next) => validatePhase(next),
  subresources: [{ name: "finalize", kind: "Namespace", verbs: ["update"], rules: finalizeRules }],
  selectableFields: { "status.phase": (n) => n.status?.phase ?? "" },
  columns: [nameColumn, column("Status", "The status of the namespace", (n) => n.status?.phase ?? ""), ageColumn],
});

/** Those of others carry their domain, so that two programs do not use the same word. */
function validateFinalizers(namespace: Namespace): FieldError[] {
  const path = root("spec").child("finalizers");
  return (namespace.spec.finalizers ?? []).flatMap((name) => {
    const errors = invalidAll(path, name, isQualifiedName(name));
    if (name.includes("/") || name === "kubernetes") return errors;
    const detail = "name is neither a standard finalizer name nor is it fully qualified";
    return [...errors, invalidValue(path, name, detail)];
  });
}

/** A namespace terminates exactly while it is being deleted. */
function validatePhase(namespace: Namespace): FieldError[] {
  const path = root("status").child("Phase");
  const phase = namespace.status?.phase ?? "";
  if (!namespace.metadata.deletionTimestamp) {
    const detail = "may only be 'Active' if `deletionTimestamp` is empty";
    return phase === "Active" ? [] : [invalidValue(path, phase, detail)];
  }
  const detail = "may only be 'Terminating' if `deletionTimestamp` is not empty";
  return phase === "Terminating" ? [] : [invalidValue(path, phase, detail)];
}
