// Groups of the Kubernetes community: whoever defines kinds in them says who agreed to it.
import type { CustomResourceDefinition } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { invalidValue, required, root } from "../../validation/path.ts";

const ANNOTATION = "api-approved.kubernetes.io";
const POLICY = "see https://github.com/kubernetes/enhancements/pull/1111";

/** A definition that was let in without approval may stay as it is. */
export function validateApproval(
  { metadata, spec }: CustomResourceDefinition,
  previous?: Readonly<CustomResourceDefinition>,
): FieldError[] {
  if (!/(^|\.)(k8s|kubernetes)\.io$/.test(spec.group ?? "")) return [];
  const text = metadata.annotations?.[ANNOTATION] ?? "";
  const state = stateOf(text);
  if (previous && stateOf(previous.metadata.annotations?.[ANNOTATION] ?? "") === state) return [];
  const path = root("metadata").child("annotations").key(ANNOTATION);
  const subject = `protected groups must have approval annotation "${ANNOTATION}"`;
  if (state === "missing") return [required(path, `${subject}, ${POLICY}`)];
  if (state === "approved") return [];
  const detail = `${subject} with either a URL or a reason starting with "unapproved", ${POLICY}`;
  return [invalidValue(path, text, detail)];
}

/** The link to the review, or the word that there was none. */
function stateOf(text: string): "approved" | "missing" | "invalid" {
  if (!text) return "missing";
  if (text.startsWith("unapproved")) return "approved";
  return URL.parse(text)?.host ? "approved" : "invalid";
}
