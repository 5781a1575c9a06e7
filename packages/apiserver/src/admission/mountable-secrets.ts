// Service accounts that let their pods use listed Secrets only (kubernetes.io/enforce-mountable-secrets).
import type { Container, Pod, ServiceAccount } from "@skiff/api/types.ts";

/** Deprecated since v1.32 in favour of separate namespaces, and still enforced. */
const ENFORCE_ANNOTATION = "kubernetes.io/enforce-mountable-secrets";

/** Upstream's words for the first Secret that the account does not list; undefined when all is fine or nothing is enforced. */
export function findUnmountableSecret(account: Readonly<ServiceAccount>, pod: Readonly<Pod>): string | undefined {
  if (account.metadata.annotations?.[ENFORCE_ANNOTATION] !== "true") return undefined;
  const mountable = new Set(account.secrets?.map(({ name }) => name));
  const pullable = new Set(account.imagePullSecrets?.map(({ name }) => name));
  const owner = account.metadata.name;
  for (const { secret } of pod.spec.volumes ?? []) {
    const name = secret?.secretName;
    if (name !== undefined && !mountable.has(name)) {
      return `volume with secret.secretName="${name}" is not allowed because service account ${owner} does not reference that secret`;
    }
  }
  const containers: [string, Pick<Container, "name" | "env" | "envFrom">[] | undefined][] = [
    ["init container", pod.spec.initContainers],
    ["container", pod.spec.containers],
    ["ephemeral container", pod.spec.ephemeralContainers],
  ];
  for (const [word, list] of containers) {
    for (const container of list ?? []) {
      const problem = findInContainer(word, container, mountable, owner);
      if (problem) return problem;
    }
  }
  const pull = pod.spec.imagePullSecrets?.find(({ name }) => !pullable.has(name));
  if (!pull) return undefined;
  return `imagePullSecrets with name="${pull.name}" is not allowed because service account ${owner} does not reference that imagePullSecret`;
}

/** Variables of a Secret tell as much as a mounted file. */
function findInContainer(
  word: string,
  { name, env, envFrom }: Pick<Container, "name" | "env" | "envFrom">,
  mountable: ReadonlySet<string | undefined>,
  owner: string,
): string | undefined {
  for (const variable of env ?? []) {
    const secret = variable.valueFrom?.secretKeyRef?.name;
    if (secret === undefined || mountable.has(secret)) continue;
    return `${word} ${name} with envVar ${variable.name} referencing secret.secretName="${secret}" is not allowed because service account ${owner} does not reference that secret`;
  }
  for (const { secretRef } of envFrom ?? []) {
    if (!secretRef || mountable.has(secretRef.name)) continue;
    return `${word} ${name} with envFrom referencing secret.secretName="${secretRef.name}" is not allowed because service account ${owner} does not reference that secret`;
  }
  return undefined;
}
