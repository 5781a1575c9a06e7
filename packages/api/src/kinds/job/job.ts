// Job: pods that run until enough of them have succeeded.
import type { Job } from "../../../generated/types.ts";
import { jobs } from "../../resource-ref.ts";
import { root } from "../../validation/path.ts";
import { defineKind } from "../define-kind.ts";
import { templateWarnings } from "../pod/warnings.ts";
import { jobColumns } from "./columns.ts";
import { applyJobDefaults, generateSelector } from "./defaults.ts";
import { validateJob, validateJobUpdate } from "./validate.ts";
import { validateJobStatusUpdate } from "./validate-status.ts";

/** Deleting a Job without a propagation policy leaves its pods, as it was before garbage collection. */
export const jobKind = defineKind<Job>({
  ref: jobs,
  categories: ["all"],
  hasStatus: true,
  orphansDependents: true,
  applyDefaults: applyJobDefaults,
  prepareForCreate: generateSelector,
  validate: validateJob,
  validateUpdate: validateJobUpdate,
  validateStatusUpdate: validateJobStatusUpdate,
  selectableFields: { "status.successful": ({ status }) => String(status?.succeeded ?? 0) },
  warnings: (object) => templateWarnings(object.spec?.template, root("spec").child("template")),
  columns: jobColumns,
});
