// What a Job gets when its writer says nothing, and the selector that the server makes for it.
import type { Job, JobSpec } from "../../../generated/types.ts";
import { defaultPodTemplate } from "../pod-template-rules.ts";

const MAX_INT32 = 2 ** 31 - 1;
// Each label has an old name without a domain, which tools still select by.
const NAME_LABELS = ["job-name", "batch.kubernetes.io/job-name"];
const UID_LABEL = "batch.kubernetes.io/controller-uid";
const UID_LABELS = ["controller-uid", UID_LABEL];

/** Fills a Job in place. */
export function applyJobDefaults(job: Job): void {
  job.spec ??= {} as JobSpec;
  const { spec } = job;
  // With parallelism alone it is a work queue, whose end is any pod's success.
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  // Where every index has a limit of its own, none for the whole Job is the useful default.
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : MAX_INT32;
  spec.completionMode ??= "NonIndexed";
  spec.suspend ??= false;
  spec.manualSelector ??= false;
  // A failure policy judges how a pod ended, so that its replacement has to wait for that end.
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? "Failed" : "TerminatingOrFailed";
  defaultJobSpec(spec);
  job.status ??= {};
  const labels = spec.template.metadata?.labels;
  // A Job without labels takes its template's, so that one selector finds both.
  if (labels && Object.keys(job.metadata.labels ?? {}).length === 0) job.metadata.labels = { ...labels };
}

/** What Jobs and the templates of CronJobs are given alike. */
export function defaultJobSpec(spec: JobSpec): void {
  spec.template ??= {};
  defaultPodTemplate(spec.template);
  for (const rule of spec.podFailurePolicy?.rules ?? []) {
    for (const pattern of rule.onPodConditions ?? []) pattern.status ||= "True";
  }
}

/** Labels that only this Job's pods carry, and the selector that finds them. */
export function generateSelector(job: Job): void {
  const { spec, metadata } = job;
  if (!spec || spec.manualSelector) return;
  const template = { ...spec.template.metadata };
  const labels: Record<string, string> = { ...template.labels };
  // What the writer has set stays, and is refused by the validation where it is not the Job's own.
  for (const key of NAME_LABELS) labels[key] ??= metadata.name ?? "";
  for (const key of UID_LABELS) labels[key] ??= metadata.uid;
  spec.template.metadata = { ...template, labels };
  spec.selector ??= {};
  spec.selector.matchLabels = { [UID_LABEL]: metadata.uid, ...spec.selector.matchLabels };
  // The Job carries its template's labels unless it was given others.
  if (sameKeys(metadata.labels, template.labels)) metadata.labels = { ...labels };
}

function sameKeys(a: Record<string, string> | undefined, b: Record<string, string> | undefined): boolean {
  return Object.keys(a ?? {}).join() === Object.keys(b ?? {}).join();
}
