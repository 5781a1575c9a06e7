// Which FlowSchema a request belongs to. Pure: a schema is turned into sets once, and asked per request.
import type { FlowcontrolV1Subject, FlowSchema, NonResourcePolicyRule, ResourcePolicyRule } from "@skiff/api/types.ts";
import type { UserInfo } from "../authn/authenticator.ts";
import type { RequestInfo } from "../http/request-info.ts";

export type MatchesFlow = (info: RequestInfo, user: UserInfo) => boolean;

/** A rule matches when one of its subjects and one of its resource or URL rules do. */
export function compileFlowSchema({ spec }: Readonly<FlowSchema>): MatchesFlow {
  const rules = (spec?.rules ?? []).map(({ subjects = [], resourceRules = [], nonResourceRules = [] }) => ({
    hasSubject: compileSubjects(subjects),
    resource: resourceRules.map(compileResourceRule),
    url: nonResourceRules.map(compileUrlRule),
  }));
  return (info, user) => {
    for (const rule of rules) {
      const targets = info.isResourceRequest ? rule.resource : rule.url;
      // Subjects first: they tell most schemas apart.
      if (rule.hasSubject(user) && targets.some((matches) => matches(info))) return true;
    }
    return false;
  };
}

/** Lower numbers go first, names decide between equals. */
export function byPrecedence(a: Readonly<FlowSchema>, b: Readonly<FlowSchema>): number {
  const [first, second] = [a, b].map(({ spec }) => spec?.matchingPrecedence ?? 0);
  return (first ?? 0) - (second ?? 0) || (a.metadata.name < b.metadata.name ? -1 : 1);
}

/** What tells the flows of one schema apart: users, namespaces, or nothing. */
export function distinguisherOf({ spec }: Readonly<FlowSchema>, info: RequestInfo, user: UserInfo): string {
  const method = spec?.distinguisherMethod?.type;
  if (method === "ByUser") return user.name;
  return method === "ByNamespace" ? info.namespace : "";
}

function compileSubjects(subjects: readonly FlowcontrolV1Subject[]): (user: UserInfo) => boolean {
  const users = namesOf(subjects.map(({ user }) => user?.name));
  const groups = namesOf(subjects.map(({ group }) => group?.name));
  const accounts = subjects.flatMap(({ serviceAccount }) => (serviceAccount ? [serviceAccount] : []));
  const accountNames = new Set(accounts.map(({ namespace, name }) => `${ACCOUNT}${namespace}:${name}`));
  const accountPrefixes = accounts.filter(({ name }) => name === "*").map(({ namespace }) => `${ACCOUNT}${namespace}:`);
  return (user) =>
    users.has("*") ||
    users.has(user.name) ||
    accountNames.has(user.name) ||
    accountPrefixes.some((prefix) => user.name.startsWith(prefix)) ||
    (groups.size > 0 && (groups.has("*") || user.groups.some((group) => groups.has(group))));
}

const ACCOUNT = "system:serviceaccount:";

function compileResourceRule(rule: ResourcePolicyRule): (info: RequestInfo) => boolean {
  const { verbs, apiGroups, resources, namespaces } = setsOf(rule);
  const clusterScope = rule.clusterScope ?? false;
  return (info) => {
    if (!has(verbs, info.verb) || !has(apiGroups, info.group)) return false;
    if (!resources.has("*")) {
      const resource = info.subresource ? `${info.resource}/${info.subresource}` : info.resource;
      if (!resources.has(resource)) return false;
    }
    return info.namespace === "" ? clusterScope : has(namespaces, info.namespace);
  };
}

function setsOf({ verbs, apiGroups, resources, namespaces }: ResourcePolicyRule) {
  return {
    verbs: new Set(verbs),
    apiGroups: new Set(apiGroups),
    resources: new Set(resources),
    namespaces: new Set(namespaces ?? []),
  };
}

function compileUrlRule({ verbs, nonResourceURLs }: NonResourcePolicyRule): (info: RequestInfo) => boolean {
  const wanted = new Set(verbs);
  const paths = new Set(nonResourceURLs);
  const prefixes = nonResourceURLs.filter((url) => url.endsWith("*")).map((url) => url.slice(0, -1));
  return ({ verb, path }) =>
    has(wanted, verb) && (paths.has(path) || prefixes.some((prefix) => path.startsWith(prefix)));
}

function namesOf(names: readonly (string | undefined)[]): ReadonlySet<string> {
  return new Set(names.filter((name) => name !== undefined));
}

function has(set: ReadonlySet<string>, value: string): boolean {
  return set.has("*") || set.has(value);
}
