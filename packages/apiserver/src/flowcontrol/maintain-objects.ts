// Keeps the built-in FlowSchemas and PriorityLevelConfigurations, and tells schemas whose level is missing.
import { isAlreadyExists } from "@skiff/api/errors.ts";
import type { Unsaved } from "@skiff/api/object.ts";
import type { ResourceRef } from "@skiff/api/resource-ref.ts";
import { flowSchemas, priorityLevelConfigurations } from "@skiff/api/resource-ref.ts";
import type { FlowSchema, PriorityLevelConfiguration } from "@skiff/api/types.ts";
import { deepEqual } from "@skiff/api/validation/deep-equal.ts";
import { type Clock, formatTime } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { ObjectReader, ObjectWriter } from "../registry/object-access.ts";
import { AUTO_UPDATE, LEVELS, MANDATORY, SCHEMAS } from "./bootstrap-objects.ts";

interface Deps {
  readonly reader: ObjectReader;
  readonly writer: ObjectWriter;
  readonly clock: Clock;
}

const INTERVAL_MS = 60_000;
/** Between two rounds, however often somebody writes. */
const PAUSE_MS = 200;

/** Now, after each change, and every minute, until the signal aborts. `onKept` hears of each round that worked. */
export async function keepFlowObjects(
  deps: Deps & { readonly log: Logger },
  signal: AbortSignal,
  onKept: () => void,
): Promise<void> {
  const { reader, clock, log } = deps;
  let woken = new AbortController();
  const wake = () => woken.abort();
  using _schemas = reader.observe(flowSchemas, wake);
  using _levels = reader.observe(priorityLevelConfigurations, wake);
  while (!signal.aborted) {
    woken = new AbortController();
    await maintain(deps, signal).then(onKept, (error: unknown) => {
      if (!signal.aborted) log.warn({ err: error }, "could not maintain priority and fairness, retrying");
    });
    await clock.sleep(PAUSE_MS, signal).catch(() => {});
    await clock.sleep(INTERVAL_MS, AbortSignal.any([signal, woken.signal])).catch(() => {});
  }
}

async function maintain(deps: Deps, signal: AbortSignal): Promise<void> {
  await Promise.all(LEVELS.map((wanted) => ensure(deps, priorityLevelConfigurations, wanted, signal)));
  await Promise.all(SCHEMAS.map((wanted) => ensure(deps, flowSchemas, wanted, signal)));
  await removeFormer(deps, priorityLevelConfigurations, LEVELS, signal);
  await removeFormer(deps, flowSchemas, SCHEMAS, signal);
  const { reader, writer, clock } = deps;
  const now = formatTime(clock.now());
  for (const schema of reader.list(flowSchemas)) {
    const level = schema.spec?.priorityLevelConfiguration?.name ?? "";
    const isDangling = reader.get(priorityLevelConfigurations, "", level) === undefined;
    if (!withDangling(schema, isDangling, now)) continue;
    const tell = (current: FlowSchema) => withDangling(current, isDangling, now);
    await writer.update(flowSchemas, "", schema.metadata.name, tell, signal, "status");
  }
}

async function ensure<T extends FlowSchema | PriorityLevelConfiguration>(
  { reader, writer }: Deps,
  ref: ResourceRef<T>,
  wanted: Unsaved<T>,
  signal: AbortSignal,
): Promise<void> {
  const name = wanted.metadata.name ?? "";
  const current = reader.get(ref, "", name);
  if (!current) {
    await writer.create(ref, wanted, signal).catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error;
    });
    return;
  }
  const correct = (object: T) => corrected(object, wanted);
  if (corrected(current, wanted)) await writer.update(ref, "", name, correct, signal);
}

/** Built-in objects of earlier releases go, unless a person has taken them over. */
async function removeFormer<T extends FlowSchema | PriorityLevelConfiguration>(
  { reader, writer }: Deps,
  ref: ResourceRef<T>,
  wanted: readonly Unsaved<T>[],
  signal: AbortSignal,
): Promise<void> {
  const names = new Set(wanted.map(({ metadata }) => metadata.name));
  for (const { metadata } of reader.list(ref)) {
    const isFormer = metadata.annotations?.[AUTO_UPDATE] === "true" && !names.has(metadata.name);
    if (isFormer) await writer.delete(ref, "", metadata.name, signal, metadata.uid);
  }
}

/** Undefined where nothing is to be done: what a person has taken over stays as it is, but for what everything needs. */
export function corrected<T extends FlowSchema | PriorityLevelConfiguration>(
  current: Readonly<T>,
  wanted: Unsaved<T>,
): T | undefined {
  const { name, annotations = {} } = current.metadata;
  const isOurs = annotations[AUTO_UPDATE] === "true" || (MANDATORY.has(name) && name !== "exempt");
  if (!isOurs || deepEqual(current.spec, wanted.spec)) return undefined;
  return { ...current, spec: wanted.spec };
}

/** Undefined when it says so already. */
export function withDangling(schema: Readonly<FlowSchema>, isDangling: boolean, now: string): FlowSchema | undefined {
  const level = schema.spec?.priorityLevelConfiguration?.name ?? "";
  const found = schema.status?.conditions?.find(({ type }) => type === "Dangling");
  const status = isDangling ? "True" : "False";
  if (found?.status === status) return undefined;
  const says = isDangling ? "there is no such object" : "it exists";
  const message = `This FlowSchema references the PriorityLevelConfiguration object named "${level}" and ${says}`;
  const reason = isDangling ? "NotFound" : "Found";
  const condition = { type: "Dangling", status, reason, message, lastTransitionTime: now };
  const others = (schema.status?.conditions ?? []).filter(({ type }) => type !== "Dangling");
  return { ...schema, status: { ...schema.status, conditions: [...others, condition] } };
}
