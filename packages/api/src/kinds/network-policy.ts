// NetworkPolicy: which connections the selected pods may make and take.
import type {
  IPBlock,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicySpec,
} from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { cidrContains, parseCidr } from "../ip.ts";
import { networkPolicies } from "../resource-ref.ts";
import { validateLabelSelector } from "../validation/label-selector.ts";
import { isPortName, isPortNumber } from "../validation/names.ts";
import {
  type FieldPath,
  forbiddenField,
  invalidAll,
  invalidValue,
  itemErrors,
  notSupported,
  required,
  root,
} from "../validation/path.ts";
import { ageColumn, column, formatSelector, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";

// A pod is isolated in each direction for which some policy selects it.
const POLICY_TYPES = ["Ingress", "Egress"];
/** In the order of upstream's messages. */
const PROTOCOLS = ["TCP", "UDP", "SCTP"];

/** Enforced by the network plugin, if that can: the API server only keeps it. */
export const networkPolicyKind = defineKind<NetworkPolicy>({
  ref: networkPolicies,
  shortNames: ["netpol"],
  hasGeneration: true,
  applyDefaults(policy) {
    policy.spec ??= {};
    const { spec } = policy;
    // The empty selector means every pod of the namespace.
    spec.podSelector ??= {};
    for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) {
      for (const port of rule.ports ?? []) port.protocol ??= "TCP";
    }
    // Every policy speaks of what comes in, unless it says otherwise.
    if (!spec.policyTypes?.length) spec.policyTypes = spec.egress?.length ? ["Ingress", "Egress"] : ["Ingress"];
  },
  validate: ({ spec }) => validateSpec(spec ?? {}, root("spec")),
  columns: [
    nameColumn,
    column("Pod-Selector", ["NetworkPolicySpec", "podSelector"], ({ spec }) => formatSelector(spec?.podSelector)),
    ageColumn,
  ],
});

/** No rules of a type in `policyTypes` means that nothing is allowed in that direction. */
function validateSpec(spec: NetworkPolicySpec, path: FieldPath): FieldError[] {
  const errors = validateLabelSelector(spec.podSelector, path.child("podSelector"));
  for (const [i, rule] of (spec.ingress ?? []).entries()) {
    errors.push(...validateRule(rule.ports ?? [], rule.from ?? [], "from", path.child("ingress").index(i)));
  }
  for (const [i, rule] of (spec.egress ?? []).entries()) {
    errors.push(...validateRule(rule.ports ?? [], rule.to ?? [], "to", path.child("egress").index(i)));
  }
  const types = spec.policyTypes ?? [];
  const at = path.child("policyTypes");
  if (types.length > POLICY_TYPES.length) {
    return [...errors, invalidValue(at, types, "may not specify more than two policyTypes")];
  }
  for (const [i, type] of types.entries()) {
    if (!POLICY_TYPES.includes(type)) errors.push(notSupported(at.index(i), type, POLICY_TYPES));
  }
  return errors;
}

/** Empty lists mean any port, and anybody. */
function validateRule(
  ports: readonly NetworkPolicyPort[],
  peers: readonly NetworkPolicyPeer[],
  peerField: "from" | "to",
  path: FieldPath,
): FieldError[] {
  return [
    ...itemErrors(ports, (port, i) => validatePort(port, path.child("ports").index(i))),
    ...itemErrors(peers, (peer, i) => validatePeer(peer, path.child(peerField).index(i))),
  ];
}

/** No port means all ports of the protocol; a name is looked up in each pod. */
function validatePort({ protocol, port, endPort }: NetworkPolicyPort, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (protocol !== undefined && !PROTOCOLS.includes(protocol)) {
    errors.push(notSupported(path.child("protocol"), protocol, PROTOCOLS));
  }
  const at = path.child("port");
  const end = path.child("endPort");
  if (port === undefined) {
    if (endPort !== undefined) errors.push(required(at, "must be specified when `endPort` is specified"));
    return errors;
  }
  if (typeof port === "string") {
    if (endPort !== undefined) errors.push(forbiddenField(end, "may not be specified when `port` is non-numeric"));
    return [...errors, ...invalidAll(at, port, isPortName(port))];
  }
  errors.push(...invalidAll(at, port, isPortNumber(port)));
  if (endPort === undefined) return errors;
  // From `port` to `endPort`, both included.
  if (endPort < port) errors.push(invalidValue(end, endPort, "must be greater than or equal to `port`"));
  return [...errors, ...invalidAll(end, endPort, isPortNumber(endPort))];
}

/** Pods by selectors, or addresses by range. Both selectors together mean pods in those namespaces. */
function validatePeer({ podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer, path: FieldPath): FieldError[] {
  const errors = [
    ...validateLabelSelector(podSelector, path.child("podSelector")),
    ...validateLabelSelector(namespaceSelector, path.child("namespaceSelector")),
    ...(ipBlock ? validateIpBlock(ipBlock, path.child("ipBlock")) : []),
  ];
  if (!podSelector && !namespaceSelector && !ipBlock) return [...errors, required(path, "must specify a peer")];
  if (ipBlock && (podSelector || namespaceSelector)) {
    errors.push(forbiddenField(path, "may not specify both ipBlock and another peer"));
  }
  return errors;
}

const BAD_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

/** A range with holes, for what is outside of the cluster. */
function validateIpBlock({ cidr, except }: IPBlock, path: FieldPath): FieldError[] {
  const at = path.child("cidr");
  if (!cidr) return [required(at)];
  const block = parseCidr(cidr);
  if (!block) return [invalidValue(at, cidr, BAD_CIDR)];
  return itemErrors(except ?? [], (text, i) => {
    const where = path.child("except").index(i);
    const hole = parseCidr(text);
    if (!hole) return [invalidValue(where, text, BAD_CIDR)];
    // The same range again would leave nothing.
    if (cidrContains(block, hole) && hole.prefix > block.prefix) return [];
    return [invalidValue(where, text, "must be a strict subset of `cidr`")];
  });
}
