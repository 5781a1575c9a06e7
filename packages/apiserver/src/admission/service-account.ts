// ServiceAccount: every pod runs as a service account, and gets its token where it wants one.
import { randomSuffix } from "@skiff/api/generate-name.ts";
import { serviceAccounts } from "@skiff/api/resource-ref.ts";
import type { Container, Pod, ServiceAccount, Volume } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import { MIRROR_ANNOTATION, podReferences } from "../authz/pod-references.ts";
import type { ObjectReader } from "../registry/object-access.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./admission.ts";
import { findUnmountableSecret } from "./mountable-secrets.ts";
import { concerns, refuse } from "./refusal.ts";

const DEFAULT_ACCOUNT = "default";
const MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount";
const VOLUME_PREFIX = "kube-api-access-";
// An hour and seven seconds, which tells tokens that were injected from those that a pod asked for.
const TOKEN_SECONDS = 3607;

// The controller makes a new namespace's default account a moment after the namespace, so it is worth waiting for.
const DEFAULT_ACCOUNT_ATTEMPTS = 10;
const RETRY_DELAY_MS = 100;

interface Deps {
  readonly reader: ObjectReader;
  readonly clock: Clock;
}

/** Throws 403 for an account that does not exist: controllers try again until it does. */
export function createServiceAccountPlugin(deps: Deps): AdmissionPlugin {
  return {
    name: "ServiceAccount",
    async admit(request, signal) {
      if (request.operation !== "CREATE" || !concerns(request, "pods")) return;
      const pod = request.object as Pod;
      if (isMirror(pod)) return;
      pod.spec.serviceAccountName ||= DEFAULT_ACCOUNT;
      // The deprecated name of the field is kept in step for old clients.
      pod.spec.serviceAccount = pod.spec.serviceAccountName;
      const account = await findAccount(request, pod.spec.serviceAccountName, deps, signal);
      if (wantsToken(account, pod)) mountToken(pod);
      if (!pod.spec.imagePullSecrets?.length && account.imagePullSecrets?.length) {
        pod.spec.imagePullSecrets = account.imagePullSecrets.map(({ name }) => ({ name }));
      }
    },
    async validate(request, signal) {
      if (request.operation !== "CREATE" || !concerns(request, "pods")) return;
      const pod = request.object as Pod;
      if (isMirror(pod)) return validateMirror(request, pod);
      const account = await findAccount(request, pod.spec.serviceAccountName ?? "", deps, signal);
      const problem = findUnmountableSecret(account, pod);
      if (problem) throw refuse(request, problem);
    },
  };
}

function isMirror(pod: Readonly<Pod>): boolean {
  return pod.metadata.annotations?.[MIRROR_ANNOTATION] !== undefined;
}

/**
 * The API shows a mirror pod and nothing more: with an account or secrets the kubelet could reach what no one granted
 * it.
 */
function validateMirror(request: AdmissionRequest, pod: Readonly<Pod>): void {
  if (pod.spec.serviceAccountName) throw refuse(request, "a mirror pod may not reference service accounts");
  const { annotations, ...metadata } = pod.metadata;
  const { secrets } = podReferences({ ...pod, metadata });
  if (secrets.size > 0) throw refuse(request, "a mirror pod may not reference secrets");
  const projects = pod.spec.volumes?.some((v) => v.projected?.sources?.some((s) => s.serviceAccountToken));
  if (projects) throw refuse(request, "a mirror pod may not use ServiceAccountToken volume projections");
}

async function findAccount(
  request: AdmissionRequest,
  name: string,
  { reader, clock }: Deps,
  signal: AbortSignal,
): Promise<Readonly<ServiceAccount>> {
  const attempts = name === DEFAULT_ACCOUNT ? DEFAULT_ACCOUNT_ATTEMPTS : 1;
  for (let attempt = 1; ; attempt++) {
    const account = await reader.getLatest(serviceAccounts, request.namespace, name, signal);
    if (account) return account;
    if (attempt === attempts) break;
    await clock.sleep(RETRY_DELAY_MS * (1 + Math.random()), signal);
  }
  const missing = `error looking up service account ${request.namespace}/${name}: serviceaccount "${name}" not found`;
  throw refuse(request, missing);
}

/** The pod's word counts before its account's; unsaid means yes. */
function wantsToken(account: Readonly<ServiceAccount>, pod: Readonly<Pod>): boolean {
  return pod.spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true;
}

/** Only where some container mounts it does the volume come in: a pod that brings its own keeps just that. */
function mountToken(pod: Pod): void {
  const present = pod.spec.volumes?.find(({ name }) => name.startsWith(VOLUME_PREFIX));
  const name = present?.name ?? `${VOLUME_PREFIX}${randomSuffix()}`;
  const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
  const changed = containers.filter((container) => addMount(container, name));
  if (changed.length > 0 && !present) pod.spec.volumes = [...(pod.spec.volumes ?? []), tokenVolume(name)];
}

/** A container that mounts something there already keeps it. */
function addMount(container: Container, name: string): boolean {
  if (container.volumeMounts?.some(({ mountPath }) => mountPath === MOUNT_PATH)) return false;
  container.volumeMounts = [...(container.volumeMounts ?? []), { name, readOnly: true, mountPath: MOUNT_PATH }];
  return true;
}

/** A projected volume rather than a Secret: the kubelet renews the token, and it ends with the pod. */
function tokenVolume(name: string): Volume {
  return {
    name,
    projected: {
      sources: [
        { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: "token" } },
        { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
        {
          downwardAPI: {
            items: [{ path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } }],
          },
        },
      ],
      defaultMode: 0o644,
    },
  };
}
