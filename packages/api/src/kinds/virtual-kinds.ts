// Kinds that are served but not stored: requests that are answered at once, and bodies of subresources. Discovery and OpenAPI read this list.
import type { Verb } from "../kind.ts";

/** What discovery and OpenAPI need to know of it; handlers in the apiserver answer. */
export interface VirtualKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** Empty for bodies and answers that have no path of their own (Status, DeleteOptions). */
  readonly plural: string;
  readonly singular: string;
  readonly namespaced: boolean;
  readonly shortNames?: readonly string[];
  readonly verbs: readonly Verb[];
  /** Name in the generated schemas. */
  readonly model: string;
}

const CREATE: readonly Verb[] = ["create"];

/** A resource that only answers POST. */
function review(group: string, kind: string, plural: string, namespaced = false): VirtualKind {
  return { group, version: "v1", kind, plural, singular: kind.toLowerCase(), namespaced, verbs: CREATE, model: kind };
}

/** A body or an answer. */
function body(group: string, version: string, kind: string, model = kind): VirtualKind {
  return { group, version, kind, plural: "", singular: "", namespaced: false, verbs: [], model };
}

const AUTHENTICATION = "authentication.k8s.io";
const AUTHORIZATION = "authorization.k8s.io";

/** Made anew for each reader. */
const COMPONENT_STATUS: VirtualKind = {
  ...review("", "ComponentStatus", "componentstatuses"),
  shortNames: ["cs"],
  verbs: ["get", "list"],
};

/** Reviews of tokens and of access, and the bodies of subresources. None of them is kept in etcd. */
export const VIRTUAL_KINDS: readonly VirtualKind[] = [
  COMPONENT_STATUS,
  review("", "Binding", "bindings", true),
  review(AUTHENTICATION, "TokenReview", "tokenreviews"),
  review(AUTHENTICATION, "SelfSubjectReview", "selfsubjectreviews"),
  review(AUTHORIZATION, "SubjectAccessReview", "subjectaccessreviews"),
  review(AUTHORIZATION, "SelfSubjectAccessReview", "selfsubjectaccessreviews"),
  review(AUTHORIZATION, "SelfSubjectRulesReview", "selfsubjectrulesreviews"),
  review(AUTHORIZATION, "LocalSubjectAccessReview", "localsubjectaccessreviews", true),
  body(AUTHENTICATION, "v1", "TokenRequest", "AuthenticationV1TokenRequest"),
  body("autoscaling", "v1", "Scale", "Scale"),
  body("policy", "v1", "Eviction"),
  body("", "v1", "Status"),
  body("", "v1", "DeleteOptions"),
  body("", "v1", "ComponentStatusList"),
];
