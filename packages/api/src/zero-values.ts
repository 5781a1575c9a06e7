// What stands in an object although its writer left it out, and what does not although it was written: upstream's types
// write their required fields always and leave out what is empty elsewhere. Readers rely on both.
import { PLAIN_SCALARS, POINTERS_TO_TEXT } from "./field-facts/plain-scalars.ts";
import { unversioned } from "./field-tables.ts";
import { modelOf } from "./models.ts";
import type { Schema } from "./schema.ts";

/** A field that is filled in, and what it holds. */
export interface ZeroField {
  readonly field: string;
  readonly schema: Schema;
}

/** Pointers in upstream's types: their absence is told from an empty value, although the field is required. */
const ABSENT_WHEN_UNSET: ReadonlySet<string> = new Set([
  "DaemonSetSpec.selector",
  "DeploymentSpec.selector",
  "ReplicaSetSpec.selector",
  "ScaleIOPersistentVolumeSource.secretRef",
  "ScaleIOVolumeSource.secretRef",
  "StatefulSetSpec.selector",
]);

/** Written always although they need not be given: upstream's types leave out no structs, and these plain values neither. */
const WRITTEN_ALWAYS: Readonly<Record<string, readonly string[]>> = {
  CustomResourceDefinitionStatus: ["acceptedNames"],
  Endpoint: ["conditions"],
  NodeDaemonEndpoints: ["kubeletEndpoint"],
  // The runtime's default handler has the empty name.
  NodeRuntimeHandler: ["name"],
  PersistentVolumeClaimSpec: ["resources"],
  PodDisruptionBudgetStatus: ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"],
  ResourceClaimSpec: ["devices"],
  StatefulSetOrdinals: ["start"],
  StatefulSetSpec: ["serviceName"],
};

/** The required fields of a model, and the metadata and spec of a kind. Unset times and free-form values stay unset. */
export function zeroFieldsOf(model: string): ZeroField[] {
  const { fields, required } = modelOf(model);
  const isKind = "apiVersion" in fields && "kind" in fields;
  const always = WRITTEN_ALWAYS[unversioned(model)] ?? [];
  const names = new Set([...required, ...always, ...(isKind ? ["metadata", "spec"] : [])]);
  const found: ZeroField[] = [];
  for (const field of names) {
    const schema = fields[field];
    if (!schema || schema.type === "any" || (schema.type === "string" && schema.format)) continue;
    if (!ABSENT_WHEN_UNSET.has(`${model}.${field}`)) found.push({ field, schema });
  }
  return found;
}

/** Go's zero value of anything but an object, whose own zero fields its walk fills in. */
export function zeroOf(schema: Schema): unknown {
  switch (schema.type) {
    case "object":
    case "map":
      return {};
    case "array":
      return [];
    case "string":
      return "";
    case "integer":
    case "number":
    case "int-or-string":
      return 0;
    case "boolean":
      return false;
    case "any":
      return null;
  }
}

/** Upstream writes these even when they are empty, although they need not be given. */
const KEPT_WHEN_EMPTY: ReadonlySet<string> = new Set([
  "ClusterRole.rules",
  "EndpointSlice.ports",
  "NodeRuntimeHandler.name",
  "Role.rules",
  // No policies are an error, while none said are filled in.
  "V2HPAScalingRules.policies",
]);

/** Whether a decoded value is dropped: what is empty and optional, unless upstream tells it from nothing. */
export function isLeftOut(model: string, field: string, schema: Schema): ((value: unknown) => boolean) | undefined {
  const name = `${model}.${field}`;
  const plain = `${unversioned(model)}.${field}`;
  if (PLAIN_SCALARS.has(name) || PLAIN_SCALARS.has(plain)) return (value) => value === 0 || value === false;
  if (KEPT_WHEN_EMPTY.has(plain) || modelOf(model).required.includes(field)) return undefined;
  switch (schema.type) {
    case "array":
      return (value) => (value as unknown[]).length === 0;
    case "map":
      return (value) => Object.keys(value as object).length === 0;
    case "string":
      return POINTERS_TO_TEXT.has(name) || POINTERS_TO_TEXT.has(plain) ? undefined : (value) => value === "";
    default:
      return undefined;
  }
}
