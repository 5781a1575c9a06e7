// Whether a CronJob's schedule, time zone and Job template make sense.
import type { CronJob, CronJobSpec, JobTemplateSpec } from "../../../generated/types.ts";
import { CronError, isTimeZone, parseCron } from "../../cron-schedule.ts";
import type { FieldError } from "../../errors.ts";
import { requiredWord } from "../../validation/field-rules.ts";
import { type FieldPath, invalidValue, notSupported, required, root } from "../../validation/path.ts";
import { validateJobSpec } from "../job/validate.ts";
import { nonNegative } from "../numbers.ts";

/** Jobs get the CronJob's name and eleven characters more. */
const MAX_NAME = 52;

/** Of the schedule only the syntax is checked: it may name a day that never comes. */
export function validateCronJob({ spec }: CronJob): FieldError[] {
  const path = root("spec");
  return [
    ...validateSchedule(spec, path.child("schedule")),
    ...nonNegative(spec, ["startingDeadlineSeconds"], path),
    ...validateTimeZone(spec.timeZone, path.child("timeZone")),
    ...requiredWord(spec.concurrencyPolicy, ["Allow", "Forbid", "Replace"], path.child("concurrencyPolicy")),
    ...validateTemplate(spec.jobTemplate, path.child("jobTemplate", "spec")),
    ...nonNegative(spec, ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"], path),
  ];
}

/** What CronJobs of before these rules may keep. */
export function validateCronJobCreate({ metadata, spec }: CronJob): FieldError[] {
  const errors = zoneInSchedule(spec);
  // A name that is missing is complained of elsewhere.
  if ((metadata.name ?? "").length <= MAX_NAME) return errors;
  const detail = `must be no more than ${MAX_NAME} characters`;
  return [...errors, invalidValue(root("metadata").child("name"), metadata.name, detail)];
}

/** Schedules that already carried a zone may keep it. */
export function validateCronJobUpdate(next: CronJob, previous: Readonly<CronJob>): FieldError[] {
  return previous.spec.schedule.includes("TZ") ? [] : zoneInSchedule(next.spec);
}

function zoneInSchedule({ schedule, timeZone }: CronJobSpec): FieldError[] {
  if (!schedule.includes("TZ") || timeZone !== undefined) return [];
  const detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
  return [invalidValue(root("spec").child("schedule"), schedule, detail)];
}

function validateSchedule({ schedule, timeZone }: CronJobSpec, path: FieldPath): FieldError[] {
  if (!schedule) return [required(path)];
  const errors: FieldError[] = [];
  try {
    parseCron(schedule);
  } catch (error) {
    if (!(error instanceof CronError)) throw error;
    errors.push(invalidValue(path, schedule, error.message));
  }
  if (schedule.includes("TZ") && timeZone !== undefined) {
    errors.push(invalidValue(path, schedule, "cannot use both timeZone field and TZ or CRON_TZ in schedule"));
  }
  return errors;
}

function validateTimeZone(zone: string | undefined, path: FieldPath): FieldError[] {
  if (zone === undefined) return [];
  if (zone === "") return [invalidValue(path, zone, "must be nil or non-empty string")];
  // Where the controller happens to run must not decide when Jobs start.
  if (zone.toLowerCase() === "local") {
    const detail = "must be an explicit time zone as defined in https://www.iana.org/time-zones";
    return [invalidValue(path, zone, detail)];
  }
  return isTimeZone(zone) ? [] : [invalidValue(path, zone, `unknown time zone ${zone}`)];
}

/** Each Job gets a selector of its own, so the template has none. */
function validateTemplate(template: JobTemplateSpec, path: FieldPath): FieldError[] {
  const spec = template.spec ?? { template: {} };
  const errors = validateJobSpec(spec, path);
  if (spec.selector) {
    errors.push(invalidValue(path.child("selector"), spec.selector, "`selector` will be auto-generated"));
  }
  if (spec.manualSelector) errors.push(notSupported(path.child("manualSelector"), true, ["nil", "false"]));
  return errors;
}
