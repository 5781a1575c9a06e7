// When a container is restarted: its own policy, and rules by exit code.
import type { Container, ContainerRestartRule } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { duplicate, type FieldPath, notSupported, required, tooMany } from "../../validation/path.ts";

const POLICIES = ["Always", "Never", "OnFailure"];
const ACTIONS = ["Restart", "RestartAllContainers"];
const OPERATORS = ["In", "NotIn"];
// Both bounds keep the object small; exit codes are one byte, so that 255 name all but one.
const MAX_RULES = 20;
const MAX_EXIT_CODES = 255;

/** A container's own policy overrules the pod's; rules look at its exit code before either does. */
export function validateRestartPolicy(container: Container, path: FieldPath): FieldError[] {
  const { restartPolicy, restartPolicyRules: rules = [] } = container;
  const at = path.child("restartPolicy");
  const errors: FieldError[] = [];
  if (restartPolicy === undefined) {
    if (rules.length) errors.push(required(at, "must specify restartPolicy when restart rules are used"));
  } else if (!POLICIES.includes(restartPolicy)) errors.push(notSupported(at, restartPolicy, POLICIES));
  const rulesPath = path.child("restartPolicyRules");
  if (rules.length > MAX_RULES) return [...errors, tooMany(rulesPath, rules.length, MAX_RULES)];
  return [...errors, ...rules.flatMap((rule, i) => validateRule(rule, rulesPath.index(i)))];
}

function validateRule({ action, exitCodes }: ContainerRestartRule, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (!action) errors.push(required(path.child("action")));
  else if (!ACTIONS.includes(action)) errors.push(notSupported(path.child("action"), action, ACTIONS));
  const at = path.child("exitCodes");
  if (!exitCodes) return [...errors, required(at, "must be specified")];
  if (!exitCodes.operator) errors.push(required(at.child("operator")));
  else if (!OPERATORS.includes(exitCodes.operator)) {
    errors.push(notSupported(at.child("operator"), exitCodes.operator, OPERATORS));
  }
  const values = exitCodes.values ?? [];
  if (values.length > MAX_EXIT_CODES) errors.push(tooMany(at.child("values"), values.length, MAX_EXIT_CODES));
  values.forEach((value, i) => {
    if (values.indexOf(value) < i) errors.push(duplicate(at.child("values").index(i), value));
  });
  return errors;
}
