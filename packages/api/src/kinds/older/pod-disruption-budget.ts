// policy/v1beta1: an empty selector meant no pods at all, where policy/v1 means all of them.
import type { LabelSelector, PodDisruptionBudget } from "../../../generated/types.ts";
import type { ServedVersion } from "../../kind.ts";
import type { KubeObject } from "../../object.ts";
import { isEmptySelector } from "../../validation/label-selector.ts";

/** No pod has this label, so asking for it selects none, and asking for its absence all. */
const MARK = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match";

/** Turns the selectors over on the way in and out, so that what each version's readers see is what was meant. */
export const podDisruptionBudgetBeta: ServedVersion = {
  version: "v1beta1",
  model: "V1beta1PodDisruptionBudget",
  deprecated: ["v1.21", "v1.25"],
  toStored: (object) => withSelector(object, "Exists", "DoesNotExist"),
  fromStored: (object) => withSelector(object, "DoesNotExist", "Exists"),
};

/** An empty selector becomes a mark with `emptyBecomes`; a mark with `becomesEmpty` an empty selector. */
function withSelector(object: KubeObject, emptyBecomes: string, becomesEmpty: string): KubeObject {
  const budget = object as PodDisruptionBudget;
  const selector = budget.spec?.selector;
  if (!selector) return object;
  if (isEmptySelector(selector)) return replace(budget, { matchExpressions: [{ key: MARK, operator: emptyBecomes }] });
  const [first, ...others] = selector.matchExpressions ?? [];
  const isMark = first?.key === MARK && first.operator === becomesEmpty && others.length === 0;
  return isMark && Object.keys(selector.matchLabels ?? {}).length === 0 ? replace(budget, {}) : object;
}

function replace(budget: PodDisruptionBudget, selector: LabelSelector): KubeObject {
  return { ...budget, spec: { ...budget.spec, selector } } as KubeObject;
}
