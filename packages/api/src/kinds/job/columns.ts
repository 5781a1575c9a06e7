// What `kubectl get jobs` shows.
import type { Job } from "../../../generated/types.ts";
import { isConditionTrue } from "../../conditions.ts";
import { humanDuration } from "../../duration.ts";
import type { Column } from "../../kind.ts";
import { ageColumn, column, nameColumn, workloadColumns } from "../columns.ts";
import { templateContainers } from "../pod-template-rules.ts";

/** The columns of `kubectl get jobs`: the status in a word, how many succeeded, and how long it took or takes. */
export const jobColumns: readonly Column<Job>[] = [
  nameColumn,
  column("Status", "Status of the job.", statusOf),
  column("Completions", ["JobStatus", "succeeded"], completions),
  column("Duration", "Time required to complete the job.", duration),
  ageColumn,
  ...workloadColumns<Job>(
    ({ spec }) => templateContainers(spec?.template),
    ({ spec }) => spec?.selector,
    ["JobSpec", "selector"],
  ),
];

/** One word from the conditions, the final ones first. */
function statusOf({ metadata, status }: Readonly<Job>): string {
  const has = (type: string) => isConditionTrue(status?.conditions, type);
  if (has("Complete")) return "Complete";
  if (has("Failed")) return "Failed";
  if (metadata.deletionTimestamp) return "Terminating";
  // Before a Job ends its controller says that it will, and waits for the pods that still run.
  return ["Suspended", "FailureTarget", "SuccessCriteriaMet"].find(has) ?? "Running";
}

function completions({ spec, status }: Readonly<Job>): string {
  const succeeded = status?.succeeded ?? 0;
  if (spec?.completions !== undefined) return `${succeeded}/${spec.completions}`;
  const parallelism = spec?.parallelism ?? 0;
  // Without `completions` one success ends a work queue, and how many more will succeed is not known.
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

/** From the start to the end, or until now. */
function duration({ status }: Readonly<Job>, nowMs: number): string {
  if (!status?.startTime) return "";
  const end = status.completionTime ? Date.parse(status.completionTime) : nowMs;
  return humanDuration(end - Date.parse(status.startTime));
}
