// Whether a Service's spec makes sense.
import type { ServicePort, ServiceSpec } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { parseCidr } from "../../ip.ts";
import { isDns1123Label, isDns1123Subdomain, isPortNumber, isQualifiedName } from "../../validation/names.ts";
import { validateLabelName, validateLabels } from "../../validation/object-meta.ts";
import {
  duplicate,
  type FieldPath,
  forbiddenField,
  invalidAll,
  invalidValue,
  itemErrors,
  notSupported,
  required,
} from "../../validation/path.ts";
import { PROTOCOLS, validateNonSpecialIp } from "../endpoint-rules.ts";
import { validatePortNumberOrName } from "../pod/validate-probes.ts";
import { isExternallyAccessible } from "./defaults.ts";
import { validateClusterIps } from "./validate-cluster-ips.ts";

const TYPES = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const AFFINITIES = ["ClientIP", "None"];
const TRAFFIC_POLICIES = ["Cluster", "Local"];
// A day.
const MAX_AFFINITY_SECONDS = 86_400;

/** Judges a spec by itself; what must not change is for `validateServiceUpdate`. */
export function validateServiceSpec(spec: ServiceSpec, path: FieldPath): FieldError[] {
  return [
    ...validateHeadless(spec, path),
    ...validateTypeNeeds(spec, path),
    ...validatePorts(spec, path.child("ports")),
    ...validateLabels(spec.selector, path.child("selector")),
    ...validateAffinity(spec, path),
    ...validateClusterIps(spec, path),
    ...itemErrors(spec.externalIPs ?? [], (ip, i) => validateNonSpecialIp(ip, path.child("externalIPs").index(i))),
    ...oneOf(spec.type, TYPES, path.child("type")),
    ...validateNodePorts(spec, path.child("ports")),
    ...validateLoadBalancer(spec, path),
    ...validateTraffic(spec, path),
  ];
}

function oneOf(value: string | undefined, valid: readonly string[], path: FieldPath): FieldError[] {
  if (!value) return [required(path)];
  return valid.includes(value) ? [] : [notSupported(path, value, valid)];
}

const isHeadless = (spec: ServiceSpec) => spec.clusterIP === "None" || spec.clusterIPs?.[0] === "None";

function validateHeadless(spec: ServiceSpec, path: FieldPath): FieldError[] {
  // A virtual address without ports would lead nowhere; a headless Service is a list of addresses.
  if (!isHeadless(spec) && spec.type !== "ExternalName" && !spec.ports?.length) return [required(path.child("ports"))];
  return [];
}

/** An ExternalName is a CNAME and nothing else; load balancers and node ports need an address to lead to. */
function validateTypeNeeds(spec: ServiceSpec, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const single = spec.type === "LoadBalancer" || spec.type === "NodePort";
  if (single && isHeadless(spec)) {
    const detail = `may not be set to 'None' for ${spec.type} services`;
    errors.push(invalidValue(path.child("clusterIPs").index(0), "None", detail));
  }
  if (spec.type !== "ExternalName") return errors;
  if (spec.clusterIPs?.length) {
    errors.push(forbiddenField(path.child("clusterIPs"), "may not be set for ExternalName services"));
  }
  // The dot at the end, which makes a DNS name absolute, is allowed.
  const name = (spec.externalName ?? "").replace(/\.$/, "");
  if (name) return [...errors, ...invalidAll(path.child("externalName"), spec.externalName, isDns1123Subdomain(name))];
  return [...errors, required(path.child("externalName"))];
}

function validatePorts(spec: ServiceSpec, path: FieldPath): FieldError[] {
  const ports = spec.ports ?? [];
  const names = new Set<string>();
  const numbers = new Set<string>();
  return itemErrors(ports, (port, i) => {
    const at = path.index(i);
    const errors = validatePort(port, ports.length > 1, names, at);
    // DNS commonly has one number for both TCP and UDP.
    const identity = `${port.protocol}/${port.port}`;
    if (numbers.has(identity)) errors.push(duplicate(at, shownPort(port)));
    numbers.add(identity);
    return errors;
  });
}

/** A port as upstream's internal type shows it. */
function shownPort({ protocol, port }: ServicePort) {
  return { Name: "", Protocol: protocol, AppProtocol: null, Port: port, TargetPort: 0, NodePort: 0 };
}

/** `targetPort` may name a container's port, so that pods of two versions may listen on different ones. */
function validatePort(port: ServicePort, requireName: boolean, names: Set<string>, path: FieldPath): FieldError[] {
  const errors = validatePortName(port.name, requireName, names, path.child("name"));
  errors.push(...validatePortNumberOrName(port.port, path.child("port")));
  if (!port.protocol) errors.push(required(path.child("protocol")));
  else if (!PROTOCOLS.includes(port.protocol)) {
    errors.push(notSupported(path.child("protocol"), port.protocol, PROTOCOLS));
  }
  errors.push(...validatePortNumberOrName(port.targetPort, path.child("targetPort")));
  if (port.appProtocol !== undefined) {
    errors.push(...invalidAll(path.child("appProtocol"), port.appProtocol, isQualifiedName(port.appProtocol)));
  }
  return errors;
}

/** With several ports, Endpoints and DNS need names to tell them apart. */
function validatePortName(
  name: string | undefined,
  needed: boolean,
  names: Set<string>,
  path: FieldPath,
): FieldError[] {
  if (!name) return needed ? [required(path)] : [];
  const errors = invalidAll(path, name, isDns1123Label(name));
  if (names.has(name)) errors.push(duplicate(path, name));
  names.add(name);
  return errors;
}

/** "ClientIP" keeps a client at one endpoint, for as many seconds as it is silent at most. */
function validateAffinity(spec: ServiceSpec, path: FieldPath): FieldError[] {
  const errors = oneOf(spec.sessionAffinity, AFFINITIES, path.child("sessionAffinity"));
  const config = spec.sessionAffinityConfig;
  const at = path.child("sessionAffinityConfig");
  if (spec.sessionAffinity === "None") {
    const detail = `must not be set when session affinity is None`;
    return config ? [...errors, forbiddenField(at, detail)] : errors;
  }
  const seconds = config?.clientIP?.timeoutSeconds;
  if (spec.sessionAffinity !== "ClientIP" || seconds === undefined) return errors;
  if (seconds > 0 && seconds <= MAX_AFFINITY_SECONDS) return errors;
  const detail = `must be greater than 0 and less than ${MAX_AFFINITY_SECONDS}`;
  return [...errors, invalidValue(at.child("clientIP", "timeoutSeconds"), seconds, detail)];
}

/** Whether ports that lead to nodes are allowed and taken once. */
function validateNodePorts(spec: ServiceSpec, path: FieldPath): FieldError[] {
  const taken = new Set<string>();
  return itemErrors(spec.ports ?? [], (port, i) => {
    if (!port.nodePort) return [];
    const at = path.index(i).child("nodePort");
    // A port that stayed from a former type has been dropped before; this one was asked for.
    if (spec.type === "ClusterIP") return [forbiddenField(at, "may not be used when `type` is 'ClusterIP'")];
    const identity = `${port.protocol}/${port.nodePort}`;
    const errors = taken.has(identity) ? [duplicate(at, port.nodePort)] : [];
    taken.add(identity);
    return errors;
  });
}

/** Fields that only a load balancer's controller reads. */
function validateLoadBalancer(spec: ServiceSpec, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const isLoadBalancer = spec.type === "LoadBalancer";
  const onlyLoadBalancers = "may only be used when `type` is 'LoadBalancer'";
  if (spec.loadBalancerSourceRanges?.length) {
    // The capital letter is upstream's.
    const at = path.child("LoadBalancerSourceRanges");
    if (!isLoadBalancer) errors.push(forbiddenField(at, onlyLoadBalancers));
    for (const [i, range] of spec.loadBalancerSourceRanges.entries()) {
      if (parseCidr(range.trim())) continue;
      const detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
      errors.push(invalidValue(at.index(i), range, detail));
    }
  }
  if (spec.allocateLoadBalancerNodePorts !== undefined && !isLoadBalancer) {
    errors.push(forbiddenField(path.child("allocateLoadBalancerNodePorts"), onlyLoadBalancers));
  }
  // Defaults have set it; only a write that took it away comes here.
  if (isLoadBalancer && spec.allocateLoadBalancerNodePorts === undefined) {
    errors.push(required(path.child("allocateLoadBalancerNodePorts")));
  }
  if (spec.loadBalancerClass !== undefined) {
    const at = path.child("loadBalancerClass");
    if (isLoadBalancer) errors.push(...validateLabelName(spec.loadBalancerClass, at));
    else errors.push(forbiddenField(at, onlyLoadBalancers));
  }
  return errors;
}

/** "Local" keeps traffic on the node where it came in, and with it the client's address. */
function validateTraffic(spec: ServiceSpec, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const external = path.child("externalTrafficPolicy");
  if (isExternallyAccessible(spec)) errors.push(...oneOf(spec.externalTrafficPolicy, TRAFFIC_POLICIES, external));
  else if (spec.externalTrafficPolicy) {
    const detail = "may only be set for externally-accessible services";
    errors.push(invalidValue(external, spec.externalTrafficPolicy, detail));
  }
  if (spec.type !== "ExternalName" || spec.internalTrafficPolicy !== undefined) {
    errors.push(...oneOf(spec.internalTrafficPolicy, TRAFFIC_POLICIES, path.child("internalTrafficPolicy")));
  }
  const health = spec.healthCheckNodePort;
  if (health) errors.push(...invalidAll(path.child("healthCheckNodePort"), health, isPortNumber(health)));
  if (health && !(spec.type === "LoadBalancer" && spec.externalTrafficPolicy === "Local")) {
    const detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    errors.push(invalidValue(path.child("healthCheckNodePort"), health, detail));
  }
  return [...errors, ...validateDistribution(spec.trafficDistribution, path.child("trafficDistribution"))];
}

// PreferClose is the former name of PreferSameZone.
const DISTRIBUTIONS = ["PreferClose", "PreferSameNode", "PreferSameZone"];

/** A wish that kube-proxy follows while there are endpoints close by. */
function validateDistribution(value: string | undefined, path: FieldPath): FieldError[] {
  return value === undefined || DISTRIBUTIONS.includes(value) ? [] : [notSupported(path, value, DISTRIBUTIONS)];
}
