// Node: a machine, as its kubelet reports it; the spec holds its pod ranges and taints.
import type { Node, NodeSystemInfo, Taint } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { parseCidr } from "../ip.ts";
import type { Column } from "../kind.ts";
import { compareQuantities } from "../quantity.ts";
import { nodes } from "../resource-ref.ts";
import { deepEqual } from "../validation/deep-equal.ts";
import { isLabelValue } from "../validation/names.ts";
import { validateLabelName } from "../validation/object-meta.ts";
import {
  duplicate,
  type FieldPath,
  forbiddenField,
  invalidAll,
  invalidValue,
  itemErrors,
  NOT_NEGATIVE,
  notSupported,
  required,
  root,
} from "../validation/path.ts";
import { ageColumn, column, nameColumn } from "./columns.ts";
import { defineKind, proxySubresource } from "./define-kind.ts";

const wide = { wide: true };

// `kubectl get nodes`: the status in words, and what the kubelet told of the machine.
const columns: readonly Column<Node>[] = [
  nameColumn,
  column("Status", "The status of the node", statusText),
  column("Roles", "The roles of the node", rolesText),
  ageColumn,
  column("Version", ["NodeSystemInfo", "kubeletVersion"], (n) => n.status?.nodeInfo?.kubeletVersion ?? ""),
  column("Internal-IP", ["NodeStatus", "addresses"], (n) => addressOf(n, "InternalIP"), wide),
  column("External-IP", ["NodeStatus", "addresses"], (n) => addressOf(n, "ExternalIP"), wide),
  column("OS-Image", ["NodeSystemInfo", "osImage"], (n) => n.status?.nodeInfo?.osImage || "<unknown>", wide),
  column(
    "Kernel-Version",
    ["NodeSystemInfo", "kernelVersion"],
    (n) => n.status?.nodeInfo?.kernelVersion || "<unknown>",
    wide,
  ),
  column(
    "Container-Runtime",
    ["NodeSystemInfo", "containerRuntimeVersion"],
    (n) => n.status?.nodeInfo?.containerRuntimeVersion || "<unknown>",
    wide,
  ),
];

/** Kubelets create their own Node with its status, which is why the creator's status is kept here. */
export const nodeKind = defineKind<Node>({
  ref: nodes,
  shortNames: ["no"],
  hasStatus: true,
  createsStatus: true,
  hasGeneration: false,
  applyDefaults(node) {
    node.spec ??= {};
    node.status ??= {};
    node.status.daemonEndpoints ??= { kubeletEndpoint: { Port: 0 } };
    // What nobody held back can be given to pods.
    const { capacity } = node.status;
    if (capacity && !node.status.allocatable) node.status.allocatable = { ...capacity };
    node.status.nodeInfo ??= { ...NO_INFO };
    // The first of the list is the single one's other name; where they differ, the older field wins.
    const { podCIDR, podCIDRs } = node.spec;
    if (podCIDR && podCIDRs?.[0] !== podCIDR) node.spec.podCIDRs = [podCIDR];
    else if (podCIDRs?.[0]) node.spec.podCIDR = podCIDRs[0];
  },
  validate: (node) => [...validateTaints(node), ...validatePodCidrs(node), ...validateResources(node)],
  validateUpdate: (next, previous) => setOnceErrors(next, previous),
  validateStatusUpdate: (next) => [...validateAddresses(next), ...validateResources(next)],
  subresources: [proxySubresource("NodeProxyOptions")],
  // What `kubectl cordon` sets.
  selectableFields: { "spec.unschedulable": (n) => String(n.spec?.unschedulable ?? false) },
  columns,
});

/** What a node says of itself is written even while it has said nothing. */
const NO_INFO: NodeSystemInfo = {
  machineID: "",
  systemUUID: "",
  bootID: "",
  kernelVersion: "",
  osImage: "",
  containerRuntimeVersion: "",
  kubeletVersion: "",
  kubeProxyVersion: "",
  operatingSystem: "",
  architecture: "",
};

// New pods stay away, stay away if they can, or running ones are evicted as well.
const TAINT_EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

function validateTaints(node: Node): FieldError[] {
  // Upstream reports taints as if they were metadata.
  const path = root("metadata").child("taints");
  const seen = new Set<string>();
  return itemErrors(node.spec?.taints ?? [], (taint, i) => {
    const errors = validateTaint(taint, path.index(i));
    const identity = `${taint.effect}\0${taint.key}`;
    if (seen.has(identity)) {
      const { key, value = "", effect, timeAdded = null } = taint;
      // Shown by the names of upstream's internal type.
      const shown = { Key: key, Value: value, Effect: effect, TimeAdded: timeAdded };
      const detail = "taints must be unique by key and effect pair";
      errors.push({ ...duplicate(path.index(i), shown), detail });
    }
    seen.add(identity);
    return errors;
  });
}

/** Key and value are those of a label; the effect says what becomes of pods that do not tolerate it. */
function validateTaint(taint: Taint, path: FieldPath): FieldError[] {
  const errors = validateLabelName(taint.key ?? "", path.child("key"));
  errors.push(...invalidAll(path.child("value"), taint.value ?? "", isLabelValue(taint.value ?? "")));
  if (!taint.effect) errors.push(required(path.child("effect")));
  else if (!TAINT_EFFECTS.includes(taint.effect)) {
    errors.push(notSupported(path.child("effect"), taint.effect, TAINT_EFFECTS));
  }
  return errors;
}

/** One range of pod addresses, or one of each family. */
function validatePodCidrs(node: Node): FieldError[] {
  const path = root("spec").child("podCIDRs");
  const cidrs = node.spec?.podCIDRs ?? [];
  const errors = itemErrors(cidrs, (cidr, i) =>
    parseCidr(cidr)
      ? []
      : [invalidValue(path.index(i), cidr, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")],
  );
  if (errors.length || cidrs.length < 2) return errors;
  const families = new Set(cidrs.map((cidr) => parseCidr(cidr)?.version));
  if (cidrs.length !== 2 || families.size !== 2) {
    errors.push(invalidValue(path, cidrs, "may specify no more than one CIDR for each IP family"));
  }
  const repeated = cidrs.flatMap((cidr, i) => (cidrs.indexOf(cidr) < i ? [duplicate(path.index(i), cidr)] : []));
  return [...errors, ...repeated];
}

/** Kubelets report these; a negative amount would let the scheduler place anything. */
function validateResources(node: Node): FieldError[] {
  return (["capacity", "allocatable"] as const).flatMap((list) =>
    Object.entries(node.status?.[list] ?? {})
      .filter(([, amount]) => compareQuantities(amount, "0") < 0)
      .map(([name, amount]) => invalidValue(root("status").child(list).key(name), amount, NOT_NEGATIVE)),
  );
}

/** The pod ranges are in the routes of other nodes, and the provider's id says which machine it is: both stay. */
function setOnceErrors(next: Node, previous: Readonly<Node>): FieldError[] {
  const errors: FieldError[] = [];
  const path = root("spec");
  if (previous.spec?.podCIDRs?.length && !deepEqual(next.spec?.podCIDRs, previous.spec.podCIDRs)) {
    errors.push(forbiddenField(path.child("podCIDRs"), 'node updates may not change podCIDR except from "" to valid'));
  }
  if (previous.spec?.providerID && next.spec?.providerID !== previous.spec.providerID) {
    const detail = 'node updates may not change providerID except from "" to valid';
    errors.push(forbiddenField(path.child("providerID"), detail));
  }
  if (errors.length > 0 || next.spec?.externalID !== previous.spec?.externalID) {
    errors.push(forbiddenField(root(), "node updates may only change labels, taints, or capacity"));
  }
  return [...errors, ...validateAddresses(next)];
}

/** By the names of upstream's internal type. */
function validateAddresses({ status }: Node): FieldError[] {
  const path = root("status").child("addresses");
  const seen = new Set<string>();
  return itemErrors(status?.addresses ?? [], ({ type, address }, i) => {
    const identity = `${type} ${address}`;
    if (seen.has(identity)) return [duplicate(path.index(i), { Type: type, Address: address })];
    seen.add(identity);
    return [];
  });
}

/** `Ready`, `NotReady` or `Unknown`, and whether new pods are welcome. */
function statusText(node: Readonly<Node>): string {
  const ready = node.status?.conditions?.find((condition) => condition.type === "Ready");
  const words = [!ready ? "Unknown" : ready.status === "True" ? "Ready" : "NotReady"];
  if (node.spec?.unschedulable) words.push("SchedulingDisabled");
  return words.join(",");
}

// `node-role.kubernetes.io/control-plane`: the role is in the key, and the value does not matter.
const ROLE_PREFIX = "node-role.kubernetes.io/";

/** Roles are labels alone: nothing but people and selectors reads them. */
function rolesText(node: Readonly<Node>): string {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(node.metadata.labels ?? {})) {
    if (key.startsWith(ROLE_PREFIX) && key.length > ROLE_PREFIX.length) roles.add(key.slice(ROLE_PREFIX.length));
    else if (key === "kubernetes.io/role" && value) roles.add(value);
  }
  return [...roles].sort().join(",") || "<none>";
}

/** The first address of the type; a node may have one of each family. */
function addressOf(node: Readonly<Node>, type: string): string {
  return node.status?.addresses?.find((address) => address.type === type)?.address ?? "<none>";
}
