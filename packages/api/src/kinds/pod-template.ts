// PodTemplate: a pod template kept for itself.
import type { PodTemplate } from "../../generated/types.ts";
import { podTemplates } from "../resource-ref.ts";
import { root } from "../validation/path.ts";
import { column, containerColumns, formatMap, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { defaultPodTemplate, templateContainers, validatePodTemplate } from "./pod-template-rules.ts";

/** Nothing makes pods of it by itself; it predates the controllers, which carry templates of their own. */
export const podTemplateKind = defineKind<PodTemplate>({
  ref: podTemplates,
  applyDefaults(object) {
    object.template ??= {};
    defaultPodTemplate(object.template);
  },
  generationOf: ({ template }) => template,
  validate: ({ template }) => validatePodTemplate(template ?? {}, root("template")),
  columns: [
    nameColumn,
    ...containerColumns<PodTemplate>(({ template }) => templateContainers(template), {}),
    column("Pod Labels", "The labels for the pod template", ({ template }) => formatMap(template?.metadata?.labels)),
  ],
});
