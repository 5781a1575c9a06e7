// FlowSchema: which requests share a priority level, and how they are told apart.
import type {
  FlowcontrolV1Subject,
  FlowSchema,
  FlowSchemaSpec,
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
} from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { flowSchemas } from "../resource-ref.ts";
import { isDns1123Subdomain } from "../validation/names.ts";
import {
  duplicate,
  type FieldPath,
  forbiddenField,
  invalidAll,
  invalidValue,
  notSupported,
  required,
  root,
} from "../validation/path.ts";
import { ageColumn, column, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";

// Sorted, as upstream lists them in its message.
const VERBS = [
  ...["*", "apply", "connect", "create", "delete", "deletecollection", "get", "head", "list", "options", "patch"],
  ...["post", "proxy", "put", "update", "watch"],
];
// Schemas are tried from the lowest number up.
const MAX_PRECEDENCE = 10_000;

/** Part of API Priority and Fairness: the first schema that matches a request gives it its priority level. */
export const flowSchemaKind = defineKind<FlowSchema>({
  ref: flowSchemas,
  hasStatus: true,
  applyDefaults(schema) {
    schema.spec ??= {} as FlowSchemaSpec;
    schema.spec.matchingPrecedence ??= 1000;
    schema.status ??= {};
  },
  validate: ({ metadata, spec }) => [
    ...validateExempt(metadata.name, spec, root("spec")),
    ...validateSpec(spec, root("spec")),
  ],
  columns: [
    nameColumn,
    column(
      "PriorityLevel",
      ["PriorityLevelConfigurationReference", "name"],
      ({ spec }) => spec?.priorityLevelConfiguration?.name ?? "<none>",
    ),
    column("MatchingPrecedence", ["FlowSchemaSpec", "matchingPrecedence"], ({ spec }) => spec?.matchingPrecedence ?? 0),
    column("DistinguisherMethod", ["FlowSchemaSpec", "distinguisherMethod"], ({ spec }) => {
      return spec?.distinguisherMethod?.type ?? "<none>";
    }),
    ageColumn,
    column("MissingPL", "references a broken or non-existent PriorityLevelConfiguration", ({ status }) => {
      return status?.conditions?.find(({ type }) => type === "Dangling")?.status ?? "?";
    }),
  ],
});

/** The level of that name belongs to one schema, and it to that level. */
function validateExempt(name: string, spec: FlowSchemaSpec | undefined, path: FieldPath): FieldError[] {
  const level = spec?.priorityLevelConfiguration?.name;
  if (name === "exempt" && level !== "exempt") {
    const at = path.child("priorityLevelConfiguration", "name");
    return [invalidValue(at, level, "must be 'exempt' for the FlowSchema named 'exempt'")];
  }
  // Number one is that of the schema which keeps administrators out of all queues; it must be alone there.
  if (spec?.matchingPrecedence === 1 && name !== "exempt") {
    const detail = "only the schema named 'exempt' may have matchingPrecedence 1";
    return [invalidValue(path.child("matchingPrecedence"), 1, detail)];
  }
  return [];
}

/** The distinguisher says by what requests are told apart within the level: by user, by namespace, or not at all. */
function validateSpec(spec: FlowSchemaSpec | undefined, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const precedence = spec?.matchingPrecedence ?? 0;
  const at = path.child("matchingPrecedence");
  if (precedence <= 0) errors.push(invalidValue(at, precedence, "must be a positive value"));
  if (precedence > MAX_PRECEDENCE) {
    errors.push(invalidValue(at, precedence, `must not be greater than ${MAX_PRECEDENCE}`));
  }
  const method = spec?.distinguisherMethod?.type;
  if (spec?.distinguisherMethod && method !== "ByUser" && method !== "ByNamespace") {
    const where = path.child("distinguisherMethod").child("type");
    errors.push(notSupported(where, method ?? "", ["ByNamespace", "ByUser"]));
  }
  const name = spec?.priorityLevelConfiguration?.name;
  const where = path.child("priorityLevelConfiguration", "name");
  if (!name) errors.push(required(where, "must reference a priority level"));
  else errors.push(...invalidAll(where, name, isDns1123Subdomain(name)));
  return [...errors, ...(spec?.rules ?? []).flatMap((rule, i) => validateRule(rule, path.child("rules").index(i)))];
}

/** A rule matches a request of one of its subjects that one of its resource or URL rules describes. */
function validateRule(rule: PolicyRulesWithSubjects, path: FieldPath): FieldError[] {
  const { subjects = [], resourceRules = [], nonResourceRules = [] } = rule;
  const errors: FieldError[] = [];
  if (subjects.length === 0) errors.push(required(path.child("subjects"), "subjects must contain at least one value"));
  for (const [i, subject] of subjects.entries())
    errors.push(...validateSubject(subject, path.child("subjects").index(i)));
  if (resourceRules.length === 0 && nonResourceRules.length === 0) {
    errors.push(required(path, "at least one of resourceRules and nonResourceRules has to be non-empty"));
  }
  return [
    ...errors,
    ...resourceRules.flatMap((one, i) => validateResourceRule(one, path.child("resourceRules").index(i))),
    ...nonResourceRules.flatMap((one, i) => validateUrlRule(one, path.child("nonResourceRules").index(i))),
  ];
}

/** Of the three fields the one that the kind names must be there, and no other. */
function validateSubject(subject: FlowcontrolV1Subject, path: FieldPath): FieldError[] {
  const fields = { ServiceAccount: "serviceAccount", User: "user", Group: "group" } as const;
  const { kind } = subject;
  if (kind !== "ServiceAccount" && kind !== "User" && kind !== "Group") {
    return [notSupported(path.child("kind"), kind ?? "", ["Group", "ServiceAccount", "User"])];
  }
  const errors: FieldError[] = [];
  for (const [other, field] of Object.entries(fields)) {
    if (other !== kind && subject[field]) {
      errors.push(forbiddenField(path.child(field), `${field} is forbidden when subject kind is not '${other}'`));
    }
  }
  const field = fields[kind];
  const named = subject[field];
  if (!named) return [...errors, required(path.child(field), `${field} is required when subject kind is '${kind}'`)];
  if (!named.name) errors.push(required(path.child(field, "name")));
  if (kind === "ServiceAccount" && !subject.serviceAccount?.namespace) {
    errors.push(required(path.child(field, "namespace"), "must specify namespace for service account"));
  }
  return errors;
}

/** Verbs of the API, and HTTP methods in lower case for other URLs. */
function validateVerbs(verbs: readonly string[], path: FieldPath): FieldError[] {
  if (verbs.length === 0) return [required(path, "verbs must contain at least one value")];
  if (verbs.includes("*")) {
    return verbs.length > 1 ? [invalidValue(path, verbs, "if '*' is present, must not specify other verbs")] : [];
  }
  return verbs.some((verb) => !VERBS.includes(verb)) ? [notSupported(path, verbs, VERBS)] : [];
}

/** A wildcard must stand alone. */
function validateWildcard(words: readonly string[], what: string, path: FieldPath): FieldError[] {
  if (!words.includes("*") || words.length === 1) return [];
  return [invalidValue(path, words, `if '*' is present, must not specify other ${what}`)];
}

/** A rule for cluster-scoped requests says so; all others name their namespaces, or `*`. */
function validateResourceRule(rule: ResourcePolicyRule, path: FieldPath): FieldError[] {
  const { verbs = [], apiGroups = [], resources = [], namespaces = [], clusterScope } = rule;
  const errors = validateVerbs(verbs, path.child("verbs"));
  if (apiGroups.length === 0) {
    errors.push(required(path.child("apiGroups"), "resource rules must supply at least one api group"));
  }
  if (resources.length === 0) {
    errors.push(required(path.child("resources"), "resource rules must supply at least one resource"));
  }
  errors.push(
    ...validateWildcard(apiGroups, "api groups", path.child("apiGroups")),
    ...validateWildcard(resources, "resources", path.child("resources")),
    ...validateWildcard(namespaces, "namespaces", path.child("namespaces")),
  );
  // Otherwise the rule would match nothing.
  if (namespaces.length === 0 && !clusterScope) {
    const detail = "resource rules that are not cluster scoped must supply at least one namespace";
    errors.push(required(path.child("namespaces"), detail));
  }
  return errors;
}

/** For what is no resource: /healthz, /metrics, discovery. */
function validateUrlRule(
  { verbs = [], nonResourceURLs: urls = [] }: NonResourcePolicyRule,
  path: FieldPath,
): FieldError[] {
  const at = path.child("nonResourceURLs");
  const errors = validateVerbs(verbs, path.child("verbs"));
  if (urls.length === 0) errors.push(required(at, "nonResourceURLs must contain at least one value"));
  errors.push(...validateWildcard(urls, "non-resource URLs", at));
  const seen = new Set<string>();
  for (const [i, url] of urls.entries()) {
    if (seen.has(url)) errors.push(duplicate(at.index(i), url));
    seen.add(url);
    if (url !== "*") errors.push(...validateUrl(url, at.index(i)));
  }
  return errors;
}

/** A path, or a prefix of one that ends with a star behind a slash. */
function validateUrl(url: string, path: FieldPath): FieldError[] {
  if (url === "") return [invalidValue(path, url, "nonResourceURL must not be empty")];
  if (url === "/") return [];
  if (!url.startsWith("/")) return [invalidValue(path, url, "nonResourceURL must start with '/'")];
  if (url.includes(" ")) return [invalidValue(path, url, "nonResourceURL must not contain white-space")];
  if (url.includes("//")) return [invalidValue(path, url, "nonResourceURL must not contain double slash")];
  // `/healthz/*` is the only form that is read as a pattern.
  const star = url.indexOf("*");
  if (star >= 0 && !(star === url.length - 1 && url.endsWith("/*"))) {
    return [invalidValue(path, url, "wildcard can only do suffix matching")];
  }
  return [];
}
