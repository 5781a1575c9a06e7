// Jobs and CronJobs: what is generated, refused and shown.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Job } from "../../generated/types.ts";
import { cronJobKind } from "./cron-job/cron-job.ts";
import { countIndexes } from "./job/index-list.ts";
import { jobKind } from "./job/job.ts";
import { created, judgeNew, judgeUpdate, updated } from "./judge.ts";

const pod = (extra: object = {}) => ({
  spec: { restartPolicy: "Never", containers: [{ name: "c", image: "i" }], ...extra },
});
const job = (extra: object = {}) => ({ spec: { template: pod(), ...extra } });
const cronJob = (extra: object = {}) => ({ spec: { schedule: "* * * * *", jobTemplate: job(), ...extra } });
const rule = (extra: object) => job({ podFailurePolicy: { rules: [extra] } });
const spec = (text: string) => `spec.${text}`;

test("job: the server makes labels and a selector that only its pods fit", () => {
  const made = created(jobKind, job());
  assert.deepEqual(made.spec?.selector, { matchLabels: { "batch.kubernetes.io/controller-uid": "4f1c" } });
  assert.equal(made.spec?.template.metadata?.labels?.["batch.kubernetes.io/job-name"], "x");
  assert.deepEqual(made.metadata.labels, made.spec?.template.metadata?.labels);
  const { completions, parallelism, backoffLimit, completionMode, podReplacementPolicy } = made.spec ?? {};
  assert.deepEqual(
    [completions, parallelism, backoffLimit, completionMode, podReplacementPolicy],
    [1, 1, 6, "NonIndexed", "TerminatingOrFailed"],
  );
  assert.deepEqual(created(jobKind, job({ parallelism: 2 })).spec?.completions, undefined);
  const taken = { ...pod(), metadata: { labels: { "job-name": "other" } } };
  assert.match(
    judgeNew(jobKind, job({ template: taken })).join(),
    /^spec\.template\.metadata\.labels\[job-name\]: Invalid value: .*: must be 'x'$/,
  );
});

const BAD_JOBS: readonly (readonly [object, ...string[]])[] = [
  [
    job({ template: pod({ restartPolicy: "Always" }) }),
    spec('template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'),
  ],
  [
    job({ template: pod({ restartPolicy: "Sometimes" }) }),
    spec(
      'template.spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
    ),
    spec('template.spec.restartPolicy: Unsupported value: "Sometimes": supported values: "OnFailure", "Never"'),
  ],
  [job({ parallelism: -1 }), spec("parallelism: Invalid value: -1: must be greater than or equal to 0")],
  [
    job({ completionMode: "Indexed", parallelism: 1 }),
    spec("completions: Required value: when completion mode is Indexed"),
  ],
  [job({ backoffLimitPerIndex: 1 }), spec("backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode")],
  [
    job({ completionMode: "Indexed", completions: 2, maxFailedIndexes: 1 }),
    spec("backoffLimitPerIndex: Required value: when maxFailedIndexes is specified"),
  ],
  [
    job({ managedBy: "me" }),
    spec('managedBy: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")'),
  ],
  [
    rule({ action: "FailJob", onExitCodes: { operator: "In", values: [2, 0, 2] } }),
    spec("podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator"),
    spec("podFailurePolicy.rules[0].onExitCodes.values[2]: Duplicate value: 2"),
    spec("podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [2,0,2]: must be ordered"),
  ],
  [
    rule({ action: "Ignore" }),
    spec("podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required"),
  ],
  [
    job({
      completionMode: "Indexed",
      completions: 3,
      successPolicy: { rules: [{ succeededIndexes: "0-1", succeededCount: 3 }] },
    }),
    spec(
      "successPolicy.rules[0].succeededCount: Invalid value: 3: must be less than or equal to 2 (the number of indexes in the specified succeededIndexes field)",
    ),
  ],
];

test("job validation speaks upstream's words", () => {
  assert.deepEqual(judgeNew(jobKind, job()), []);
  for (const [manifest, ...expected] of BAD_JOBS) assert.deepEqual(judgeNew(jobKind, manifest), expected);
});

test("job updates keep the template, but a waiting job may be placed and an indexed one may grow", () => {
  const place = (next: Job) => {
    if (next.spec?.template.spec) next.spec.template.spec.nodeSelector = { a: "b" };
  };
  assert.match(judgeUpdate(jobKind, created(jobKind, job()), place).join(), /^spec\.template: .*field is immutable$/);
  assert.deepEqual(judgeUpdate(jobKind, created(jobKind, job({ suspend: true })), place), []);
  const indexed = created(jobKind, job({ completionMode: "Indexed", completions: 2, parallelism: 2 }));
  const scale = (completions: number, parallelism: number) =>
    judgeUpdate(jobKind, indexed, (next) => Object.assign(next.spec ?? {}, { completions, parallelism }));
  assert.deepEqual(scale(3, 3), []);
  assert.deepEqual(scale(3, 2), [
    "spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism",
  ]);
  const paused = updated(jobKind, created(jobKind, job()), (next) => Object.assign(next.spec ?? {}, { suspend: true }));
  assert.deepEqual([paused.errors, paused.object.metadata.generation], [[], 2]);
});

test("job status ends once", () => {
  const done = { type: "Complete", status: "True" };
  const finish = (status: object) =>
    judgeUpdate(jobKind, created(jobKind, job()), (next) => Object.assign(next, { status }), true);
  assert.deepEqual(finish({ conditions: [done], completionTime: "2026-01-01T00:00:00Z" }), []);
  assert.deepEqual(finish({ conditions: [done] }), [
    "status.completionTime: Required value: completionTime is required for Complete jobs",
  ]);
  assert.deepEqual(finish({ active: 1, ready: 2 }), [
    "status.ready: Invalid value: 2: cannot set more ready pods than active",
  ]);
});

test("job columns", () => {
  const running = created(jobKind, job({ completions: 3 }));
  const cells = (status: object) =>
    jobKind.columns
      .slice(1, 4)
      .map((column) => column.value({ ...running, status }, Date.parse("2026-01-01T00:01:00Z")));
  assert.deepEqual(cells({}), ["Running", "0/3", ""]);
  assert.deepEqual(cells({ succeeded: 1, startTime: "2026-01-01T00:00:00Z" }), ["Running", "1/3", "60s"]);
  const done = { type: "Complete", status: "True" };
  const times = { startTime: "2026-01-01T00:00:00Z", completionTime: "2026-01-01T00:00:05Z" };
  assert.deepEqual(cells({ succeeded: 3, conditions: [done], ...times }), ["Complete", "3/3", "5s"]);
});

test("lists of indexes are counted", () => {
  assert.deepEqual([countIndexes("", 9), countIndexes("1,3-5,7", 9)], [0, 5]);
  for (const bad of ["9", "3,1", "1-2-3", "a", "5-4"]) assert.throws(() => countIndexes(bad, 9), bad);
});

const BAD_CRON_JOBS: readonly (readonly [object, string])[] = [
  [cronJob({ schedule: "" }), "schedule: Required value"],
  [cronJob({ schedule: "* * *" }), 'schedule: Invalid value: "* * *": expected exactly 5 fields, found 3: [* * *]'],
  [
    cronJob({ schedule: "61 * * * *" }),
    'schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61',
  ],
  [
    cronJob({ schedule: "TZ=UTC 0 * * * *" }),
    'schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
  ],
  [cronJob({ timeZone: "Mars/Base" }), 'timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base'],
  [
    cronJob({ concurrencyPolicy: "Maybe" }),
    'concurrencyPolicy: Unsupported value: "Maybe": supported values: "Allow", "Forbid", "Replace"',
  ],
  [
    cronJob({ jobTemplate: job({ selector: { matchLabels: { a: "b" } } }) }),
    'jobTemplate.spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: `selector` will be auto-generated',
  ],
];

test("cron job: defaults, rules and a name that leaves room for its jobs'", () => {
  const made = created(cronJobKind, cronJob());
  const { concurrencyPolicy, suspend, successfulJobsHistoryLimit, failedJobsHistoryLimit } = made.spec;
  assert.deepEqual(
    [concurrencyPolicy, suspend, successfulJobsHistoryLimit, failedJobsHistoryLimit],
    ["Allow", false, 3, 1],
  );
  for (const [manifest, expected] of BAD_CRON_JOBS) assert.deepEqual(judgeNew(cronJobKind, manifest), [spec(expected)]);
  const named = { metadata: { name: "x".repeat(53) }, ...cronJob() };
  assert.match(judgeNew(cronJobKind, named).join(), /^metadata\.name: .*: must be no more than 52 characters$/);
});
