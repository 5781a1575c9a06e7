// What a pod means where its writer said nothing. Templates of workloads get the same.
import type {
  Container,
  ContainerStatus,
  EnvVar,
  HTTPGetAction,
  Lifecycle,
  Pod,
  PodSpec,
  Probe,
  ProjectedVolumeSource,
  ResourceRequirements,
  Volume,
} from "../../../generated/types.ts";
import { addQuantities } from "../../quantity.ts";
import { parseImageTag } from "./image.ts";

/** Defaults of a pod itself; those of its spec apply to templates too. */
export function defaultPod(pod: Pod): void {
  pod.spec ??= { containers: [] };
  pod.status ??= {};
  defaultPodSpec(pod.spec);
  // Upstream defaults this in pods alone: templates stay as they were written.
  pod.spec.enableServiceLinks ??= true;
  for (const container of eachContainer(pod.spec)) {
    defaultRequests(container.resources);
    if (pod.spec.hostNetwork) defaultHostPorts(container);
  }
  defaultPodLevelRequests(pod.spec);
  for (const list of [pod.status.initContainerStatuses, pod.status.containerStatuses]) {
    for (const status of list ?? []) writeZeros(status);
  }
}

/** Fills a pod's spec in place. The templates of workloads are given exactly this, and show it. */
export function defaultPodSpec(spec: PodSpec): void {
  spec.containers ??= [];
  spec.restartPolicy ||= "Always";
  // The seconds between SIGTERM and SIGKILL. Zero is a choice of its own and stays.
  spec.terminationGracePeriodSeconds ??= 30;
  // "ClusterFirst" is the cluster's DNS; what is called "Default" is the node's, and not the default.
  spec.dnsPolicy ||= "ClusterFirst";
  spec.schedulerName ||= "default-scheduler";
  spec.securityContext ??= {};
  mirrorServiceAccount(spec);
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
  for (const container of spec.initContainers ?? []) defaultContainer(container);
  for (const container of spec.containers) defaultContainer(container);
  for (const container of spec.ephemeralContainers ?? []) defaultContainer(container);
  for (const constraint of spec.topologySpreadConstraints ?? []) {
    // Nodes the pod may not use do not count for the spread; nodes with taints do.
    constraint.nodeAffinityPolicy ??= "Honor";
    constraint.nodeTaintsPolicy ??= "Ignore";
  }
}

/** Figures of a container status that are written even when they say nothing. */
function writeZeros(status: ContainerStatus): void {
  status.restartCount ??= 0;
  status.ready ??= false;
  status.image ??= "";
  status.imageID ??= "";
  status.state ??= {};
  status.lastState ??= {};
}

const POD_LEVEL_RE = /^(cpu|memory|hugepages-.*)$/;

/** Where the pod as a whole has limits, it requests what its containers do, or else its limits. */
function defaultPodLevelRequests(spec: PodSpec): void {
  const limits = spec.resources?.limits;
  if (!spec.resources || !limits) return;
  const requests: Record<string, string> = { ...spec.resources.requests };
  for (const [name, limit] of Object.entries(limits)) {
    if (name in requests || !POD_LEVEL_RE.test(name)) continue;
    const amounts = spec.containers.map((c) => c.resources?.requests?.[name]).filter((a) => a !== undefined);
    requests[name] = amounts.length ? amounts.reduce((sum, amount) => addQuantities(sum, amount)) : limit;
  }
  if (Object.keys(requests).length) spec.resources.requests = requests;
}

/** `serviceAccount` is the old name of `serviceAccountName`; both are always shown. */
function mirrorServiceAccount(spec: PodSpec): void {
  const name = spec.serviceAccountName || spec.serviceAccount;
  if (!name) return;
  spec.serviceAccountName = name;
  spec.serviceAccount = name;
}

function* eachContainer(spec: PodSpec): Generator<Container> {
  yield* spec.initContainers ?? [];
  yield* spec.containers;
}

/** On the host's network a port can only be the host's. */
function defaultHostPorts(container: Container): void {
  for (const port of container.ports ?? []) port.hostPort ||= port.containerPort;
}

function defaultContainer(container: Container): void {
  container.resources ??= {};
  container.terminationMessagePath ||= "/dev/termination-log";
  container.terminationMessagePolicy ||= "File";
  // "latest" moves, and so does no tag at all; any other tag is taken to stay what it was.
  container.imagePullPolicy ||= parseImageTag(container.image ?? "") === "latest" ? "Always" : "IfNotPresent";
  for (const port of container.ports ?? []) port.protocol ||= "TCP";
  for (const variable of container.env ?? []) defaultEnv(variable);
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) {
    if (probe) defaultProbe(probe);
  }
  if (container.lifecycle) defaultLifecycle(container.lifecycle);
}

/** What is limited is requested, unless the request says otherwise. */
function defaultRequests(resources: ResourceRequirements | undefined): void {
  if (!resources?.limits) return;
  const requests = { ...resources.limits, ...resources.requests };
  if (Object.keys(requests).length) resources.requests = requests;
}

function defaultEnv(variable: EnvVar): void {
  const { fieldRef, resourceFieldRef, fileKeyRef } = variable.valueFrom ?? {};
  if (fieldRef) fieldRef.apiVersion ||= "v1";
  // Upstream writes the zero divisor, which means one.
  if (resourceFieldRef) resourceFieldRef.divisor ??= "0";
  if (fileKeyRef) fileKeyRef.optional ??= false;
}

function defaultProbe(probe: Probe): void {
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  if (probe.httpGet) defaultHttpGet(probe.httpGet);
  // The empty name asks a gRPC server about itself as a whole.
  if (probe.grpc) probe.grpc.service ??= "";
}

function defaultHttpGet(action: HTTPGetAction): void {
  action.path ||= "/";
  action.scheme ||= "HTTP";
}

function defaultLifecycle(lifecycle: Lifecycle): void {
  if (lifecycle.postStart?.httpGet) defaultHttpGet(lifecycle.postStart.httpGet);
  if (lifecycle.preStop?.httpGet) defaultHttpGet(lifecycle.preStop.httpGet);
}

// Readable by all: containers run as users that nobody knows here. JSON shows it in decimal, 420.
const FILE_MODE = 0o644;

function defaultVolume(volume: Volume): void {
  // A volume that says nothing is an empty directory.
  if (Object.keys(volume).every((key) => key === "name")) volume.emptyDir = {};
  if (volume.secret) volume.secret.defaultMode ??= FILE_MODE;
  if (volume.configMap) volume.configMap.defaultMode ??= FILE_MODE;
  // The empty type means that nothing is checked before mounting.
  if (volume.hostPath) volume.hostPath.type ??= "";
  if (volume.projected) defaultProjected(volume.projected);
  if (volume.downwardAPI) {
    volume.downwardAPI.defaultMode ??= FILE_MODE;
    for (const item of volume.downwardAPI.items ?? []) defaultDownwardItem(item);
  }
  if (volume.image) {
    volume.image.pullPolicy ||= parseImageTag(volume.image.reference ?? "") === "latest" ? "Always" : "IfNotPresent";
  }
  if (volume.ephemeral?.volumeClaimTemplate?.spec)
    volume.ephemeral.volumeClaimTemplate.spec.volumeMode ??= "Filesystem";
  defaultNetworkVolume(volume);
}

function defaultProjected(projected: ProjectedVolumeSource): void {
  projected.defaultMode ??= FILE_MODE;
  for (const source of projected.sources ?? []) {
    // An hour; the kubelet fetches a new token before it is over.
    if (source.serviceAccountToken) source.serviceAccountToken.expirationSeconds ??= 3600;
    // A day.
    if (source.podCertificate) source.podCertificate.maxExpirationSeconds ??= 86_400;
    for (const item of source.downwardAPI?.items ?? []) defaultDownwardItem(item);
  }
}

function defaultDownwardItem({
  fieldRef,
  resourceFieldRef,
}: Pick<EnvVar["valueFrom"] & object, "fieldRef" | "resourceFieldRef">) {
  if (fieldRef) fieldRef.apiVersion ||= "v1";
  if (resourceFieldRef) resourceFieldRef.divisor ??= "0";
}

/** Drivers that most clusters never use. */
function defaultNetworkVolume({ iscsi, rbd, azureDisk, scaleIO }: Volume): void {
  if (iscsi) iscsi.iscsiInterface ||= "default";
  if (rbd) {
    rbd.pool ||= "rbd";
    rbd.user ||= "admin";
    rbd.keyring ||= "/etc/ceph/keyring";
  }
  if (azureDisk) {
    azureDisk.cachingMode ??= "ReadWrite";
    azureDisk.kind ??= "Shared";
    azureDisk.fsType ??= "ext4";
    azureDisk.readOnly ??= false;
  }
  if (scaleIO) {
    scaleIO.storageMode ||= "ThinProvisioned";
    scaleIO.fsType ||= "xfs";
  }
}
