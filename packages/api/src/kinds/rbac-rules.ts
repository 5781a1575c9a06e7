// What the four RBAC kinds share: checks of rules, role references and subjects, and the columns of bindings.
import type { PolicyRule, RbacV1Subject, RoleRef } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import type { Column } from "../kind.ts";
import type { KubeObject } from "../object.ts";
import { deepEqual } from "../validation/deep-equal.ts";
import { isDns1123Subdomain, isPathSegmentName } from "../validation/names.ts";
import {
  type FieldPath,
  invalidAll,
  invalidValue,
  itemErrors,
  notSupported,
  required,
  root,
} from "../validation/path.ts";
import { ageColumn, column, nameColumn } from "./columns.ts";

const RBAC_GROUP = "rbac.authorization.k8s.io";

/** A RoleBinding or a ClusterRoleBinding. */
export interface Binding extends KubeObject {
  roleRef: RoleRef;
  subjects?: RbacV1Subject[] | undefined;
}

/** Users and groups are RBAC's own notion; service accounts are objects of the core group, whose name is empty. */
export function defaultBinding(binding: Binding): void {
  binding.roleRef ??= { kind: "", name: "" };
  binding.roleRef.apiGroup ||= RBAC_GROUP;
  for (const subject of binding.subjects ?? []) {
    if (subject.kind === "User" || subject.kind === "Group") subject.apiGroup ||= RBAC_GROUP;
  }
}

/** `namespaced` rules cannot speak of URLs such as /healthz, which are in no namespace. */
export function validateRules(rules: readonly PolicyRule[] | undefined, namespaced: boolean): FieldError[] {
  return itemErrors(rules ?? [], (rule, i) => validateRule(rule, namespaced, root("rules").index(i)));
}

function validateRule(rule: PolicyRule, namespaced: boolean, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (!rule.verbs?.length) errors.push(required(path.child("verbs"), "verbs must contain at least one value"));
  // A rule is for resources or for other URLs.
  if (rule.nonResourceURLs?.length)
    return [...errors, ...validateUrlRule(rule, namespaced, path.child("nonResourceURLs"))];
  if (!rule.apiGroups?.length) {
    errors.push(required(path.child("apiGroups"), "resource rules must supply at least one api group"));
  }
  if (!rule.resources?.length) {
    errors.push(required(path.child("resources"), "resource rules must supply at least one resource"));
  }
  return errors;
}

function validateUrlRule(rule: PolicyRule, namespaced: boolean, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (namespaced) {
    errors.push(invalidValue(path, rule.nonResourceURLs, "namespaced rules cannot apply to non-resource URLs"));
  }
  if (rule.apiGroups?.length || rule.resources?.length || rule.resourceNames?.length) {
    const detail = "rules cannot apply to both regular resources and non-resource URLs";
    errors.push(invalidValue(path, rule.nonResourceURLs, detail));
  }
  return errors;
}

/** `roleKinds` may be referred to. Neither the role nor the subjects have to exist. */
export function validateBinding(binding: Binding, roleKinds: readonly string[], namespaced: boolean): FieldError[] {
  return [
    ...validateRoleRef(binding.roleRef, roleKinds, root("roleRef")),
    ...itemErrors(binding.subjects ?? [], (subject, i) =>
      validateSubject(subject, namespaced, root("subjects").index(i)),
    ),
  ];
}

/** A binding cannot come to mean another role: it must be deleted and made anew. */
export function validateBindingUpdate(next: Binding, previous: Readonly<Binding>): FieldError[] {
  if (deepEqual(next.roleRef, previous.roleRef)) return [];
  const { apiGroup, kind, name } = next.roleRef;
  // Shown by the names of upstream's internal type.
  return [invalidValue(root("roleRef"), { APIGroup: apiGroup, Kind: kind, Name: name }, "cannot change roleRef")];
}

function validateRoleRef(ref: RoleRef, kinds: readonly string[], path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (ref.apiGroup !== RBAC_GROUP) errors.push(notSupported(path.child("apiGroup"), ref.apiGroup ?? "", [RBAC_GROUP]));
  if (!kinds.includes(ref.kind)) errors.push(notSupported(path.child("kind"), ref.kind ?? "", kinds));
  if (!ref.name) return [...errors, required(path.child("name"))];
  return [...errors, ...invalidAll(path.child("name"), ref.name, isPathSegmentName(ref.name))];
}

function validateSubject(subject: RbacV1Subject, namespaced: boolean, path: FieldPath): FieldError[] {
  const errors: FieldError[] = subject.name ? [] : [required(path.child("name"))];
  switch (subject.kind) {
    case "ServiceAccount":
      return [...errors, ...validateAccountSubject(subject, namespaced, path)];
    case "User":
    case "Group":
      if (subject.apiGroup === RBAC_GROUP) return errors;
      return [...errors, notSupported(path.child("apiGroup"), subject.apiGroup ?? "", [RBAC_GROUP])];
    default:
      return [...errors, notSupported(path.child("kind"), subject.kind ?? "", ["ServiceAccount", "User", "Group"])];
  }
}

/** In a RoleBinding the namespace may be left out and is then the binding's. */
function validateAccountSubject(subject: RbacV1Subject, namespaced: boolean, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (subject.name) errors.push(...invalidAll(path.child("name"), subject.name, isDns1123Subdomain(subject.name)));
  if (subject.apiGroup) errors.push(notSupported(path.child("apiGroup"), subject.apiGroup, [""]));
  if (!namespaced && !subject.namespace) errors.push(required(path.child("namespace")));
  return errors;
}

/** The columns of both bindings; subjects are shown with `-o wide`. */
export function bindingColumns(kind: "RoleBinding" | "ClusterRoleBinding"): readonly Column<Binding>[] {
  const where = kind === "RoleBinding" ? "roleBinding" : "clusterRoleBinding";
  const wide = { wide: true };
  return [
    nameColumn,
    column("Role", [kind, "roleRef"], ({ roleRef }) => `${roleRef.kind}/${roleRef.name}`),
    ageColumn,
    column("Users", `Users in the ${where}`, (b) => namesOf(b, "User"), wide),
    column("Groups", `Groups in the ${where}`, (b) => namesOf(b, "Group"), wide),
    column("ServiceAccounts", `ServiceAccounts in the ${where}`, (b) => namesOf(b, "ServiceAccount"), wide),
  ];
}

/** The names of one sort of subjects in one cell. */
function namesOf(binding: Readonly<Binding>, kind: string): string {
  return (binding.subjects ?? [])
    .filter((subject) => subject.kind === kind)
    .map((subject) => (kind === "ServiceAccount" ? `${subject.namespace ?? ""}/${subject.name}` : subject.name))
    .join(", ");
}
