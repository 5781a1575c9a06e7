// Upstream's names of types in OpenAPI documents: `io.k8s.api.core.v1.Pod`.
import { goPackageOf, kindOf } from "@skiff/api/go-names.ts";
import { hasModel, modelOf } from "@skiff/api/models.ts";
import type { Schema } from "@skiff/api/schema.ts";

/** Upstream's Go packages, turned round: kubectl and client generators know the types by these names. */
const META = "io.k8s.apimachinery.pkg.apis.meta.v1";
/** Types without a model: JSON shows them as a text, a number or anything at all. */
export const QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity";
export const INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
export const TIME = `${META}.Time`;
export const MICRO_TIME = `${META}.MicroTime`;
export const FIELDS_V1 = `${META}.FieldsV1`;
export const PATCH = `${META}.Patch`;
export const RAW_EXTENSION = "io.k8s.apimachinery.pkg.runtime.RawExtension";

/** Types that all groups share. */
const META_MODELS = [
  "APIGroup",
  "APIGroupList",
  "APIResource",
  "APIResourceList",
  "APIVersions",
  "Condition",
  "DeleteOptions",
  "FieldSelectorRequirement",
  "GroupVersionForDiscovery",
  "LabelSelector",
  "LabelSelectorRequirement",
  "ListMeta",
  "ManagedFieldsEntry",
  "ObjectMeta",
  "OwnerReference",
  "Preconditions",
  "ServerAddressByClientCIDR",
  "Status",
  "StatusCause",
  "StatusDetails",
  "WatchEvent",
];

/** Types of the core group that others refer to, even where the kinds themselves are not served. */
const CORE_ROOTS = ["Pod", "PodTemplate", "Node", "Service", "PersistentVolume", "PersistentVolumeClaim", "Secret"];

/** The model of a kind's lists; a kind that shares its name with an older type has the plain name for its lists alone. */
export function listModelOf(model: string, kind: string): string {
  return hasModel(`${model}List`) ? `${model}List` : `${kind}List`;
}

/** A type that some kind is made of, and that kind's group. */
export interface ModelRoot {
  readonly group: string;
  readonly model: string;
}

/** Maps models to names. Types belong to the first group that reaches them; nothing but core and meta is shared. */
export class DefinitionNames {
  private readonly names = new Map<string, string>();

  constructor(roots: readonly ModelRoot[]) {
    for (const model of META_MODELS) this.assign(model, META);
    for (const model of CORE_ROOTS) this.assign(model, "");
    for (const { group, model } of roots.toSorted((a, b) => Number(a.group !== "") - Number(b.group !== ""))) {
      this.assign(model, group);
    }
  }

  /** Every type that was reached, with its name. */
  [Symbol.iterator](): Iterator<[model: string, name: string]> {
    return this.names[Symbol.iterator]();
  }

  /** Throws for a type that no served kind reaches: a mistake of the tables, not of a client. */
  nameOf(model: string): string {
    const name = this.names.get(model);
    if (!name) throw new Error(`model ${model} belongs to no served kind`);
    return name;
  }

  /** With everything below it. What has a name already keeps it, which also ends the recursion of JSONSchemaProps. */
  private assign(model: string, group: string): void {
    if (this.names.has(model) || !hasModel(model)) return;
    const prefix = group === META ? META : `${packageOf(group)}.${goPackageOf(model)}`;
    this.names.set(model, `${prefix}.${kindOf(model)}`);
    for (const schema of Object.values(modelOf(model).fields)) {
      const ref = referenceOf(schema);
      if (ref) this.assign(ref, group);
    }
  }
}

/** The model that a field is made of, through lists and maps. */
function referenceOf(schema: Schema): string | undefined {
  switch (schema.type) {
    case "object":
      return schema.ref;
    case "array":
      return referenceOf(schema.items);
    case "map":
      return referenceOf(schema.values);
    default:
      return undefined;
  }
}

/** Two groups live in repositories of their own; the others are all of k8s.io/api. */
function packageOf(group: string): string {
  if (group === "apiextensions.k8s.io") return "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions";
  if (group === "apiregistration.k8s.io") return "io.k8s.kube-aggregator.pkg.apis.apiregistration";
  return `io.k8s.api.${group === "" ? "core" : group.split(".")[0]}`;
}
