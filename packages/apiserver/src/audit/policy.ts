// audit.k8s.io/v1 Policy: which requests are recorded, how much of them, and at which stages. The first rule that matches wins.
import { parseYaml } from "../http/yaml.ts";

/** How much of a request is told: nothing, its head, also its body, also the answer's. */
export type AuditLevel = "None" | "Metadata" | "Request" | "RequestResponse";
/** When it is told. ResponseStarted is of requests that last, such as watches. */
export type AuditStage = "RequestReceived" | "ResponseStarted" | "ResponseComplete" | "Panic";

/** What a policy looks at. */
export interface AuditedCall {
  readonly user: string;
  readonly groups: readonly string[];
  readonly verb: string;
  readonly isResourceRequest: boolean;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly path: string;
}

/** What the policy says of one request. */
export interface AuditDecision {
  readonly level: AuditLevel;
  readonly omitStages: ReadonlySet<AuditStage>;
  readonly omitManagedFields: boolean;
}

/** A policy file, read and checked. */
export interface AuditPolicy {
  decide(call: AuditedCall): AuditDecision;
}

/** Parts that are absent or empty match everything. */
interface Rule {
  readonly level: AuditLevel;
  readonly users?: readonly string[];
  readonly userGroups?: readonly string[];
  readonly verbs?: readonly string[];
  readonly resources?: readonly ResourceGroup[];
  readonly namespaces?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly omitStages?: readonly AuditStage[];
  readonly omitManagedFields?: boolean;
}

/** "" is the core group; without resources all of the group. */
interface ResourceGroup {
  readonly group?: string;
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
}

/** Reads a policy file; throws an Error that says what is wrong with it. */
export function parseAuditPolicy(text: string): AuditPolicy {
  const policy = asRecord(parseYaml(text), "the policy");
  if (policy.kind !== "Policy" || policy.apiVersion !== "audit.k8s.io/v1") {
    throw new Error("an audit.k8s.io/v1 Policy is wanted");
  }
  const rules = listOf(policy.rules, "rules").map((rule, index) => readRule(rule, `rules[${index}]`));
  if (rules.length === 0) throw new Error("loaded illegal policy with 0 rules");
  const omitStages = readStages(policy.omitStages, "omitStages");
  const omitManagedFields = policy.omitManagedFields === true;
  const decisions = rules.map((rule) => decisionOf(rule, omitStages, omitManagedFields));
  return {
    decide(call) {
      const index = rules.findIndex((rule) => matches(rule, call));
      return decisions[index] ?? NOTHING;
    },
  };
}

/** Upstream's default too: what no rule names is not recorded. */
const NOTHING: AuditDecision = { level: "None", omitStages: new Set(), omitManagedFields: false };

function decisionOf(rule: Rule, omitStages: readonly AuditStage[], omitManagedFields: boolean): AuditDecision {
  return {
    level: rule.level,
    // The rule's stages come on top of the policy's; its omitManagedFields replaces the policy's.
    omitStages: new Set([...omitStages, ...(rule.omitStages ?? [])]),
    omitManagedFields: rule.omitManagedFields ?? omitManagedFields,
  };
}

function matches(rule: Rule, call: AuditedCall): boolean {
  if (rule.users?.length && !rule.users.includes(call.user)) return false;
  if (rule.userGroups?.length && !rule.userGroups.some((group) => call.groups.includes(group))) return false;
  if (rule.verbs?.length && !rule.verbs.includes(call.verb)) return false;
  // A rule about resources never matches a plain path, and the other way round.
  if (rule.namespaces?.length || rule.resources?.length) return matchesResource(rule, call);
  if (rule.nonResourceURLs?.length) return !call.isResourceRequest && rule.nonResourceURLs.some(pathMatcher(call.path));
  return true;
}

function matchesResource({ namespaces, resources }: Rule, call: AuditedCall): boolean {
  if (!call.isResourceRequest) return false;
  // "" in the list stands for what has no namespace.
  if (namespaces?.length && !namespaces.includes(call.namespace)) return false;
  if (!resources?.length) return true;
  return resources.some((wanted) => (wanted.group ?? "") === call.group && matchesGroup(wanted, call));
}

/** resourceNames cannot match a create: its URL has no name. */
function matchesGroup({ resources, resourceNames }: ResourceGroup, call: AuditedCall): boolean {
  if (!resources?.length) return true;
  if (resourceNames?.length && !resourceNames.includes(call.name)) return false;
  const combined = call.subresource ? `${call.resource}/${call.subresource}` : call.resource;
  return resources.some(
    (wanted) =>
      wanted === "*" ||
      wanted === combined ||
      (call.subresource !== "" && wanted === `*/${call.subresource}`) ||
      wanted === `${call.resource}/*`,
  );
}

function pathMatcher(path: string): (wanted: string) => boolean {
  return (wanted) => wanted === path || (wanted.endsWith("*") && path.startsWith(wanted.slice(0, -1)));
}

const LEVELS: ReadonlySet<unknown> = new Set(["None", "Metadata", "Request", "RequestResponse"]);
const STAGES: ReadonlySet<unknown> = new Set(["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"]);

/** Throws with the path of what is wrong, as `rules[2].level`. */
function readRule(value: unknown, path: string): Rule {
  const rule = asRecord(value, path);
  // A misspelt field would make the rule match more than its writer meant.
  for (const field of Object.keys(rule)) if (!FIELDS.has(field)) throw new Error(`unknown field ${path}.${field}`);
  if (!LEVELS.has(rule.level)) throw new Error(`${path}.level: unsupported value: ${JSON.stringify(rule.level)}`);
  const read: Rule = {
    level: rule.level as AuditLevel,
    users: texts(rule.users, `${path}.users`),
    userGroups: texts(rule.userGroups, `${path}.userGroups`),
    verbs: texts(rule.verbs, `${path}.verbs`),
    namespaces: texts(rule.namespaces, `${path}.namespaces`),
    nonResourceURLs: texts(rule.nonResourceURLs, `${path}.nonResourceURLs`),
    resources: listOf(rule.resources, `${path}.resources`).map((group) => readGroup(group, `${path}.resources`)),
    omitStages: readStages(rule.omitStages, `${path}.omitStages`),
    ...(typeof rule.omitManagedFields === "boolean" ? { omitManagedFields: rule.omitManagedFields } : {}),
  };
  checkRule(read, path);
  return read;
}

const FIELDS: ReadonlySet<string> = new Set([
  "level",
  "users",
  "userGroups",
  "verbs",
  "namespaces",
  "nonResourceURLs",
  "resources",
  "omitStages",
  "omitManagedFields",
]);

function checkRule({ nonResourceURLs, resources, namespaces }: Rule, path: string): void {
  if (nonResourceURLs?.length && (resources?.length || namespaces?.length)) {
    throw new Error(`${path}.nonResourceURLs: rules cannot apply to both regular resources and non-resource URLs`);
  }
  for (const url of nonResourceURLs ?? []) {
    // A `*` means something at the end only.
    const isPath = url === "*" || url.startsWith("/");
    if (!isPath || url.slice(0, -1).includes("*")) throw new Error(`${path}.nonResourceURLs: invalid value: "${url}"`);
  }
  for (const { resources: names, resourceNames } of resources ?? []) {
    if (resourceNames?.length && !names?.length) {
      throw new Error(`${path}.resources: using resourceNames requires at least one resource`);
    }
  }
}

function readGroup(value: unknown, path: string): ResourceGroup {
  const { group, resources, resourceNames } = asRecord(value, path);
  if (group !== undefined && typeof group !== "string") throw new Error(`${path}.group must be text`);
  return {
    group: group ?? "",
    resources: texts(resources, `${path}.resources`),
    resourceNames: texts(resourceNames, `${path}.resourceNames`),
  };
}

function readStages(value: unknown, path: string): readonly AuditStage[] {
  const stages = texts(value, path);
  for (const stage of stages) if (!STAGES.has(stage)) throw new Error(`${path}: unsupported value: "${stage}"`);
  return stages as readonly AuditStage[];
}

function texts(value: unknown, path: string): readonly string[] {
  return listOf(value, path).map((item) => {
    if (typeof item !== "string") throw new Error(`${path} must be a list of texts`);
    return item;
  });
}

function listOf(value: unknown, path: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new Error(`${path} must be a list`);
  return value;
}

function asRecord(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error(`${path} must be an object`);
  return value as Record<string, unknown>;
}
