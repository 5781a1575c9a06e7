// Whether admission policies and their bindings are complete. Expressions are compiled where they are run.
import type {
  AuditAnnotation,
  MutatingAdmissionPolicyBindingSpec,
  MutatingAdmissionPolicySpec,
  Mutation,
  ParamKind,
  ParamRef,
  ValidatingAdmissionPolicySpec,
  Validation,
  Variable,
} from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { optionalWord, requiredWord } from "../../validation/field-rules.ts";
import { validateLabelSelector } from "../../validation/label-selector.ts";
import { isDns1035Label, isDns1123Label, isDns1123Subdomain, isQualifiedName } from "../../validation/names.ts";
import {
  duplicate,
  type FieldPath,
  forbiddenField,
  invalidAll,
  invalidValue,
  notSupported,
  required,
  tooMany,
} from "../../validation/path.ts";
import { validateMatchConditions, validateMatchResources } from "./validate-rules.ts";

const NAME_REQUIRED = "name is required";
// All of them go into one audit event, whose size they bound.
const MAX_AUDIT_ANNOTATIONS = 20;
// They decide the HTTP code of the refusal: 403, 422, 413 or 401.
const REASONS = ["Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"];
const ACTIONS = ["Audit", "Deny", "Warn"];

/** A policy that neither judges nor annotates would do nothing, and is taken for a mistake. */
export function validateValidatingPolicy(spec: ValidatingAdmissionPolicySpec, path: FieldPath): FieldError[] {
  const { validations = [], auditAnnotations = [] } = spec;
  const errors = validateShared(spec, path);
  if (validations.length === 0 && auditAnnotations.length === 0) {
    const detail = "validations or auditAnnotations must contain at least one item";
    errors.push(required(path.child("validations"), detail), required(path.child("auditAnnotations"), detail));
  }
  for (const [i, one] of validations.entries())
    errors.push(...validateValidation(one, path.child("validations").index(i)));
  return [...errors, ...validateAnnotations(auditAnnotations, path.child("auditAnnotations"))];
}

/** `reinvocationPolicy` says whether it runs again after another mutation has changed the object. */
export function validateMutatingPolicy(spec: MutatingAdmissionPolicySpec, path: FieldPath): FieldError[] {
  const { mutations = [] } = spec;
  const errors = validateShared(spec, path);
  if (mutations.length === 0) {
    errors.push(required(path.child("mutations"), "mutations must contain at least one item"));
  }
  for (const [i, one] of mutations.entries()) errors.push(...validateMutation(one, path.child("mutations").index(i)));
  return [...errors, ...requiredWord(spec.reinvocationPolicy, ["IfNeeded", "Never"], path.child("reinvocationPolicy"))];
}

// What the two sorts of policies have in common.
type SharedSpec = Pick<
  ValidatingAdmissionPolicySpec,
  "failurePolicy" | "paramKind" | "matchConstraints" | "matchConditions" | "variables"
>;

/** What to match, with which parameters, and what a failing expression means. */
function validateShared(spec: SharedSpec, path: FieldPath): FieldError[] {
  const constraints = path.child("matchConstraints");
  const errors = [
    ...requiredWord(spec.failurePolicy, ["Fail", "Ignore"], path.child("failurePolicy")),
    ...(spec.paramKind ? validateParamKind(spec.paramKind, path.child("paramKind")) : []),
  ];
  if (!spec.matchConstraints) errors.push(required(constraints));
  else {
    errors.push(...validateMatchResources(spec.matchConstraints, constraints));
    // Without rules a policy would match nothing; a binding may leave them out, as it only narrows.
    if (!spec.matchConstraints.resourceRules?.length) errors.push(required(constraints.child("resourceRules")));
  }
  return [
    ...errors,
    ...validateMatchConditions(spec.matchConditions ?? [], path.child("matchConditions"), ""),
    ...validateVariables(spec.variables ?? [], path.child("variables")),
  ];
}

/** The kind of the objects that hold a policy's settings, often a custom resource: its existence is not checked. */
function validateParamKind({ apiVersion = "", kind = "" }: ParamKind, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const at = path.child("apiVersion");
  if (!apiVersion) errors.push(required(at));
  else if (apiVersion.split("/").length > 2) {
    errors.push(invalidValue(at, apiVersion, `unexpected GroupVersion string: ${apiVersion}`));
  } else {
    // One word is a version of the core group, two are group and version.
    const [first = "", version] = apiVersion.split("/");
    const group = version === undefined ? "" : first;
    if (group) errors.push(...invalidAll(at, apiVersion, isDns1123Subdomain(group)));
    errors.push(...invalidAll(at, apiVersion, isDns1035Label(version ?? first)));
  }
  if (!kind) return [...errors, required(path.child("kind"))];
  const wrong = isDns1035Label(kind.toLowerCase());
  return wrong.length > 0
    ? [
        ...errors,
        invalidValue(path.child("kind"), kind, `may have mixed case, but should otherwise match: ${wrong.join(",")}`),
      ]
    : errors;
}

/** Later expressions read them as `variables.NAME`, so that names are CEL identifiers. */
function validateVariables(variables: readonly Variable[], path: FieldPath): FieldError[] {
  const seen = new Set<string>();
  return variables.flatMap(({ name, expression }, i) => {
    const at = path.index(i);
    const errors: FieldError[] = [];
    if (!name?.trim()) errors.push(required(at.child("name"), NAME_REQUIRED));
    else if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      errors.push(invalidValue(at.child("name"), name, "name is not a valid CEL identifier"));
    if (!expression?.trim()) errors.push(required(at.child("expression"), "expression is not specified"));
    if (name && seen.has(name)) errors.push(duplicate(at.child("name"), name));
    seen.add(name);
    return errors;
  });
}

/** An expression that must be true, with the words for when it is not. */
function validateValidation(validation: Validation, path: FieldPath): FieldError[] {
  const { expression, message, messageExpression, reason } = validation;
  const errors: FieldError[] = [];
  if (!expression?.trim()) errors.push(required(path.child("expression"), "expression is not specified"));
  // It is compiled where the policy is put to use; only its absence shows here.
  if (messageExpression !== undefined && !messageExpression.trim()) {
    errors.push(invalidValue(path.child("messageExpression"), messageExpression, "must be non-empty if specified"));
  }
  if (message !== undefined && !message.trim()) {
    errors.push(invalidValue(path.child("message"), message, "message must be non-empty if specified"));
  } else if (message?.includes("\n")) {
    errors.push(invalidValue(path.child("message"), message, "message must not contain line breaks"));
  } else if (expression?.includes("\n") && !message && !messageExpression) {
    // The default message quotes the expression, and messages have one line.
    const detail = "message must be specified if expression contains line breaks";
    errors.push(required(path.child("message"), detail));
  }
  return [...errors, ...optionalWord(reason, REASONS, path.child("reason"))];
}

/** What the policy adds to the audit event of a request, whether or not it is refused. */
function validateAnnotations(annotations: readonly AuditAnnotation[], path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (annotations.length > MAX_AUDIT_ANNOTATIONS) {
    errors.push(tooMany(path, annotations.length, MAX_AUDIT_ANNOTATIONS));
  }
  const seen = new Set<string>();
  for (const [i, { key, valueExpression }] of annotations.entries()) {
    const at = path.index(i);
    if (!key) errors.push(required(at.child("key")));
    // The policy's name becomes the prefix of the key in the audit event; any prefix will do to check it.
    else errors.push(...invalidAll(at.child("key"), key, isQualifiedName(`example.com/${key}`)));
    if (key && seen.has(key)) errors.push(duplicate(at.child("key"), key));
    seen.add(key);
    if (!valueExpression?.trim())
      errors.push(required(at.child("valueExpression"), "valueExpression is not specified"));
  }
  return errors;
}

/** A mutation is one of two forms, and its `patchType` says which. */
function validateMutation({ patchType, applyConfiguration, jsonPatch }: Mutation, path: FieldPath): FieldError[] {
  const forms = { ApplyConfiguration: applyConfiguration, JSONPatch: jsonPatch };
  const fields = { ApplyConfiguration: "applyConfiguration", JSONPatch: "jsonPatch" } as const;
  if (!patchType) return [required(path.child("patchType"))];
  if (patchType !== "ApplyConfiguration" && patchType !== "JSONPatch") {
    return [notSupported(path.child("patchType"), patchType, Object.keys(forms))];
  }
  const errors: FieldError[] = [];
  for (const type of ["ApplyConfiguration", "JSONPatch"] as const) {
    const at = path.child(fields[type]);
    if (type !== patchType) {
      if (forms[type]) errors.push(invalidValue(at, "{{}}", `must not be set when patchType is ${patchType}`));
    } else if (!forms[type]) {
      errors.push(required(at, `must be specified when patchType is ${patchType}`));
    } else if (!forms[type].expression?.trim()) {
      errors.push(required(at.child("expression"), "expression is not specified"));
    }
  }
  return errors;
}

/** `actions` are absent where a policy mutates. */
export function validateBinding(
  spec: MutatingAdmissionPolicyBindingSpec,
  path: FieldPath,
  actions?: readonly string[],
): FieldError[] {
  const name = spec.policyName ?? "";
  const errors = name
    ? invalidAll(path.child("policyName"), name, isDns1123Subdomain(name))
    : [required(path.child("policyName"))];
  if (spec.paramRef) errors.push(...validateParamRef(spec.paramRef, path.child("paramRef")));
  errors.push(...validateMatchResources(spec.matchResources, path.child("matchResources")));
  return actions ? [...errors, ...validateActions(actions, path.child("validationActions"))] : errors;
}

/** By name or by selector; `parameterNotFoundAction` says what becomes of requests while none is found. */
function validateParamRef(ref: ParamRef, path: FieldPath): FieldError[] {
  const { name, namespace, selector, parameterNotFoundAction } = ref;
  const errors: FieldError[] = [];
  // A name means one object, a selector means all that it finds, of which each is tried.
  if (name) {
    errors.push(...invalidAll(path.child("name"), name, isDns1123Subdomain(name)));
    if (selector) errors.push(forbiddenField(path.child("name"), "name and selector are mutually exclusive"));
  } else if (!selector) {
    errors.push(required(path, "one of name or selector must be specified"));
  }
  if (namespace) errors.push(...invalidAll(path.child("namespace"), namespace, isDns1123Label(namespace)));
  errors.push(...validateLabelSelector(selector, path.child("selector")));
  return [
    ...errors,
    ...requiredWord(parameterNotFoundAction, ["Allow", "Deny"], path.child("parameterNotFoundAction")),
  ];
}

/** What happens to a request that violates the policy: refused, warned of, or written to the audit log. */
function validateActions(actions: readonly string[], path: FieldPath): FieldError[] {
  if (actions.length === 0) return [required(path, "at least one validation action is required")];
  const seen = new Set<string>();
  const errors = actions.flatMap((action, i) => {
    const wrong: FieldError[] = ACTIONS.includes(action) ? [] : [notSupported(path.index(i), action, ACTIONS)];
    if (seen.has(action)) wrong.push(duplicate(path.index(i), action));
    seen.add(action);
    return wrong;
  });
  if (!seen.has("Deny") || !seen.has("Warn")) return errors;
  const detail =
    "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)";
  return [...errors, invalidValue(path, actions, detail)];
}
