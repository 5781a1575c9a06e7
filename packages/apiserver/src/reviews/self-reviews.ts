// What users ask about themselves: who am I, and which rules apply to me in a namespace?
import { badRequest } from "@skiff/api/errors.ts";
import type {
  PolicyRule,
  SelfSubjectReview,
  SelfSubjectRulesReview,
  SubjectRulesReviewStatus,
} from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import type { ResolvedRules, RuleResolver } from "../authz/index.ts";
import type { ResourceHandler } from "../http/endpoint.ts";
import { readReview, typeMeta } from "./read-review.ts";
import { userInfo } from "./user-info.ts";

/** Two groups: who one is belongs to authentication, what one may to authorization. */
const SELF = {
  group: "authentication.k8s.io",
  version: "v1",
  kind: "SelfSubjectReview",
  model: "SelfSubjectReview",
};
const RULES = {
  group: "authorization.k8s.io",
  version: "v1",
  kind: "SelfSubjectRulesReview",
  model: "SelfSubjectRulesReview",
};

/** `kubectl auth whoami`: the user as authentication and impersonation left it. */
export function createSelfSubjectReviewHandler(clock: Pick<Clock, "now">): ResourceHandler {
  return {
    ...SELF,
    resource: "selfsubjectreviews",
    subresource: "",
    async handle(context) {
      await readReview<SelfSubjectReview>(context, SELF);
      const metadata = { creationTimestamp: formatTime(clock.now()) };
      const status = { userInfo: userInfo(context.user) };
      return { code: 201, object: { ...typeMeta(SELF), metadata, status } };
    },
  };
}

/** `kubectl auth can-i --list`. The answer may be incomplete: not every authorizer can list rules. */
export function createRulesReviewHandler(resolver: RuleResolver): ResourceHandler {
  return {
    ...RULES,
    resource: "selfsubjectrulesreviews",
    subresource: "",
    async handle(context) {
      const { spec, metadata } = await readReview<SelfSubjectRulesReview>(context, RULES);
      const namespace = spec?.namespace;
      if (!namespace) throw badRequest("no namespace on request");
      const status = rulesStatus(resolver.rulesFor(context.user, namespace));
      return { code: 201, object: { ...typeMeta(RULES), metadata, spec: {}, status } };
    },
  };
}

/** One PolicyRule may speak of resources and of plain paths, which the answer keeps apart. */
export function rulesStatus({ rules, errors }: ResolvedRules): SubjectRulesReviewStatus {
  return {
    resourceRules: rules.filter((rule) => rule.resources?.length).map(resourceRule),
    nonResourceRules: rules
      .filter((rule) => rule.nonResourceURLs?.length)
      .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
    incomplete: errors.length > 0,
    ...(errors.length > 0 ? { evaluationError: errors.join(", ") } : {}),
  };
}

function resourceRule({ verbs, apiGroups, resources, resourceNames }: PolicyRule) {
  return { verbs, apiGroups, resources, ...(resourceNames?.length ? { resourceNames } : {}) };
}
