// ValidatingAdmissionPolicy and MutatingAdmissionPolicy with their bindings: admission written as expressions.
import type {
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  ParamKind,
  ParamRef,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from "../../../generated/types.ts";
import type { Column } from "../../kind.ts";
import type { KubeObject } from "../../object.ts";
import {
  mutatingAdmissionPolicies,
  mutatingAdmissionPolicyBindings,
  validatingAdmissionPolicies,
  validatingAdmissionPolicyBindings,
} from "../../resource-ref.ts";
import { validateConditions } from "../../validation/conditions.ts";
import { root } from "../../validation/path.ts";
import { ageColumn, column, countColumn, formatSelector, nameColumn } from "../columns.ts";
import { defineKind } from "../define-kind.ts";
import { defaultMatchResources } from "./defaults.ts";
import { validateBinding, validateMutatingPolicy, validateValidatingPolicy } from "./validate-policies.ts";

const categories = ["api-extensions"];

/** CEL expressions that the apiserver runs itself, in force where a binding says so. */
export const validatingAdmissionPolicyKind = defineKind<ValidatingAdmissionPolicy>({
  ref: validatingAdmissionPolicies,
  categories,
  hasStatus: true,
  applyDefaults({ spec }) {
    if (!spec) return;
    spec.failurePolicy ??= "Fail";
    defaultMatchResources(spec.matchConstraints);
  },
  validate: ({ spec }) => validateValidatingPolicy(spec ?? {}, root("spec")),
  validateStatusUpdate: ({ status }) => validateConditions(status?.conditions, root("status").child("conditions")),
  columns: [
    nameColumn,
    countColumn(
      "Validations",
      "Validations indicates the number of validation rules defined in this configuration",
      (p) => p.spec?.validations?.length,
    ),
    paramKindColumn(({ spec }) => spec?.paramKind),
    ageColumn,
  ],
});

/** CEL expressions that change a request's object; no status, as upstream checks no types here. */
export const mutatingAdmissionPolicyKind = defineKind<MutatingAdmissionPolicy>({
  ref: mutatingAdmissionPolicies,
  categories,
  hasGeneration: true,
  applyDefaults({ spec }) {
    if (!spec) return;
    spec.failurePolicy ??= "Fail";
    defaultMatchResources(spec.matchConstraints);
  },
  validate: ({ spec }) => validateMutatingPolicy(spec ?? {}, root("spec")),
  columns: [
    nameColumn,
    countColumn(
      "Mutations",
      "Mutation indicates the number of mutations rules defined in this configuration",
      (p) => p.spec?.mutations?.length,
    ),
    paramKindColumn(({ spec }) => spec?.paramKind),
    ageColumn,
  ],
});

/** Puts a policy in force, with parameters, for some of what it matches, and says what a violation does. */
export const validatingAdmissionPolicyBindingKind = defineKind<ValidatingAdmissionPolicyBinding>({
  ref: validatingAdmissionPolicyBindings,
  categories,
  hasGeneration: true,
  applyDefaults: ({ spec }) => defaultMatchResources(spec.matchResources),
  validate: ({ spec }) => validateBinding(spec, root("spec"), spec.validationActions ?? []),
  columns: bindingColumns(({ spec }) => spec),
});

/** Puts a mutation in force; it has no actions to choose from. */
export const mutatingAdmissionPolicyBindingKind = defineKind<MutatingAdmissionPolicyBinding>({
  ref: mutatingAdmissionPolicyBindings,
  categories,
  hasGeneration: true,
  applyDefaults: ({ spec }) => defaultMatchResources(spec?.matchResources),
  validate: ({ spec }) => validateBinding(spec ?? {}, root("spec")),
  columns: bindingColumns(({ spec }) => spec),
});

/** The kind of a policy's settings, or `<unset>` where it has none. */
function paramKindColumn<T extends KubeObject>(paramKind: (policy: Readonly<T>) => ParamKind | undefined): Column<T> {
  const description = "ParamKind specifies the kind of resources used to parameterize this policy";
  return column("ParamKind", description, (policy) => {
    const { apiVersion = "", kind = "" } = paramKind(policy) ?? {};
    return kind ? `${apiVersion}/${kind}` : "<unset>";
  });
}

/** Both bindings show the same. */
function bindingColumns<T extends KubeObject>(
  specOf: (binding: Readonly<T>) => { policyName?: string | undefined; paramRef?: ParamRef | undefined } | undefined,
): Column<T>[] {
  // Upstream's words, its spelling included.
  const aboutPolicy = "PolicyName indicates the policy definition which the policy binding binded to";
  const aboutParam = "ParamRef indicates the param resource which sets the configration param";
  return [
    nameColumn,
    column<T>("PolicyName", aboutPolicy, (binding) => specOf(binding)?.policyName ?? ""),
    column<T>("ParamRef", aboutParam, (binding) => formatParamRef(specOf(binding)?.paramRef)),
    ageColumn,
  ];
}

/** One object by name, or all that a selector finds. */
function formatParamRef(ref: ParamRef | undefined): string {
  if (ref?.name) return ref.namespace ? `${ref.namespace}/${ref.name}` : ref.name;
  return ref?.selector ? formatSelector(ref.selector) : "<unset>";
}
