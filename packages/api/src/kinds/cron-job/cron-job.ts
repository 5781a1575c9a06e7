// CronJob: a Job made anew whenever its schedule says so.

import type { CronJob, CronJobSpec, JobTemplateSpec } from "../../../generated/types.ts";
import { cronJobs } from "../../resource-ref.ts";
import { root } from "../../validation/path.ts";
import { age, ageColumn, column, countColumn, nameColumn, workloadColumns } from "../columns.ts";
import { defineKind } from "../define-kind.ts";
import { defaultJobSpec } from "../job/defaults.ts";
import { sameAs } from "../older/same.ts";
import { templateWarnings } from "../pod/warnings.ts";
import { templateContainers } from "../pod-template-rules.ts";
import { validateCronJob, validateCronJobCreate, validateCronJobUpdate } from "./validate.ts";

/** Times are the controller's unless `timeZone` is set. */
export const cronJobKind = defineKind<CronJob>({
  ref: cronJobs,
  otherVersions: [sameAs("v1beta1", "V1beta1CronJob", "v1.21", "v1.25")],
  shortNames: ["cj"],
  categories: ["all"],
  hasStatus: true,
  applyDefaults,
  validate: validateCronJob,
  validateCreate: validateCronJobCreate,
  validateUpdate: validateCronJobUpdate,
  warnings: ({ spec }) => {
    const path = root("spec").child("jobTemplate", "spec", "template");
    return templateWarnings(spec.jobTemplate?.spec?.template, path);
  },
  columns: [
    nameColumn,
    column("Schedule", ["CronJobSpec", "schedule"], ({ spec }) => spec.schedule),
    column("Timezone", ["CronJobSpec", "timeZone"], ({ spec }) => spec.timeZone ?? "<none>"),
    column("Suspend", ["CronJobSpec", "suspend"], ({ spec }) => flag(spec.suspend), { type: "boolean" }),
    countColumn("Active", ["CronJobStatus", "active"], ({ status }) => status?.active?.length),
    // When a Job was last made, which is not when it last succeeded.
    column("Last Schedule", ["CronJobStatus", "lastScheduleTime"], ({ status }, nowMs) =>
      status?.lastScheduleTime ? age(status.lastScheduleTime, nowMs) : "<none>",
    ),
    ageColumn,
    ...workloadColumns<CronJob>(
      ({ spec }) => templateContainers(spec.jobTemplate?.spec?.template),
      ({ spec }) => spec.jobTemplate?.spec?.selector,
      ["JobSpec", "selector"],
    ),
  ],
});

/** Fills a CronJob in place, its Job template included. */
function applyDefaults(job: CronJob): void {
  job.spec ??= {} as CronJobSpec;
  const { spec } = job;
  spec.concurrencyPolicy ||= "Allow";
  spec.suspend ??= false;
  // Finished Jobs stay for a while, so that their logs can be read.
  spec.successfulJobsHistoryLimit ??= 3;
  spec.failedJobsHistoryLimit ??= 1;
  spec.jobTemplate ??= {} as JobTemplateSpec;
  spec.jobTemplate.spec ??= { template: {} };
  spec.jobTemplate.metadata ??= {};
  defaultJobSpec(spec.jobTemplate.spec);
  job.status ??= {};
}

/** As Go prints a flag behind a pointer. */
function flag(value: boolean | undefined): string {
  if (value === undefined) return "<unset>";
  return value ? "True" : "False";
}
