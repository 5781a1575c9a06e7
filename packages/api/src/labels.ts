// Label selectors: parsed once, matched often.
import type { LabelSelector } from "../generated/types.ts";
import { badRequest } from "./errors.ts";
import { type LabelOperator, parseRequirements, type Requirement } from "./label-parser.ts";
import { isLabelValue, isQualifiedName } from "./validation/names.ts";

export type { LabelOperator, Requirement };

type Labels = Readonly<Record<string, string>> | undefined;

/** Immutable. `requirements` are sorted by key, so that equal selectors give equal texts. */
export interface Selector {
  matches(labels: Labels): boolean;
  toString(): string;
  readonly isEverything: boolean;
  readonly requirements: readonly Requirement[];
}

const everything: Selector = {
  matches: () => true,
  toString: () => "",
  isEverything: true,
  requirements: [],
};

const nothing: Selector = {
  matches: () => false,
  toString: () => "<nothing>",
  isEverything: false,
  requirements: [],
};

/** Reads `a=b,c in (d,e),!f`; throws ApiError 400 in upstream's words. */
export function parseLabelSelector(text: string): Selector {
  const requirements = parseRequirements(text);
  for (const requirement of requirements) checkRequirement(requirement);
  return selectorFromRequirements(requirements);
}

/** A selector of an object's spec: undefined matches nothing, `{}` everything. */
export function selectorOf(selector: LabelSelector | undefined): Selector {
  if (!selector) return nothing;
  const requirements: Requirement[] = [];
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    requirements.push({ key, operator: "=", values: [value] });
  }
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    requirements.push({ key, operator: operatorOf(operator), values: [...(values ?? [])].sort() });
  }
  return selectorFromRequirements(requirements);
}

/** A plain map, as `spec.selector` of a Service: undefined and `{}` match everything, as upstream's SelectorFromSet. */
export function selectorFromMap(map: Readonly<Record<string, string>> | undefined): Selector {
  const entries = Object.entries(map ?? {});
  return selectorFromRequirements(entries.map(([key, value]) => ({ key, operator: "=", values: [value] })));
}

/** All must hold; none at all is everything. */
function selectorFromRequirements(requirements: readonly Requirement[]): Selector {
  if (requirements.length === 0) return everything;
  const sorted = [...requirements].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const tests = sorted.map(compile);
  const only = tests[0];
  return {
    matches: tests.length === 1 && only ? only : (labels) => tests.every((test) => test(labels)),
    toString: () => sorted.map(formatRequirement).join(","),
    isEverything: false,
    requirements: sorted,
  };
}

/** `a=b,c=d` of a label set, sorted by key. */
export function formatLabels(labels: Labels): string {
  return Object.entries(labels ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}

/** LabelSelector's words to those of the text form. Validation refuses others before an object is stored. */
function operatorOf(operator: string): LabelOperator {
  switch (operator) {
    case "In":
      return "in";
    case "NotIn":
      return "notin";
    case "Exists":
      return "exists";
    case "DoesNotExist":
      return "!";
    default:
      throw badRequest(`"${operator}" is not a valid label selector operator`);
  }
}

// One closure per requirement: matching runs for every object of a list and every event of a watch.
function compile({ key, operator, values }: Requirement): (labels: Labels) => boolean {
  const first = values[0] ?? "";
  switch (operator) {
    case "=":
    case "==":
      return (labels) => read(labels, key) === first;
    // Also of objects without the label, here and for `notin`.
    case "!=":
      return (labels) => read(labels, key) !== first;
    case "exists":
      return (labels) => read(labels, key) !== undefined;
    case "!":
      return (labels) => read(labels, key) === undefined;
    case "in": {
      const set = new Set<string | undefined>(values);
      return (labels) => set.has(read(labels, key));
    }
    case "notin": {
      const set = new Set<string | undefined>(values);
      return (labels) => !set.has(read(labels, key));
    }
    case "gt":
    case "lt":
      return compileOrder(key, operator, first);
  }
}

function compileOrder(key: string, operator: "gt" | "lt", bound: string): (labels: Labels) => boolean {
  const limit = parseInt64(bound);
  return (labels) => {
    const value = parseInt64(read(labels, key));
    if (value === undefined || limit === undefined) return false;
    return operator === "gt" ? value > limit : value < limit;
  };
}

// Own properties only: a selector on `constructor` must not find Object's.
function read(labels: Labels, key: string): string | undefined {
  return labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
}

/** As Go's strconv.ParseInt for 64 bits; undefined where that fails. */
function parseInt64(text: string | undefined): bigint | undefined {
  if (text === undefined || !/^[+-]?\d{1,19}$/.test(text)) return undefined;
  const value = BigInt(text.startsWith("+") ? text.slice(1) : text);
  return value === BigInt.asIntN(64, value) ? value : undefined;
}

function formatRequirement({ key, operator, values }: Requirement): string {
  switch (operator) {
    case "exists":
      return key;
    case "!":
      return `!${key}`;
    case "in":
    case "notin":
      return `${key} ${operator} (${values.join(",")})`;
    case "gt":
      return `${key}>${values[0]}`;
    case "lt":
      return `${key}<${values[0]}`;
    default:
      return `${key}${operator}${values[0]}`;
  }
}

/** Upstream's NewRequirement: keys and values must be possible labels, else the selector could never match. */
function checkRequirement({ key, operator, values }: Requirement): void {
  const problems: string[] = [];
  const keyProblems = isQualifiedName(key);
  if (keyProblems.length > 0) problems.push(`key: Invalid value: ${JSON.stringify(key)}: ${keyProblems.join("; ")}`);
  if ((operator === "in" || operator === "notin") && values.length === 0) {
    problems.push("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty");
  }
  for (const [i, value] of values.entries()) {
    if ((operator === "gt" || operator === "lt") && parseInt64(value) === undefined) {
      problems.push(
        `values[${i}]: Invalid value: ${JSON.stringify(value)}: for 'Gt', 'Lt' operators, the value must be an integer`,
      );
    }
    const bad = isLabelValue(value);
    if (bad.length > 0)
      problems.push(`values[${i}][${key}]: Invalid value: ${JSON.stringify(value)}: ${bad.join("; ")}`);
  }
  if (problems.length === 0) return;
  const list = problems.length === 1 ? problems[0] : `[${problems.join(", ")}]`;
  throw badRequest(`unable to parse requirement: ${list}`);
}
