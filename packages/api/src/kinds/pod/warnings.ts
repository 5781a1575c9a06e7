// What is allowed in a pod, and is most likely a mistake: told to the writer in upstream's words.
import type { Container, ContainerPort, Pod, PodSpec, PodTemplateSpec } from "../../../generated/types.ts";
import { quantityMilliValue } from "../../quantity.ts";
import { type FieldPath, root } from "../../validation/path.ts";

/** Pods are told on creation only: people seldom update them, and controllers do so often. */
export function podWarnings(pod: Readonly<Pod>, previous?: Readonly<Pod>): string[] {
  return previous ? [] : specWarnings(pod.spec, root("spec"));
}

/** Warnings of a workload about the pods it would make. */
export function templateWarnings(template: Readonly<PodTemplateSpec> | undefined, path: FieldPath): string[] {
  return template?.spec ? specWarnings(template.spec, path.child("spec")) : [];
}

function specWarnings(spec: Readonly<PodSpec>, path: FieldPath): string[] {
  const warnings = labelWarnings(spec, path);
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0) {
    const at = path.child("terminationGracePeriodSeconds");
    warnings.push(`${at}: must be >= 0; negative values are invalid and will be treated as 1`);
  }
  for (const list of ["initContainers", "containers"] as const) {
    for (const [i, container] of (spec[list] ?? []).entries()) {
      const at = path.child(list).index(i);
      warnings.push(...envWarnings(container, at.child("env")), ...portWarnings(container, at.child("ports")));
      warnings.push(...resourceWarnings(container, at.child("resources")));
    }
  }
  return warnings;
}

// Names that nodes still carry or once did, with the ones that replaced them.
const OLD_LABELS: Readonly<Record<string, string>> = {
  "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
  "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
  "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
};

function labelWarnings(spec: Readonly<PodSpec>, path: FieldPath): string[] {
  const selector = Object.keys(spec.nodeSelector ?? {}).map((key) => ({
    key,
    at: path.child("nodeSelector").key(key),
  }));
  const spread = (spec.topologySpreadConstraints ?? []).map(({ topologyKey: key }, i) => {
    return { key, at: path.child("topologySpreadConstraints").index(i).child("topologyKey") };
  });
  const old = [...selector, ...spread].filter(({ key }) => Object.hasOwn(OLD_LABELS, key));
  return old.map(({ key, at }) => `${at}: ${OLD_LABELS[key]}`);
}

function envWarnings({ env = [] }: Readonly<Container>, path: FieldPath): string[] {
  const seen = new Set<string>();
  return env.flatMap(({ name, value = "" }, i) => {
    const hides = seen.has(name);
    seen.add(name);
    // One that builds on its predecessor means to replace it.
    if (!hides || value.includes(`$(${name})`)) return [];
    return [
      `${path.index(i)}: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`,
    ];
  });
}

/** Twice the same port is allowed, and one of the two may be lost when the object is applied: lists merge by port. */
function portWarnings({ ports = [] }: Readonly<Container>, path: FieldPath): string[] {
  const first = new Map<string, FieldPath>();
  return ports.flatMap((port, i) => {
    const at = path.index(i);
    const identity = identityOf(port);
    const earlier = first.get(identity);
    if (earlier) return [`${at}: duplicate port definition with ${earlier}`];
    first.set(identity, at);
    return [];
  });
}

function identityOf({ containerPort, protocol = "TCP", hostPort = 0, hostIP = "" }: ContainerPort): string {
  return [containerPort, protocol, hostPort, hostIP].join("/");
}

// Amounts such as `100m` of memory mean a tenth of a byte, where `100M` was meant.
const BYTES = ["memory", "ephemeral-storage"];

function resourceWarnings({ resources }: Readonly<Container>, path: FieldPath): string[] {
  return (["limits", "requests"] as const).flatMap((list) =>
    Object.entries(resources?.[list] ?? {})
      .filter(([name, amount]) => BYTES.includes(name) && quantityMilliValue(amount) % 1000 !== 0)
      .map(([name, amount]) => {
        return `${path.child(list).key(name)}: fractional byte value ${JSON.stringify(amount)} is invalid, must be an integer`;
      }),
  );
}
