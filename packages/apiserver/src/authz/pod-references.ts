// The objects that a pod needs on its node: what the kubelet may read because the pod runs there.
import type { Container, Pod, Volume } from "@skiff/api/types.ts";

/** Names within the pod's namespace. */
export interface PodReferences {
  readonly secrets: ReadonlySet<string>;
  readonly configMaps: ReadonlySet<string>;
  readonly persistentVolumeClaims: ReadonlySet<string>;
  readonly resourceClaims: ReadonlySet<string>;
  readonly serviceAccounts: ReadonlySet<string>;
}

/** Pods that mirror a static pod file give no rights: the node itself wrote them. */
export const MIRROR_ANNOTATION = "kubernetes.io/config.mirror";

/** Everything that the kubelet must read to run the pod. Optional references count too: they may come to exist. */
export function podReferences(pod: Readonly<Pod>): PodReferences {
  const found = {
    secrets: new Set<string>(),
    configMaps: new Set<string>(),
    persistentVolumeClaims: new Set<string>(),
    resourceClaims: new Set<string>(),
    serviceAccounts: new Set<string>(),
  };
  if (pod.metadata.annotations?.[MIRROR_ANNOTATION] !== undefined) return found;
  const { spec } = pod;
  add(found.serviceAccounts, spec.serviceAccountName);
  for (const { name } of spec.imagePullSecrets ?? []) add(found.secrets, name);
  const containers = [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])];
  for (const container of containers) collectFromContainer(container, found);
  for (const volume of spec.volumes ?? []) collectFromVolume(pod, volume, found);
  for (const claim of spec.resourceClaims ?? []) add(found.resourceClaims, claim.resourceClaimName);
  for (const status of pod.status?.resourceClaimStatuses ?? []) add(found.resourceClaims, status.resourceClaimName);
  return found;
}

interface Found {
  readonly secrets: Set<string>;
  readonly configMaps: Set<string>;
  readonly persistentVolumeClaims: Set<string>;
}

function add(names: Set<string>, name: string | undefined): void {
  if (name) names.add(name);
}

function collectFromContainer(container: Pick<Container, "env" | "envFrom">, found: Found): void {
  for (const { valueFrom } of container.env ?? []) {
    add(found.secrets, valueFrom?.secretKeyRef?.name);
    add(found.configMaps, valueFrom?.configMapKeyRef?.name);
  }
  for (const { secretRef, configMapRef } of container.envFrom ?? []) {
    add(found.secrets, secretRef?.name);
    add(found.configMaps, configMapRef?.name);
  }
}

function collectFromVolume(pod: Readonly<Pod>, volume: Volume, found: Found): void {
  add(found.configMaps, volume.configMap?.name);
  for (const source of volume.projected?.sources ?? []) {
    add(found.secrets, source.secret?.name);
    add(found.configMaps, source.configMap?.name);
  }
  for (const name of volumeSecrets(volume)) add(found.secrets, name);
  add(found.persistentVolumeClaims, volume.persistentVolumeClaim?.claimName);
  // The claim of an ephemeral volume carries the names of its pod and volume.
  if (volume.ephemeral) found.persistentVolumeClaims.add(`${pod.metadata.name}-${volume.name}`);
}

/**
 * By every volume type of the API: authorization does not ask what the kubelet of a node can mount.
 */
function volumeSecrets(volume: Volume): (string | undefined)[] {
  return [
    volume.secret?.secretName,
    volume.azureFile?.secretName,
    volume.cephfs?.secretRef?.name,
    volume.cinder?.secretRef?.name,
    volume.csi?.nodePublishSecretRef?.name,
    volume.flexVolume?.secretRef?.name,
    volume.iscsi?.secretRef?.name,
    volume.rbd?.secretRef?.name,
    volume.scaleIO?.secretRef.name,
    volume.storageos?.secretRef?.name,
  ];
}
