// What one RBAC rule allows: compiled for matching, and compared for privilege escalation.
import type { PolicyRule } from "@skiff/api/types.ts";

/** The part of a request that rules speak about. */
export interface RuleQuestion {
  readonly verb: string;
  readonly isResourceRequest: boolean;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
  readonly path: string;
}

/** The rules of one role, found by resource without walking them all. */
export class CompiledRole {
  readonly rules: readonly PolicyRule[];
  private readonly exact = new Map<string, PolicyRule[]>();
  private readonly wild: PolicyRule[] = [];
  private readonly urls: PolicyRule[] = [];

  constructor(rules: readonly PolicyRule[]) {
    this.rules = rules;
    for (const rule of rules) this.add(rule);
  }

  allows(question: RuleQuestion): boolean {
    if (!question.isResourceRequest) return this.urls.some((rule) => ruleAllows(rule, question));
    const exact = this.exact.get(resourceKey(question.group, combinedResource(question)));
    return (
      (exact?.some((rule) => ruleAllows(rule, question)) ?? false) || this.wild.some((r) => ruleAllows(r, question))
    );
  }

  private add(rule: PolicyRule): void {
    if (rule.nonResourceURLs?.length) this.urls.push(rule);
    const { apiGroups = [], resources = [] } = rule;
    // Rules with a wildcard cannot be found by name; there are few of them, so each is asked.
    if (apiGroups.includes("*") || resources.some((resource) => resource.startsWith("*"))) {
      this.wild.push(rule);
      return;
    }
    for (const group of apiGroups) {
      for (const resource of resources) {
        const key = resourceKey(group, resource);
        const known = this.exact.get(key);
        if (known) known.push(rule);
        else this.exact.set(key, [rule]);
      }
    }
  }
}

/** Upstream's RuleAllows: every part of the rule must match. */
export function ruleAllows(rule: PolicyRule, question: RuleQuestion): boolean {
  if (!matchesWord(rule.verbs, question.verb)) return false;
  // Only rules of ClusterRoles get here: plain paths belong to no namespace.
  if (!question.isResourceRequest) return (rule.nonResourceURLs ?? []).some((url) => urlMatches(url, question.path));
  return (
    matchesWord(rule.apiGroups ?? [], question.group) &&
    // `pods` does not cover `pods/exec`: a subresource must be named, or `*/exec`, or `*`.
    matchesResource(rule.resources ?? [], combinedResource(question), question.subresource) &&
    // A POST has no name yet, so that a rule with resourceNames never allows one.
    (!rule.resourceNames?.length || rule.resourceNames.includes(question.name))
  );
}

function resourceKey(group: string, resource: string): string {
  return `${group}\0${resource}`;
}

function combinedResource({ resource, subresource }: RuleQuestion): string {
  return subresource ? `${resource}/${subresource}` : resource;
}

function matchesWord(words: readonly string[], wanted: string): boolean {
  return words.includes("*") || words.includes(wanted);
}

function matchesResource(resources: readonly string[], combined: string, subresource: string): boolean {
  if (resources.includes("*") || resources.includes(combined)) return true;
  return subresource !== "" && resources.includes(`*/${subresource}`);
}

/** `/healthz/*` covers what is below; `*` everything. */
function urlMatches(pattern: string, path: string): boolean {
  if (pattern === "*" || pattern === path) return true;
  return pattern.endsWith("*") && path.startsWith(pattern.replace(/\*+$/, ""));
}

/** The parts of `wanted` that `held` does not grant, as single-valued rules; empty when everything is held. */
export function uncoveredRules(held: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(breakdown).filter((single) => !held.some((rule) => covers(rule, single)));
}

/** One verb, group, resource and name each, since several held rules together may cover one that is wanted. */
function breakdown(rule: PolicyRule): PolicyRule[] {
  const singles: PolicyRule[] = [];
  for (const verb of rule.verbs) {
    for (const group of rule.apiGroups ?? []) {
      for (const resource of rule.resources ?? []) {
        const base = { apiGroups: [group], resources: [resource], verbs: [verb] };
        if (!rule.resourceNames?.length) singles.push(base);
        for (const name of rule.resourceNames ?? []) singles.push({ ...base, resourceNames: [name] });
      }
    }
    for (const url of rule.nonResourceURLs ?? []) singles.push({ nonResourceURLs: [url], verbs: [verb] });
  }
  return singles;
}

/** `single` is one rule of `breakdown`. */
function covers(owner: PolicyRule, single: PolicyRule): boolean {
  const has = (words: readonly string[] | undefined, wanted: readonly string[] | undefined) =>
    (wanted ?? []).every((word) => words?.includes(word) || words?.includes("*"));
  if (!has(owner.verbs, single.verbs)) return false;
  const url = single.nonResourceURLs?.[0];
  if (url !== undefined) return (owner.nonResourceURLs ?? []).some((pattern) => urlMatches(pattern, url));
  if (!has(owner.apiGroups, single.apiGroups) || !coversResource(owner, single.resources?.[0] ?? "")) return false;
  if (!owner.resourceNames?.length) return true;
  const name = single.resourceNames?.[0];
  return name !== undefined && owner.resourceNames.includes(name);
}

function coversResource(owner: PolicyRule, resource: string): boolean {
  const slash = resource.indexOf("/");
  return matchesResource(owner.resources ?? [], resource, slash < 0 ? "" : resource.slice(slash + 1));
}

/** Upstream's text of rules in an escalation error: verbs of one resource joined, one rule a line, sorted. */
export function describeRules(rules: readonly PolicyRule[]): string {
  const merged = new Map<string, PolicyRule>();
  for (const rule of rules) {
    const key = JSON.stringify({ ...rule, verbs: undefined });
    const known = merged.get(key);
    if (!known) merged.set(key, { ...rule, verbs: [...rule.verbs] });
    else known.verbs.push(...rule.verbs.filter((verb) => !known.verbs.includes(verb)));
  }
  return [...merged.values()].map(describeRule).sort().join("\n");
}

function describeRule(rule: PolicyRule): string {
  const parts: [string, readonly string[] | undefined][] = [
    ["APIGroups", rule.apiGroups],
    ["Resources", rule.resources],
    ["NonResourceURLs", rule.nonResourceURLs],
    ["ResourceNames", rule.resourceNames],
    ["Verbs", rule.verbs],
  ];
  const texts = parts.filter(([, words]) => words?.length).map(([name, words]) => `${name}:${quoteList(words ?? [])}`);
  return `{${texts.join(", ")}}`;
}

/** As Go prints a list of strings with %q: `["a" "b"]`. */
export function quoteList(words: readonly string[]): string {
  return `[${words.map((word) => JSON.stringify(word)).join(" ")}]`;
}
