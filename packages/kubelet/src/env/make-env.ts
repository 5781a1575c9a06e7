// A container's environment from all of its sources, in upstream's order of precedence.
import type { ConfigMap, Container, EnvVar, FileKeySelector, Pod, Secret, Service } from "@skiff/api/types.ts";
import { readInVolume } from "../volumes/read-in-volume.ts";
import { readEnvFile } from "./env-file.ts";
import { expand, MAX_EXPANDED } from "./expand.ts";
import type { PodFacts } from "./field-ref.ts";
import { containerResourceValue, podFieldValue } from "./field-ref.ts";
import { serviceEnv } from "./service-env.ts";

/** Reads the objects that pods refer to; undefined when there is none of that name. */
export interface PodObjects {
  configMap(namespace: string, name: string, signal: AbortSignal): Promise<Readonly<ConfigMap> | undefined>;
  secret(namespace: string, name: string, signal: AbortSignal): Promise<Readonly<Secret> | undefined>;
}

/** `services` are those of the whole cluster. */
export interface EnvContext {
  readonly pod: Pod;
  readonly container: Container;
  readonly facts: PodFacts;
  readonly objects: PodObjects;
  readonly services: readonly Service[];
  /** Volume name → its folder on the node. */
  readonly mounted: ReadonlyMap<string, string>;
  readonly signal: AbortSignal;
  /** Told of keys that cannot name a variable, for the event InvalidEnvironmentVariableNames. */
  onSkippedKeys?(message: string): void;
}

/** What the user must repair before the container can be made: reason CreateContainerConfigError. */
export class ContainerConfigError extends Error {}

/**
 * envFrom first, then `env` over it in its order, then variables of Services where nothing else has the name. Rejects
 * with a ContainerConfigError for an object or key that is missing and not optional.
 */
export async function makeEnv(context: EnvContext): Promise<Map<string, string>> {
  const { pod, container } = context;
  const links = pod.spec?.enableServiceLinks ?? true;
  const services = serviceEnv(context.services, pod.metadata.namespace ?? "", links);
  const env = await sourcedEnv(context);
  let size = 0;
  for (const variable of container.env ?? []) {
    const value = await variableValue(context, variable, (name) => env.get(name) ?? services.get(name));
    if (value === undefined) continue;
    size += value.length;
    if (size > MAX_EXPANDED) throw tooLong(variable.name);
    env.set(variable.name, value);
  }
  for (const [name, value] of services) if (!env.has(name)) env.set(name, value);
  refuseHuge(env);
  return env;
}

async function sourcedEnv(context: EnvContext): Promise<Map<string, string>> {
  const env = new Map<string, string>();
  for (const source of context.container.envFrom ?? []) {
    const data = source.configMapRef
      ? await configMapData(context, source.configMapRef.name ?? "", source.configMapRef.optional)
      : await secretData(context, source.secretRef?.name ?? "", source.secretRef?.optional);
    const skipped: string[] = [];
    for (const [key, value] of Object.entries(data)) {
      const name = `${source.prefix ?? ""}${key}`;
      if (isEnvName(name)) env.set(name, value);
      else skipped.push(key);
    }
    if (skipped.length > 0) context.onSkippedKeys?.(skippedMessage(context, source, skipped));
  }
  return env;
}

function skippedMessage(
  context: EnvContext,
  source: NonNullable<Container["envFrom"]>[number],
  skipped: string[],
): string {
  const [kind, name] = source.configMapRef
    ? ["configMap", source.configMapRef.name]
    : ["secret", source.secretRef?.name];
  const where = `${context.pod.metadata.namespace}/${name}`;
  return `Keys [${skipped.sort().join(", ")}] from the EnvFrom ${kind} ${where} were skipped since they are considered invalid environment variable names.`;
}

/** Upstream takes any printable ASCII but `=`. */
function isEnvName(name: string): boolean {
  return /^[\x20-\x3c\x3e-\x7e]+$/.test(name);
}

async function variableValue(
  context: EnvContext,
  variable: EnvVar,
  lookup: (name: string) => string | undefined,
): Promise<string | undefined> {
  const from = variable.valueFrom;
  if (!from) return expandBounded(variable, lookup);
  const { pod, container, facts } = context;
  if (from.fieldRef) return podFieldValue(pod, from.fieldRef, facts);
  if (from.resourceFieldRef) return containerResourceValue(pod, container, from.resourceFieldRef, facts);
  const where = pod.metadata.namespace ?? "";
  if (from.configMapKeyRef) {
    const { name = "", key, optional } = from.configMapKeyRef;
    const value = (await configMapData(context, name, optional))[key];
    if (value === undefined && !optional) {
      throw new ContainerConfigError(`couldn't find key ${key} in ConfigMap ${where}/${name}`);
    }
    return value;
  }
  if (from.secretKeyRef) {
    const { name = "", key, optional } = from.secretKeyRef;
    const value = (await secretData(context, name, optional))[key];
    if (value === undefined && !optional) {
      throw new ContainerConfigError(`couldn't find key ${key} in Secret ${where}/${name}`);
    }
    return value;
  }
  if (from.fileKeyRef) return fileValue(context, from.fileKeyRef);
  throw new ContainerConfigError(`environment variable ${variable.name} has no source that this kubelet knows`);
}

/** An empty value is none, as upstream; a file that is missing or malformed is an error even where the variable is optional. */
async function fileValue(
  { mounted }: EnvContext,
  { volumeName, path, key, optional }: FileKeySelector,
): Promise<string | undefined> {
  const folder = mounted.get(volumeName);
  if (!folder) throw new ContainerConfigError(`cannot find the volume "${volumeName}" referenced by FileKeyRef`);
  let value: string | undefined;
  try {
    value = readEnvFile(await readInVolume(folder, path, MAX_ENV_FILE_BYTES), key);
  } catch (cause) {
    // What the file holds, or which files there are, is the pod's own affair: it stays in the kubelet's log.
    throw new ContainerConfigError("couldn't parse env file", { cause });
  }
  if (!value && !optional) throw new ContainerConfigError(`environment variable key "${key}" not found in file`);
  return value || undefined;
}

/** Far beyond what the kernel lets a process have as its environment. */
const MAX_ENV_FILE_BYTES = 1024 * 1024;

function expandBounded({ name, value = "" }: EnvVar, lookup: (name: string) => string | undefined): string {
  try {
    return expand(value, lookup);
  } catch (error) {
    if (error instanceof RangeError) throw tooLong(name);
    throw error;
  }
}

/** One ConfigMap may be taken a thousand times, under a thousand prefixes. */
function refuseHuge(env: ReadonlyMap<string, string>): void {
  let size = 0;
  for (const [name, value] of env) {
    size += value.length;
    if (size > MAX_EXPANDED) throw tooLong(name);
  }
}

function tooLong(name: string): ContainerConfigError {
  return new ContainerConfigError(`the environment up to variable ${name} has more than ${MAX_EXPANDED} characters`);
}

async function configMapData(
  { pod, objects, signal }: EnvContext,
  name: string,
  optional: boolean | undefined,
): Promise<Record<string, string>> {
  const object = await objects.configMap(pod.metadata.namespace ?? "", name, signal);
  if (!object && !optional) throw new ContainerConfigError(`configmap "${name}" not found`);
  return object?.data ?? {};
}

async function secretData(
  { pod, objects, signal }: EnvContext,
  name: string,
  optional: boolean | undefined,
): Promise<Record<string, string>> {
  const object = await objects.secret(pod.metadata.namespace ?? "", name, signal);
  if (!object && !optional) throw new ContainerConfigError(`secret "${name}" not found`);
  const entries = Object.entries(object?.data ?? {});
  return Object.fromEntries(entries.map(([key, value]) => [key, Buffer.from(value, "base64").toString("utf8")]));
}
