// networking.k8s.io/v1beta1: backends named a service and a port in two flat fields.
import type { HTTPIngressPath, Ingress, IngressBackend, IngressRule, IngressSpec } from "../../../generated/types.ts";
import type { ServedVersion } from "../../kind.ts";
import type { KubeObject } from "../../object.ts";

// Each type is the stored one with the old fields in place of the new.
type OlderBackend = Omit<IngressBackend, "service"> & { serviceName?: string; servicePort?: number | string };
type OlderPath = Omit<HTTPIngressPath, "backend" | "pathType"> & { backend: OlderBackend; pathType?: string };
type OlderRule = Omit<IngressRule, "http"> & { http?: { paths?: OlderPath[] } };
type OlderSpec = Omit<IngressSpec, "defaultBackend" | "rules"> & { backend?: OlderBackend; rules?: OlderRule[] };
type OlderIngress = Omit<Ingress, "spec"> & { spec?: OlderSpec };

/** Also turned the default backend's name from `backend` to `defaultBackend`. */
export const ingressBeta: ServedVersion = {
  version: "v1beta1",
  model: "V1beta1Ingress",
  deprecated: ["v1.19", "v1.22"],
  toStored(object) {
    const ingress = object as OlderIngress;
    return (ingress.spec ? { ...ingress, spec: specToStored(ingress.spec) } : ingress) as KubeObject;
  },
  fromStored(object) {
    const ingress = object as Ingress;
    return (ingress.spec ? { ...ingress, spec: specFromStored(ingress.spec) } : ingress) as KubeObject;
  },
};

function specToStored({ backend, rules, ...spec }: OlderSpec): IngressSpec {
  return {
    ...spec,
    ...(backend ? { defaultBackend: backendToStored(backend) } : {}),
    ...(rules ? { rules: rules.map(ruleToStored) } : {}),
  };
}

function ruleToStored({ http, ...rule }: OlderRule): IngressRule {
  if (!http) return rule;
  const paths = (http.paths ?? []).map(({ backend, pathType, ...path }) => ({
    ...path,
    // What nobody had to say then is what each controller makes of it.
    pathType: pathType ?? "ImplementationSpecific",
    backend: backendToStored(backend),
  }));
  return { ...rule, http: { paths } };
}

function backendToStored({ serviceName, servicePort, ...backend }: OlderBackend): IngressBackend {
  if (serviceName === undefined && servicePort === undefined) return backend;
  // v1 tells a port's name from its number by the field, not by the value's type.
  const port = typeof servicePort === "string" ? { name: servicePort } : { number: servicePort ?? 0 };
  return { ...backend, service: { name: serviceName ?? "", port } };
}

function specFromStored({ defaultBackend, rules, ...spec }: IngressSpec): OlderSpec {
  return {
    ...spec,
    ...(defaultBackend ? { backend: backendFromStored(defaultBackend) } : {}),
    ...(rules ? { rules: rules.map(ruleFromStored) } : {}),
  };
}

function ruleFromStored({ http, ...rule }: IngressRule): OlderRule {
  if (!http) return rule;
  const paths = (http.paths ?? []).map(({ backend, ...path }) => ({ ...path, backend: backendFromStored(backend) }));
  return { ...rule, http: { paths } };
}

function backendFromStored({ service, ...backend }: IngressBackend): OlderBackend {
  if (!service) return backend;
  return { ...backend, serviceName: service.name, servicePort: service.port?.name || (service.port?.number ?? 0) };
}
