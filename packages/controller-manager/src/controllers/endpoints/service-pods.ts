// Which pods stand behind a Service, at which ports and addresses: what Endpoints and EndpointSlices share.
import { isPodReady, isPodTerminal } from "@skiff/api/conditions.ts";
import { parseIp } from "@skiff/api/ip.ts";
import { selectorFromMap } from "@skiff/api/labels.ts";
import { objectKey } from "@skiff/api/object.ts";
import type { CoreV1EndpointPort, ObjectReference, Pod, Service, ServicePort } from "@skiff/api/types.ts";
import type { InformerHandler, Lister } from "@skiff/client/informer.ts";

/** Tells kube-proxy to leave the endpoints alone: there is no address to translate. */
export const HEADLESS_LABEL = "service.kubernetes.io/headless";
/** When the change happened that endpoints now show. */
export const TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time";

/** The cache of Services, listed by namespace. */
export type ServiceLister = Lister<Service>;

/** Upstream's ShouldPodBeInEndpoints: it has an address, has not ended and, where that counts, is not on its way out. */
export function mayServe(pod: Readonly<Pod>, includeTerminating: boolean): boolean {
  if (isPodTerminal(pod) || podIps(pod).length === 0) return false;
  return includeTerminating || !pod.metadata.deletionTimestamp;
}

/** Has no address of its own; clients find the pods by DNS. */
export function isHeadless(service: Readonly<Service>): boolean {
  return service.spec.clusterIP === "None";
}

/** The Service's ports as they are on this pod. One whose named target port the pod lacks is left out. */
export function portsOnPod(service: Readonly<Service>, pod: Readonly<Pod>): CoreV1EndpointPort[] {
  return (service.spec.ports ?? []).flatMap((servicePort) => {
    const port = targetPortOn(pod, servicePort);
    if (port === undefined) return [];
    return [
      {
        ...(servicePort.name ? { name: servicePort.name } : {}),
        port,
        protocol: servicePort.protocol ?? "TCP",
        ...(servicePort.appProtocol === undefined ? {} : { appProtocol: servicePort.appProtocol }),
      },
    ];
  });
}

function targetPortOn(pod: Readonly<Pod>, { targetPort, port, protocol = "TCP" }: ServicePort): number | undefined {
  // Defaulting sets it to the port itself, except in objects that came around it.
  if (targetPort === undefined || targetPort === 0 || targetPort === "") return port;
  if (typeof targetPort === "number") return targetPort;
  const sidecars = (pod.spec?.initContainers ?? []).filter((container) => container.restartPolicy === "Always");
  return [...(pod.spec?.containers ?? []), ...sidecars]
    .flatMap((container) => container.ports ?? [])
    .find((candidate) => candidate.name === targetPort && (candidate.protocol ?? "TCP") === protocol)?.containerPort;
}

/** The pod's addresses of one IP version, in its own order. */
export function podAddresses(pod: Readonly<Pod>, version: 4 | 6): string[] {
  return podIps(pod).filter((ip) => parseIp(ip)?.version === version);
}

function podIps(pod: Readonly<Pod>): string[] {
  // Both fields name the first address; podIPs has the other IP version too.
  const listed = (pod.status?.podIPs ?? []).flatMap(({ ip }) => (ip ? [ip] : []));
  if (listed.length > 0) return listed;
  return pod.status?.podIP ? [pod.status.podIP] : [];
}

/** By UID too, so that a later pod of the same name is told apart. */
export function targetRefOf({ metadata: { namespace, name, uid } }: Readonly<Pod>): ObjectReference {
  return { kind: "Pod", namespace, name, uid };
}

/** The DNS name that a pod asks for under its governing Service. */
export function hostnameUnder(service: Readonly<Service>, pod: Readonly<Pod>): string | undefined {
  const { hostname, subdomain } = pod.spec ?? {};
  return hostname && subdomain === service.metadata.name ? hostname : undefined;
}

/** A label map with the headless mark as the Service calls for it. */
export function markHeadless(labels: Record<string, string>, service: Readonly<Service>): Record<string, string> {
  const { [HEADLESS_LABEL]: _, ...rest } = labels;
  return isHeadless(service) ? { ...rest, [HEADLESS_LABEL]: "" } : rest;
}

/** Tells `enqueue` the keys of all Services that a pod's change may concern. */
export function podHandler(services: ServiceLister, enqueue: (serviceKey: string) => void): InformerHandler<Pod> {
  const touch = (pod: Readonly<Pod>) => {
    for (const key of servicesSelecting(services, pod)) enqueue(key);
  };
  return {
    onAdd: touch,
    onDelete: touch,
    onUpdate(pod, old) {
      const sameLabels = labelsText(pod) === labelsText(old);
      if (sameLabels && servingText(pod) === servingText(old)) return;
      if (!sameLabels) touch(old);
      touch(pod);
    },
  };
}

/** Keys of the Services whose selector matches; one without a selector matches no pod. */
export function servicesSelecting(services: ServiceLister, pod: Readonly<Pod>): string[] {
  return services
    .list(pod.metadata.namespace)
    .filter(({ spec: { selector } }) => selector && selectorFromMap(selector).matches(pod.metadata.labels))
    .map(objectKey);
}

function labelsText(pod: Readonly<Pod>): string {
  return JSON.stringify(pod.metadata.labels ?? {});
}

/** Everything of a pod that its endpoints show. Pods change often, and mostly in other ways. */
function servingText(pod: Readonly<Pod>): string {
  const { nodeName, hostname, subdomain } = pod.spec ?? {};
  const leaving = pod.metadata.deletionTimestamp !== undefined;
  return JSON.stringify([podIps(pod), isPodReady(pod), isPodTerminal(pod), leaving, nodeName, hostname, subdomain]);
}
