// IngressClass: which controller serves Ingresses of that class.

import type { IngressClass, IngressClassParametersReference } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { ingressClasses } from "../resource-ref.ts";
import { immutableField, requiredWord } from "../validation/field-rules.ts";
import { isDns1123Label, isDns1123Subdomain, isDomainPrefixedPath, isPathSegmentName } from "../validation/names.ts";
import { type FieldPath, forbiddenField, invalidAll, required, root, tooLong } from "../validation/path.ts";
import { ageColumn, column, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { sameAs } from "./older/same.ts";

const MAX_CONTROLLER = 250;

/** Controllers find their classes by `spec.controller`, which is why that is immutable. */
export const ingressClassKind = defineKind<IngressClass>({
  ref: ingressClasses,
  otherVersions: [sameAs("v1beta1", "V1beta1IngressClass", "v1.19", "v1.22")],
  hasGeneration: true,
  applyDefaults({ spec }) {
    const parameters = spec?.parameters;
    if (parameters) parameters.scope ??= "Cluster";
  },
  validate: ({ spec }) => [
    ...validateController(spec?.controller ?? "", root("spec").child("controller")),
    ...validateParameters(spec?.parameters, root("spec").child("parameters")),
  ],
  validateUpdate: (next, previous) =>
    immutableField(next.spec?.controller, previous.spec?.controller, root("spec").child("controller")),
  columns: [
    nameColumn,
    column(
      "Controller",
      "Controller that is responsible for handling this class",
      ({ spec }) => spec?.controller ?? "",
    ),
    column("Parameters", "A reference to a resource with additional parameters", ({ spec }) =>
      formatParameters(spec?.parameters),
    ),
    ageColumn,
  ],
});

/** `Kind.group/name` */
function formatParameters(parameters: IngressClassParametersReference | undefined): string {
  if (!parameters) return "<none>";
  return `${parameters.kind}${parameters.apiGroup ? `.${parameters.apiGroup}` : ""}/${parameters.name}`;
}

/** `example.com/name`, so that two vendors do not take the same name. */
function validateController(controller: string, path: FieldPath): FieldError[] {
  if (!controller) return [required(path)];
  const errors = controller.length > MAX_CONTROLLER ? [tooLong(path, MAX_CONTROLLER)] : [];
  return [...errors, ...invalidAll(path, controller, isDomainPrefixedPath(controller))];
}

/** A reference to settings that the controller understands, in the cluster or in one namespace. */
function validateParameters(parameters: IngressClassParametersReference | undefined, path: FieldPath): FieldError[] {
  if (!parameters) return [];
  const { apiGroup, kind, name, namespace, scope } = parameters;
  const errors: FieldError[] = [];
  if (apiGroup !== undefined)
    // The spelling is upstream's.
    errors.push(...invalidAll(path.child("aPIGroup"), apiGroup, isDns1123Subdomain(apiGroup)));
  errors.push(
    ...validateSegment(kind, "kind", path.child("kind")),
    ...validateSegment(name, "name", path.child("name")),
  );
  if (scope === undefined) errors.push(required(path.child("scope")));
  else errors.push(...requiredWord(scope, ["Cluster", "Namespace"], path.child("scope")));
  const at = path.child("namespace");
  if (scope === "Cluster" && namespace !== undefined) {
    errors.push(forbiddenField(at, "`parameters.scope` is set to 'Cluster'"));
  }
  if (scope !== "Namespace") return errors;
  if (!namespace) return [...errors, required(at, "`parameters.scope` is set to 'Namespace'")];
  return [...errors, ...invalidAll(at, namespace, isDns1123Label(namespace))];
}

function validateSegment(text: string | undefined, field: string, path: FieldPath): FieldError[] {
  return text ? invalidAll(path, text, isPathSegmentName(text)) : [required(path, `${field} is required`)];
}
