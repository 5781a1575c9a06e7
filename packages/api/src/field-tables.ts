// What the generated models lack, by model and field: how lists and maps merge, which texts are quantities, which
// words an enumeration knows. Strategic merge, server-side apply, decoding and OpenAPI all ask here.
import { enumTable } from "./field-facts/enums.ts";
import { atomicModels, type FieldFacts, mergeTable } from "./field-facts/merge.ts";
import { mergeTableOfOtherGroups } from "./field-facts/merge-other-groups.ts";
import { quantityTable } from "./field-facts/quantities.ts";

/** See the topology markers of upstream's types: `+listType` and `+mapType`. */
export type ListType = "atomic" | "map" | "set";
/** `granular` is the default; a field says it where its type is atomic elsewhere. */
export type MapType = "atomic" | "granular";

/** The key by which strategic merge pairs list elements (`x-kubernetes-patch-merge-key`). */
export function mergeKeyOf(model: string, field: string): string | undefined {
  return factsOf(model, field)?.mergeKey;
}

/** `merge`, `replace`, `retainKeys` or `merge,retainKeys` (`x-kubernetes-patch-strategy`); undefined means the default. */
export function patchStrategyOf(model: string, field: string): string | undefined {
  return factsOf(model, field)?.patchStrategy;
}

/** How server-side apply owns a list (`x-kubernetes-list-type`); undefined where the field is no list or says nothing. */
export function listTypeOf(model: string, field: string): ListType | undefined {
  return factsOf(model, field)?.listType;
}

/** The fields that together name an element of a list of type `map` (`x-kubernetes-list-map-keys`). */
export function listMapKeysOf(model: string, field: string): readonly string[] | undefined {
  return factsOf(model, field)?.listMapKeys;
}

/** `atomic` where a map or object is owned as a whole (`x-kubernetes-map-type`), said by the field. */
export function mapTypeOf(model: string, field: string): MapType | undefined {
  return factsOf(model, field)?.mapType;
}

/** The same, said by the type itself: references and selectors are replaced as a whole wherever they stand. */
export function modelMapTypeOf(model: string): MapType | undefined {
  return atomicModels.has(unversioned(model)) ? "atomic" : undefined;
}

/** Whether the text (or each value of the map or list) is a resource quantity. */
export function isQuantityField(model: string, field: string): boolean {
  return quantityTable.get(unversioned(model))?.has(field) ?? false;
}

/** The words that a field may hold, where upstream declares them as an enumeration. */
export function enumOf(model: string, field: string): readonly string[] | undefined {
  return enumTable.get(`${model}.${field}`) ?? enumTable.get(`${unversioned(model)}.${field}`);
}

function factsOf(model: string, field: string): FieldFacts | undefined {
  return lookUp(model, field) ?? lookUp(unversioned(model), field);
}

function lookUp(model: string, field: string): FieldFacts | undefined {
  const facts = mergeTable.get(model) ?? mergeTableOfOtherGroups.get(model);
  return facts?.get(field);
}

/** Alpha and beta versions of a type (V1beta1Device) follow the stable one wherever they share a field. */
export function unversioned(model: string): string {
  return model.replace(/^V\d+(alpha|beta)\d+/, "");
}
