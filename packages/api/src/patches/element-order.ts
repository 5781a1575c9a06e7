// Where merged list elements end up: those of the patch in its order, the others around them as they were.
import { getOwn, isPlainObject } from "../plain-object.ts";

/**
 * `order` are the elements that the patch names, `before` the list as it was; elements are told apart by `mergeKey`, or
 * by themselves where it is empty.
 */
export function orderMerged(
  merged: readonly unknown[],
  order: readonly unknown[],
  before: readonly unknown[],
  mergeKey: string,
): unknown[] {
  const nameOf = (element: unknown) => (mergeKey && isPlainObject(element) ? getOwn(element, mergeKey) : element);
  const places = indexBy(order, nameOf);
  const formerPlaces = indexBy(before, nameOf);
  const byPlace = (index: ReadonlyMap<unknown, number>) => (a: unknown, b: unknown) =>
    (index.get(nameOf(a)) ?? Number.MAX_SAFE_INTEGER) - (index.get(nameOf(b)) ?? Number.MAX_SAFE_INTEGER);
  const named = merged.filter((element) => places.has(nameOf(element))).sort(byPlace(places));
  const others = merged.filter((element) => !places.has(nameOf(element))).sort(byPlace(formerPlaces));
  return interleave(others, named, (element) => formerPlaces.get(nameOf(element)));
}

/** An unnamed element goes first only if both stood in the list before, and it stood in front: so additions lead. */
function interleave(
  others: readonly unknown[],
  named: readonly unknown[],
  formerPlace: (element: unknown) => number | undefined,
): unknown[] {
  const out: unknown[] = [];
  let next = 0;
  for (const element of named) {
    const place = formerPlace(element);
    while (next < others.length && place !== undefined) {
      const other = formerPlace(others[next]);
      if (other === undefined || other >= place) break;
      out.push(others[next++]);
    }
    out.push(element);
  }
  return [...out, ...others.slice(next)];
}

function indexBy(list: readonly unknown[], nameOf: (element: unknown) => unknown): Map<unknown, number> {
  const index = new Map<unknown, number>();
  for (const [i, element] of list.entries()) if (!index.has(nameOf(element))) index.set(nameOf(element), i);
  return index;
}
