// Eviction thresholds: at which reading of which signal the node starts to reclaim, from configuration. Pure.
import { isQuantity, quantityValue } from "@skiff/api/quantity.ts";
import { parseDuration } from "@skiff/component-base/flags.ts";

const SIGNALS = [
  "memory.available",
  "nodefs.available",
  "nodefs.inodesFree",
  "imagefs.available",
  "imagefs.inodesFree",
  "containerfs.available",
  "containerfs.inodesFree",
  "pid.available",
  "allocatableMemory.available",
] as const;

/** Upstream's names. `allocatableMemory` is that of all pods together, measured at the cgroup above them. */
export type Signal = (typeof SIGNALS)[number];

/** An amount in bytes or counts, or a share of the capacity between 0 and 1. */
export type ThresholdValue = { readonly amount: number; readonly text: string } | { readonly share: number };

export interface Threshold {
  readonly signal: Signal;
  readonly value: ThresholdValue;
  /** 0 for a hard threshold. */
  readonly graceMs: number;
  readonly isSoft: boolean;
  readonly minReclaim: ThresholdValue | undefined;
}

/** Signal → quantity or percentage; signal → duration for the grace periods. */
export interface ThresholdSettings {
  readonly evictionHard: Readonly<Record<string, string>>;
  readonly evictionSoft: Readonly<Record<string, string>>;
  readonly evictionSoftGracePeriod: Readonly<Record<string, string>>;
  readonly evictionMinimumReclaim: Readonly<Record<string, string>>;
}

/** Throws in upstream's words. Pods' own allowance of memory has the node's hard threshold beside it. */
export function parseThresholds(settings: ThresholdSettings): Threshold[] {
  const reclaims = parseReclaims(settings.evictionMinimumReclaim);
  const graces = parseGraces(settings.evictionSoftGracePeriod);
  const hard = Object.entries(settings.evictionHard).flatMap(([name, text]) => {
    const value = parseStatement(name, text);
    return value ? [{ ...value, graceMs: 0, isSoft: false, minReclaim: reclaims.get(value.signal) }] : [];
  });
  const soft = Object.entries(settings.evictionSoft).flatMap(([name, text]) => {
    const value = parseStatement(name, text);
    if (!value) return [];
    const graceMs = graces.get(value.signal);
    if (graceMs === undefined)
      throw new Error(`grace period must be specified for the soft eviction threshold ${value.signal}`);
    return [{ ...value, graceMs, isSoft: true, minReclaim: reclaims.get(value.signal) }];
  });
  return [...hard, ...soft];
}

/** The amount that a threshold stands for, given the whole. */
export function amountOf(value: ThresholdValue, capacity: number): number {
  return "amount" in value ? value.amount : Math.floor(value.share * capacity);
}

/** Undefined for 0% and 100%, which turn a threshold off. */
function parseStatement(name: string, text: string): { signal: Signal; value: ThresholdValue } | undefined {
  const signal = signalOf(name);
  const value = parseValue(text, (why) => `eviction percentage thresholds must be ${why}: ${text}`);
  if (value === undefined) return undefined;
  if ("amount" in value && value.amount < 0)
    throw new Error(`eviction threshold ${signal} cannot be negative: ${text}`);
  return { signal, value };
}

function parseReclaims(statements: Readonly<Record<string, string>>): Map<Signal, ThresholdValue> {
  const reclaims = new Map<Signal, ThresholdValue>();
  for (const [name, text] of Object.entries(statements)) {
    const signal = signalOf(name);
    const value = parseValue(text, () => `invalid percentage minimum reclaim specified: ${text}`);
    if (value && "amount" in value && value.amount < 0)
      throw new Error(`negative eviction minimum reclaim specified for ${signal}`);
    if (value) reclaims.set(signal, value);
  }
  return reclaims;
}

function parseGraces(statements: Readonly<Record<string, string>>): Map<Signal, number> {
  const graces = new Map<Signal, number>();
  for (const [name, text] of Object.entries(statements)) {
    const ms = parseDuration(text);
    if (ms < 0) throw new Error(`invalid eviction grace period specified: ${text}, must be a positive value`);
    graces.set(signalOf(name), ms);
  }
  return graces;
}

function signalOf(name: string): Signal {
  const signal = SIGNALS.find((candidate) => candidate === name);
  if (!signal) throw new Error(`unsupported eviction signal ${name}`);
  return signal;
}

function parseValue(text: string, complain: (why: string) => string): ThresholdValue | undefined {
  if (text.endsWith("%")) {
    const percent = Number(text.slice(0, -1));
    if (!Number.isFinite(percent))
      throw new Error(`strconv.ParseFloat: parsing ${JSON.stringify(text.slice(0, -1))}: invalid syntax`);
    if (percent < 0) throw new Error(complain(">= 0%"));
    if (percent > 100) throw new Error(complain("<= 100%"));
    return percent === 0 || percent === 100 ? undefined : { share: percent / 100 };
  }
  if (!isQuantity(text)) throw new Error(`${JSON.stringify(text)} is neither a quantity nor a percentage`);
  return { amount: quantityValue(text), text };
}
