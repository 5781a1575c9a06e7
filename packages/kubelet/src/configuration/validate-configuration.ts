// What a configuration must satisfy, in upstream's words. Pure.
import { normalize } from "node:path/posix";
import { isQuantity, quantityValue } from "@skiff/api/quantity.ts";
import { parseThresholds } from "../eviction/thresholds.ts";
import { allowlistProblem, VERIFICATION_POLICIES } from "../images/pull-records/verification-policy.ts";
import { formatDuration } from "./field-types.ts";
import type { Settings } from "./fields.ts";
import { effectiveEvictionHard } from "./read-configuration.ts";
import { tlsProblem } from "./tls-bounds.ts";
import { PROCESS_RULES } from "./validate-process.ts";
import { RESOURCE_RULES } from "./validate-resources.ts";

/** The problem, or undefined. */
type Rule = (settings: Settings) => string | undefined;

/** All that is wrong; empty when nothing is. */
export function validateConfiguration(settings: Settings): string[] {
  const problems = RULES.map((rule) => rule(settings)).filter((problem) => problem !== undefined);
  return [...problems.map((problem) => `invalid configuration: ${problem}`), ...thresholdProblems(settings)];
}

/** One rule for each constraint between or on fields. Decoding has judged the types before. */
const RULES: readonly Rule[] = [
  (s) => between(s.port, 1, 65535, "port (--port)"),
  (s) => (s.healthzPort === 0 ? undefined : between(s.healthzPort, 1, 65535, "healthzPort (--healthz-port)")),
  (s) => between(s.oomScoreAdj, -1000, 1000, "oomScoreAdj (--oom-score-adj)"),
  (s) => (s.systemCgroups === "/" ? 'system container cannot be root ("/")' : undefined),
  (s) => between(s.imageGCHighThresholdPercent, 0, 100, "imageGCHighThresholdPercent (--image-gc-high-threshold)"),
  (s) => between(s.imageGCLowThresholdPercent, 0, 100, "imageGCLowThresholdPercent (--image-gc-low-threshold)"),
  ({ imageGCLowThresholdPercent: low, imageGCHighThresholdPercent: high }) =>
    low >= high
      ? `imageGCLowThresholdPercent (--image-gc-low-threshold) ${low} must be less than imageGCHighThresholdPercent (--image-gc-high-threshold) ${high}`
      : undefined,
  (s) => notNegative(s.imageMinimumGCAge, "imageMinimumGCAge", formatDuration),
  (s) => notNegative(s.imageMaximumGCAge, "imageMaximumGCAge", formatDuration),
  ({ imageMaximumGCAge: max, imageMinimumGCAge: min }) =>
    max > 0 && max <= min
      ? `imageMaximumGCAge ${formatDuration(max)} must be greater than imageMinimumGCAge ${formatDuration(min)}`
      : undefined,
  (s) => notNegative(s.maxPods, "maxPods (--max-pods)"),
  (s) => notNegative(s.podsPerCore, "podsPerCore (--pods-per-core)"),
  (s) => (s.nodeLeaseDurationSeconds <= 0 ? "nodeLeaseDurationSeconds must be greater than 0" : undefined),
  ({ maxParallelImagePulls: pulls, serializeImagePulls }) => {
    if (pulls === undefined) return undefined;
    if (pulls < 1) return `maxParallelImagePulls ${pulls} must be a positive number`;
    if (pulls === 1 || !serializeImagePulls) return undefined;
    return "maxParallelImagePulls cannot be larger than 1 unless SerializeImagePulls (--serialize-image-pulls) set to false";
  },
  verificationProblem,
  (s) => (s.containerLogMaxFiles <= 1 ? `invalid MaxFiles ${s.containerLogMaxFiles}, must be > 1` : undefined),
  (s) => (s.containerLogMaxWorkers < 1 ? "containerLogMaxWorkers must be greater than or equal to 1" : undefined),
  (s) =>
    s.containerLogMonitorInterval < 3000
      ? "containerLogMonitorInterval must be a positive time duration greater than or equal to 3s"
      : undefined,
  ({ podLogsDir }) => {
    if (podLogsDir === "") return "podLogsDir was not specified";
    return podLogsDir.startsWith("/") ? undefined : `pod logs path ${JSON.stringify(podLogsDir)} must be absolute path`;
  },
  ({ podLogsDir }) => {
    if (normalize(podLogsDir).replace(/(.)\/$/, "$1") !== podLogsDir)
      return `pod logs path ${JSON.stringify(podLogsDir)} must be normalized`;
    // It is part of metrics.
    return /[^\0-\x7f]/.test(podLogsDir)
      ? `pod logs path ${JSON.stringify(podLogsDir)} mut contains ASCII characters only`
      : undefined;
  },
  (s) => (s.readOnlyPort === 0 ? undefined : between(s.readOnlyPort, 0, 65535, "readOnlyPort (--read-only-port)")),
  ({ registerWithTaints }) => {
    const wrong = registerWithTaints.find(({ key, effect }) => !key || !EFFECTS.includes(effect));
    return wrong === undefined ? undefined : `invalid taint: ${wrong.key}=${wrong.value ?? ""}:${wrong.effect}`;
  },
  tlsProblem,
  ...PROCESS_RULES,
  shutdownProblem,
  (s) => reserved(s.kubeReserved, "kubeReserved (--kube-reserved)"),
  (s) => reserved(s.systemReserved, "systemReserved (--system-reserved)"),
  ...RESOURCE_RULES,
  ({ allowedUnsafeSysctls }) => {
    const wrong = allowedUnsafeSysctls.find(
      (name) => !/^[a-z0-9]([-_a-z0-9]*[a-z0-9])?([./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*([./]?\*)?$/.test(name),
    );
    return wrong === undefined
      ? undefined
      : `allowedUnsafeSysctls (--allowed-unsafe-sysctls): ${JSON.stringify(wrong)} is no sysctl or pattern`;
  },
  ({ "userNamespaces.idsPerPod": ids }) => {
    if (ids < 65536) return "userNamespaces.idsPerPod must not be less than 65536";
    if (ids % 65536 !== 0) return "userNamespaces.idsPerPod must be a multiple of 65536";
    return ids > MAX_ID ? `userNamespaces.idsPerPod must not be more than ${MAX_ID}` : undefined;
  },
  (s) =>
    s["crashLoopBackOff.maxContainerRestartPeriod"] < 1000 || s["crashLoopBackOff.maxContainerRestartPeriod"] > 300_000
      ? `CrashLoopBackOff.MaxContainerRestartPeriod (got: ${formatDuration(s["crashLoopBackOff.maxContainerRestartPeriod"])}) must be set between 1s and 300s`
      : undefined,
];

function verificationProblem(s: Settings): string | undefined {
  const { imagePullCredentialsVerificationPolicy: policy, preloadedImagesVerificationAllowlist: patterns } = s;
  if (!VERIFICATION_POLICIES.some((known) => known === policy)) {
    const [a, b, c, d] = VERIFICATION_POLICIES.map((known) => JSON.stringify(known));
    return `option ${JSON.stringify(policy)} specified for imagePullCredentialsVerificationPolicy. Valid options are ${a}, ${b}, ${c} or ${d}`;
  }
  if (patterns.length > 0 && policy !== "NeverVerifyAllowlistedImages") {
    // The spelling is upstream's.
    return 'can\'t set `preloadedImagesVerificationAllowlist` if `imagePullCredentialsVertificationPolicy` is not "NeverVerifyAllowlistedImages"';
  }
  const problem = patterns.map(allowlistProblem).find((one) => one !== undefined);
  return problem && `invalid image pattern in \`preloadedImagesVerificationAllowlist\`: ${problem}`;
}

const EFFECTS: readonly string[] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/** The kernel's ids have 32 bits. */
const MAX_ID = 2 ** 32 - 1;

function shutdownProblem(s: Settings): string | undefined {
  const { shutdownGracePeriod: total, shutdownGracePeriodCriticalPods: critical } = s;
  if (s.shutdownGracePeriodByPodPriority.length > 0 && (total > 0 || critical > 0)) {
    return "Cannot specify both shutdownGracePeriodByPodPriority and shutdownGracePeriod at the same time";
  }
  // The time of critical pods is a part of the whole, the last one: ordinary pods get the difference.
  if (critical > total) {
    return `shutdownGracePeriod ${formatDuration(total)} must be >= shutdownGracePeriodCriticalPods ${formatDuration(critical)}`;
  }
  for (const [name, ms] of Object.entries({ shutdownGracePeriod: total, shutdownGracePeriodCriticalPods: critical })) {
    if (ms < 0 || (ms > 0 && ms < 1000)) {
      return `${name} ${formatDuration(ms)} must be either zero or otherwise >= 1 sec`;
    }
  }
  return undefined;
}

/** What --kube-reserved and --system-reserved may keep back. */
const RESERVABLE = /^(cpu|memory|ephemeral-storage|pid|hugepages-.+)$/;

/** Amounts must be quantities of what can be kept back at all. */
function reserved(list: Readonly<Record<string, string>>, name: string): string | undefined {
  for (const [resource, amount] of Object.entries(list)) {
    if (!RESERVABLE.test(resource)) return `${name}: cannot reserve ${JSON.stringify(resource)} resource`;
    if (!isQuantity(amount))
      return `${name}: failed to parse quantity ${JSON.stringify(amount)} for ${JSON.stringify(resource)} resource`;
    if (quantityValue(amount) < 0)
      return `${name}: resource quantity for ${JSON.stringify(resource)} cannot be negative: ${amount}`;
  }
  return undefined;
}

/** Thresholds are judged by parsing them, so what is accepted here cannot fail later. */
function thresholdProblems(settings: Settings): string[] {
  try {
    parseThresholds({ ...settings, evictionHard: effectiveEvictionHard(settings) });
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}

function between(value: number, min: number, max: number, name: string): string | undefined {
  return value < min || value > max ? `${name} ${value} must be between ${min} and ${max}, inclusive` : undefined;
}

function notNegative(value: number, name: string, show: (value: number) => string = String): string | undefined {
  return value < 0
    ? `${name} ${show(value)} must not be ${name.startsWith("image") ? "negative" : "a negative number"}`
    : undefined;
}
