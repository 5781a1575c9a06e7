// SubjectAccessReview and its relatives: may this user do that?

import type { FieldError } from "@skiff/api/errors.ts";
import { badRequest, invalid } from "@skiff/api/errors.ts";
import type {
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SubjectAccessReview,
  SubjectAccessReviewSpec,
  SubjectAccessReviewStatus,
} from "@skiff/api/types.ts";
import { invalidValue, root } from "@skiff/api/validation/path.ts";
import type { UserInfo } from "../authn/authenticator.ts";
import type { AuthorizationAttributes, Authorizer } from "../authz/authorizer.ts";
import type { ResourceHandler } from "../http/endpoint.ts";
import { readReview, typeMeta } from "./read-review.ts";

const GROUP = "authorization.k8s.io";
type Spec = SubjectAccessReviewSpec;

/**
 * `kubectl auth can-i` asks about oneself; programs that delegate authorization, such as kubelets, ask about their
 * callers.
 */
export function createAccessReviewHandlers(authorizer: Authorizer): ResourceHandler[] {
  return [subjectAccessReview(authorizer), localSubjectAccessReview(authorizer), selfSubjectAccessReview(authorizer)];
}

/** All are of one group and version and have models of their own names. */
function reviewKind(kind: string) {
  return { group: GROUP, version: "v1", kind, model: kind };
}

function subjectAccessReview(authorizer: Authorizer): ResourceHandler {
  const kind = reviewKind("SubjectAccessReview");
  return {
    ...kind,
    resource: "subjectaccessreviews",
    subresource: "",
    async handle(context) {
      const { spec = {}, metadata } = await readReview<SubjectAccessReview>(context, kind);
      refuseInvalid(kind.kind, [...subjectErrors(spec), ...attributeErrors(spec)]);
      const status = await decide(authorizer, spec, userOf(spec));
      return { code: 201, object: { ...typeMeta(kind), metadata, spec, status } };
    },
  };
}

/** The same within one namespace, so that its administrator can be given the right to ask. */
function localSubjectAccessReview(authorizer: Authorizer): ResourceHandler {
  const kind = reviewKind("LocalSubjectAccessReview");
  return {
    ...kind,
    resource: "localsubjectaccessreviews",
    subresource: "",
    async handle(context) {
      const { spec = {}, metadata } = await readReview<LocalSubjectAccessReview>(context, kind);
      refuseInvalid(kind.kind, [...subjectErrors(spec), ...attributeErrors(spec)]);
      const { namespace } = context.info;
      if (spec.resourceAttributes?.namespace !== namespace) {
        throw badRequest(`spec.resourceAttributes.namespace must match namespace: ${namespace}`);
      }
      const status = await decide(authorizer, spec, userOf(spec));
      return { code: 201, object: { ...typeMeta(kind), metadata: { ...metadata, namespace }, spec, status } };
    },
  };
}

/** About the user of the request, after impersonation: that is how `--as` works with can-i. */
function selfSubjectAccessReview(authorizer: Authorizer): ResourceHandler {
  const kind = reviewKind("SelfSubjectAccessReview");
  return {
    ...kind,
    resource: "selfsubjectaccessreviews",
    subresource: "",
    async handle(context) {
      const { spec = {}, metadata } = await readReview<SelfSubjectAccessReview>(context, kind);
      refuseInvalid(kind.kind, attributeErrors(spec));
      const status = await decide(authorizer, spec, context.user);
      return { code: 201, object: { ...typeMeta(kind), metadata, spec, status } };
    },
  };
}

/** 422 with all problems. */
function refuseInvalid(kind: string, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalid(GROUP, kind, "", errors);
}

/** A group alone will do: then the question is about anybody in it. */
function subjectErrors(spec: Spec): FieldError[] {
  if (spec.user || spec.groups?.length) return [];
  return [invalidValue(root("spec").child("user"), spec.user ?? "", "at least one of user or group must be specified")];
}

/** Either a resource or a plain path: with both the question would be two. */
function attributeErrors(spec: Pick<Spec, "resourceAttributes" | "nonResourceAttributes">): FieldError[] {
  const path = root("spec");
  if (spec.resourceAttributes && spec.nonResourceAttributes) {
    const why = "cannot be specified in combination with resourceAttributes";
    return [invalidValue(path.child("nonResourceAttributes"), spec.nonResourceAttributes, why)];
  }
  if (spec.resourceAttributes || spec.nonResourceAttributes) return [];
  const why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
  return [invalidValue(path.child("resourceAttributes"), spec.resourceAttributes ?? null, why)];
}

/** Nobody checks that such a user exists: Kubernetes keeps no users. */
function userOf(spec: Spec): UserInfo {
  return {
    name: spec.user ?? "",
    groups: spec.groups ?? [],
    extra: spec.extra ?? {},
    ...(spec.uid ? { uid: spec.uid } : {}),
  };
}

/** A refusal is an answer with `allowed: false`, and its code is 201 like any other's. */
async function decide(
  authorizer: Authorizer,
  spec: Pick<Spec, "resourceAttributes" | "nonResourceAttributes">,
  user: UserInfo,
): Promise<SubjectAccessReviewStatus> {
  const { verdict, reason } = await authorizer.authorize(attributesOf(spec, user));
  return {
    allowed: verdict === "allow",
    ...(verdict === "deny" ? { denied: true } : {}),
    ...(reason ? { reason } : {}),
  };
}

function attributesOf(
  { resourceAttributes, nonResourceAttributes }: Pick<Spec, "resourceAttributes" | "nonResourceAttributes">,
  user: UserInfo,
): AuthorizationAttributes {
  const resource = resourceAttributes ?? {};
  return {
    user,
    verb: (resourceAttributes?.verb || nonResourceAttributes?.verb) ?? "",
    isResourceRequest: resourceAttributes !== undefined,
    namespace: resource.namespace ?? "",
    group: resource.group ?? "",
    version: resource.version ?? "",
    resource: resource.resource ?? "",
    subresource: resource.subresource ?? "",
    name: resource.name ?? "",
    fieldSelector: fieldSelectorText(resource.fieldSelector),
    path: nonResourceAttributes?.path ?? "",
  };
}

type FieldSelector = NonNullable<NonNullable<Spec["resourceAttributes"]>["fieldSelector"]>;

/** Requirements of one value are equalities; others narrow nothing that an authorizer looks at. */
function fieldSelectorText(selector: FieldSelector | undefined): string | undefined {
  if (!selector) return undefined;
  if (selector.rawSelector) return selector.rawSelector;
  const equalities = (selector.requirements ?? []).filter(
    ({ operator, values }) => operator === "In" && values?.length === 1,
  );
  return equalities.map(({ key, values }) => `${key}=${values?.[0]}`).join(",");
}
