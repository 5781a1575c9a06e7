// Which requests a webhook or a policy speaks for: rules over groups, versions, resources and operations.
import type {
  MatchCondition,
  MatchResources,
  NamedRuleWithOperations,
  RuleWithOperations,
} from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { optionalWord, requiredWord } from "../../validation/field-rules.ts";
import { validateLabelSelector } from "../../validation/label-selector.ts";
import { isPathSegmentName, isQualifiedName } from "../../validation/names.ts";
import {
  duplicate,
  type FieldPath,
  invalidAll,
  invalidValue,
  notSupported,
  required,
  tooMany,
} from "../../validation/path.ts";

// The verbs of the API as admission knows them; reading passes no admission at all.
const OPERATIONS = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
// Whether a rule is for objects in namespaces, outside of them, or both.
const SCOPES = ["*", "Cluster", "Namespaced"];
// Each is a CEL expression that runs for every request that the rules match.
const MAX_MATCH_CONDITIONS = 64;

/** Operations, groups, versions and resources: a request has to match in all four. */
export function validateRule(rule: RuleWithOperations, path: FieldPath, allowSubresources = true): FieldError[] {
  const { operations = [], apiGroups = [], apiVersions = [], resources = [], scope } = rule;
  const errors: FieldError[] = [];
  if (operations.length === 0) errors.push(required(path.child("operations")));
  // The wildcard covers the others already.
  if (operations.length > 1 && operations.includes("*")) {
    errors.push(
      invalidValue(path.child("operations"), operations, "if '*' is present, must not specify other operations"),
    );
  }
  for (const [i, operation] of operations.entries()) {
    if (!OPERATIONS.includes(operation)) {
      errors.push(notSupported(path.child("operations").index(i), operation, OPERATIONS));
    }
  }
  errors.push(...validateWords(apiGroups, "apiGroups", "groups", path, true));
  errors.push(...validateWords(apiVersions, "apiVersions", "versions", path, false));
  errors.push(...validateResources(resources, path.child("resources"), allowSubresources));
  return [...errors, ...optionalWord(scope, SCOPES, path.child("scope"))];
}

/** Groups or versions: a wildcard stands alone. */
function validateWords(
  words: readonly string[],
  field: "apiGroups" | "apiVersions",
  what: string,
  path: FieldPath,
  mayBeEmpty: boolean,
): FieldError[] {
  const at = path.child(field);
  if (words.length === 0) return [required(at)];
  const errors: FieldError[] = [];
  // What else is there would be without effect, and is likely a mistake.
  if (words.length > 1 && words.includes("*")) {
    errors.push(invalidValue(at, words, `if '*' is present, must not specify other API ${what}`));
  }
  // The core group's name is empty.
  if (mayBeEmpty) return errors;
  return [...errors, ...words.flatMap((word, i) => (word ? [] : [required(at.index(i))]))];
}

/** A wildcard must not stand beside what it covers. */
function validateResources(resources: readonly string[], path: FieldPath, allowSubresources: boolean): FieldError[] {
  if (resources.length === 0) return [required(path)];
  const errors: FieldError[] = [];
  for (const [i, text] of resources.entries()) {
    if (!text) errors.push(required(path.index(i)));
    // `pods/status` is one subresource, `pods/*` all of them, `*/status` that of every resource.
    const [resource = "", subresource] = text.split("/", 2);
    if (subresource === undefined) {
      if (!allowSubresources && text.includes("/"))
        errors.push(invalidValue(path.index(i), text, "subresources not allowed"));
      continue;
    }
    const others = resources.filter((other) => other !== text);
    if (resource !== "*" && resources.includes(`*/${subresource}`) && text !== `*/${subresource}`) {
      errors.push(invalidValue(path.index(i), text, `if '*/${subresource}' is present, must not specify ${text}`));
    }
    if (subresource !== "*" && others.includes(`${resource}/*`)) {
      errors.push(invalidValue(path.index(i), text, `if '${resource}/*' is present, must not specify ${text}`));
    }
  }
  if (resources.length > 1 && resources.includes("*/*")) {
    errors.push(invalidValue(path, resources, "if '*/*' is present, must not specify other resources"));
  }
  const hasPlain = resources.some((text) => text !== "*" && !text.includes("/"));
  if (resources.includes("*") && hasPlain) {
    const detail = "if '*' is present, must not specify other resources without subresources";
    errors.push(invalidValue(path, resources, detail));
  }
  return errors;
}

/** What a policy or a binding matches; both selectors have defaults, so that absence is an error here. */
export function validateMatchResources(match: MatchResources | undefined, path: FieldPath): FieldError[] {
  if (!match) return [];
  return [
    ...requiredWord(match.matchPolicy, ["Equivalent", "Exact"], path.child("matchPolicy")),
    ...(match.namespaceSelector
      ? validateLabelSelector(match.namespaceSelector, path.child("namespaceSelector"))
      : [required(path.child("namespaceSelector"))]),
    ...(match.objectSelector
      ? validateLabelSelector(match.objectSelector, path.child("objectSelector"))
      : [required(path.child("objectSelector"))]),
    ...(match.resourceRules ?? []).flatMap((rule, i) => validateNamedRule(rule, path.child("resourceRules").index(i))),
    ...(match.excludeResourceRules ?? []).flatMap((rule, i) =>
      validateNamedRule(rule, path.child("excludeResourceRules").index(i)),
    ),
  ];
}

/** As a webhook's rule, with names of objects beside; a create with a generated name has none to match yet. */
function validateNamedRule(rule: NamedRuleWithOperations, path: FieldPath): FieldError[] {
  const seen = new Set<string>();
  const names = (rule.resourceNames ?? []).flatMap((name, i) => {
    const at = path.child("resourceNames").index(i);
    const errors = invalidAll(at, name, isPathSegmentName(name));
    if (seen.has(name)) errors.push(duplicate(at, name));
    seen.add(name);
    return errors;
  });
  return [...names, ...validateRule(rule, path)];
}

/** Conditions are tried in order after the rules; `nameRequired` is the detail of the error for a missing name. */
export function validateMatchConditions(
  conditions: readonly MatchCondition[],
  path: FieldPath,
  nameRequired: string,
): FieldError[] {
  const errors: FieldError[] = [];
  if (conditions.length > MAX_MATCH_CONDITIONS) errors.push(tooMany(path, conditions.length, MAX_MATCH_CONDITIONS));
  const seen = new Set<string>();
  for (const [i, { name, expression }] of conditions.entries()) {
    const at = path.index(i);
    if (!expression?.trim()) errors.push(required(at.child("expression")));
    if (!name) errors.push(required(at.child("name"), nameRequired));
    else errors.push(...invalidAll(at.child("name"), name, isQualifiedName(name)));
    if (name && seen.has(name)) errors.push(duplicate(at.child("name"), name));
    seen.add(name);
  }
  return errors;
}
