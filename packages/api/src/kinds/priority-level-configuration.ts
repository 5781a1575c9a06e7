// PriorityLevelConfiguration: how many requests of a level run at once, and how the others wait.
import type {
  LimitedPriorityLevelConfiguration,
  PriorityLevelConfiguration,
  PriorityLevelConfigurationSpec,
  QueuingConfiguration,
} from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import type { Column } from "../kind.ts";
import { priorityLevelConfigurations } from "../resource-ref.ts";
import { type FieldPath, forbiddenField, invalidValue, notSupported, required, root } from "../validation/path.ts";
import { ageColumn, column, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { nonNegative } from "./numbers.ts";

// Queues are kept in memory.
const MAX_QUEUES = 10_000_000;

/** Part of API Priority and Fairness; a request that finds its queue full, or waits too long, is answered 429. */
export const priorityLevelConfigurationKind = defineKind<PriorityLevelConfiguration>({
  ref: priorityLevelConfigurations,
  hasStatus: true,
  applyDefaults(level) {
    level.spec ??= {} as PriorityLevelConfigurationSpec;
    applySpecDefaults(level.spec);
    level.status ??= {};
  },
  validate: ({ metadata, spec }) => [
    ...validateExempt(metadata.name, spec, root("spec")),
    ...validateSpec(spec, root("spec")),
  ],
  columns: [
    nameColumn,
    column("Type", ["PriorityLevelConfigurationSpec", "type"], ({ spec }) => spec?.type ?? ""),
    figure("NominalConcurrencyShares", ["LimitedPriorityLevelConfiguration", "nominalConcurrencyShares"], (spec) => {
      return spec.limited?.nominalConcurrencyShares ?? spec.exempt?.nominalConcurrencyShares;
    }),
    figure("Queues", ["QueuingConfiguration", "queues"], (spec) => spec.limited?.limitResponse?.queuing?.queues),
    figure("HandSize", ["QueuingConfiguration", "handSize"], (spec) => spec.limited?.limitResponse?.queuing?.handSize),
    figure("QueueLengthLimit", ["QueuingConfiguration", "queueLengthLimit"], (spec) => {
      return spec.limited?.limitResponse?.queuing?.queueLengthLimit;
    }),
    ageColumn,
  ],
});

/** A column that shows `<none>` for levels without the figure. */
function figure(
  name: string,
  description: readonly [string, string],
  value: (spec: Readonly<PriorityLevelConfigurationSpec>) => number | undefined,
): Column<PriorityLevelConfiguration> {
  return column(name, description, ({ spec }) => (spec && value(spec)) ?? "<none>");
}

/** Upstream's defaults: 30 shares, no lending, and eight queues of 64 for each flow. */
function applySpecDefaults(spec: PriorityLevelConfigurationSpec): void {
  // Its requests never wait; shares only decide what it may lend to others.
  if (spec.type === "Exempt") {
    spec.exempt ??= {};
    spec.exempt.nominalConcurrencyShares ??= 0;
    spec.exempt.lendablePercent ??= 0;
  }
  if (spec.limited) {
    spec.limited.nominalConcurrencyShares ??= 30;
    spec.limited.lendablePercent ??= 0;
    const queuing = spec.limited.limitResponse?.queuing;
    if (!queuing) return;
    // A flow is dealt 8 of 64 queues and takes the shortest, so that one noisy flow seldom fills all of another's.
    queuing.handSize ||= 8;
    queuing.queues ||= 64;
    queuing.queueLengthLimit ||= 50;
  }
}

/** The level named exempt stays exempt, and no other is. */
function validateExempt(name: string, spec: PriorityLevelConfigurationSpec | undefined, path: FieldPath): FieldError[] {
  const isExempt = spec?.type === "Exempt";
  if ((name === "exempt") === isExempt) return [];
  const detail = isExempt
    ? "type must be 'Limited' if and only if name is not 'exempt'"
    : "type must be 'Exempt' if and only if name is 'exempt'";
  return [invalidValue(path.child("type"), spec?.type ?? "", detail)];
}

/** The part that belongs to the type must be there, and the other one not. */
function validateSpec(spec: PriorityLevelConfigurationSpec | undefined, path: FieldPath): FieldError[] {
  switch (spec?.type) {
    case "Exempt":
      if (spec.limited) {
        return [forbiddenField(path.child("limited"), "must be nil if the type is not Limited")];
      }
      return spec.exempt
        ? validateShares(spec.exempt, path.child("exempt"))
        : [required(path.child("exempt"), "must not be empty if type is 'Exempt'")];
    case "Limited":
      if (spec.exempt) return [forbiddenField(path.child("exempt"), "must be nil if the type is Limited")];
      return spec.limited
        ? validateLimited(spec.limited, path.child("limited"))
        : [required(path.child("limited"), "must not be empty when type is Limited")];
    default:
      return [notSupported(path.child("type"), spec?.type ?? "", ["Exempt", "Limited"])];
  }
}

/** Shares divide the server's concurrency among levels, in proportion. */
function validateShares(
  shares: { nominalConcurrencyShares?: number | undefined; lendablePercent?: number | undefined },
  path: FieldPath,
): FieldError[] {
  const errors = nonNegative(shares, ["nominalConcurrencyShares"], path);
  const percent = shares.lendablePercent;
  if (percent !== undefined && (percent < 0 || percent > 100)) {
    errors.push(invalidValue(path.child("lendablePercent"), percent, "must be between 0 and 100, inclusive"));
  }
  return errors;
}

/** A level lends what it does not use and borrows what others lend; the percents bound both. */
function validateLimited(limited: LimitedPriorityLevelConfiguration, path: FieldPath): FieldError[] {
  const errors = validateShares(limited, path);
  if ((limited.borrowingLimitPercent ?? 0) < 0) {
    const detail = "if specified, must be a non-negative integer";
    errors.push(invalidValue(path.child("borrowingLimitPercent"), limited.borrowingLimitPercent, detail));
  }
  const at = path.child("limitResponse");
  const { type, queuing } = limited.limitResponse ?? {};
  // Requests over the limit are answered 429 at once, so that there is no queue to describe.
  if (type === "Reject") {
    if (!queuing) return errors;
    return [...errors, forbiddenField(at.child("queuing"), "must be nil if limited.limitResponse.type is not Limited")];
  }
  if (type !== "Queue") return [...errors, notSupported(at.child("type"), type ?? "", ["Queue", "Reject"])];
  if (!queuing)
    return [...errors, required(at.child("queuing"), "must not be empty if limited.limitResponse.type is Limited")];
  return [...errors, ...validateQueuing(queuing, at.child("queuing"))];
}

/** Shuffle sharding: each flow has a hand of some queues. */
function validateQueuing(queuing: QueuingConfiguration, path: FieldPath): FieldError[] {
  const { queues = 0, queueLengthLimit = 0, handSize = 0 } = queuing;
  const errors: FieldError[] = [];
  if (queueLengthLimit <= 0) {
    errors.push(invalidValue(path.child("queueLengthLimit"), queueLengthLimit, "must be positive"));
  }
  if (queues <= 0) errors.push(invalidValue(path.child("queues"), queues, "must be positive"));
  else if (queues > MAX_QUEUES) {
    errors.push(invalidValue(path.child("queues"), queues, `must not be greater than ${MAX_QUEUES}`));
  }
  if (handSize <= 0) errors.push(invalidValue(path.child("handSize"), handSize, "must be positive"));
  // No flow can be dealt more queues than there are.
  else if (queues > 0 && handSize > queues) {
    const detail = `should not be greater than queues (${queues})`;
    errors.push(invalidValue(path.child("handSize"), handSize, detail));
  }
  return errors;
}
