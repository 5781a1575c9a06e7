// Ports that containers name, and those that they take from the host.
import type { Container, ContainerPort, PodSpec } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { isPortName, isPortNumber, isValidIp } from "../../validation/names.ts";
import {
  allErrors,
  duplicate,
  type FieldPath,
  invalidAll,
  invalidValue,
  itemErrors,
  required,
} from "../../validation/path.ts";
import { validateProtocol } from "../endpoint-rules.ts";

/**
 * Declared ports open nothing: Services, probes and NetworkPolicies refer to their names, and `hostPort` asks the
 * node for one. Names are unique within the container.
 */
export function validateContainerPorts(ports: readonly ContainerPort[], path: FieldPath): FieldError[] {
  const names = new Set<string>();
  return itemErrors(ports, (port, i) => {
    const at = path.index(i);
    return allErrors(
      validateName(port.name, names, at.child("name")),
      validateNumber(port.containerPort, at.child("containerPort")),
      port.hostPort ? invalidAll(at.child("hostPort"), port.hostPort, isPortNumber(port.hostPort)) : [],
      validateProtocol(port.protocol, at.child("protocol")),
      port.hostIP ? invalidAll(at.child("hostIP"), port.hostIP, isValidIp(port.hostIP)) : [],
    );
  });
}

function validateName(name: string | undefined, names: Set<string>, path: FieldPath): FieldError[] {
  if (!name) return [];
  const errors = invalidAll(path, name, isPortName(name));
  if (errors.length) return errors;
  if (names.has(name)) return [duplicate(path, name)];
  names.add(name);
  return [];
}

function validateNumber(port: number | undefined, path: FieldPath): FieldError[] {
  return port ? invalidAll(path, port, isPortNumber(port)) : [required(path)];
}

/** A host port is taken once per pod, and is the container's own on the host's network. */
export function validateHostPorts(spec: PodSpec, path: FieldPath): FieldError[] {
  return allErrors(
    validateList(spec.containers ?? [], spec, path.child("containers")),
    validateList(spec.initContainers ?? [], spec, path.child("initContainers")),
  );
}

function validateList(containers: readonly Container[], spec: PodSpec, path: FieldPath): FieldError[] {
  const taken = new Set<string>();
  const errors: FieldError[] = [];
  for (const [i, container] of containers.entries()) {
    for (const [j, port] of (container.ports ?? []).entries()) {
      if (!port.hostPort) continue;
      const at = path.index(i).child("ports").index(j);
      // Two protocols, or two addresses of the host, may share a number.
      const identity = `${port.protocol ?? ""}/${port.hostIP ?? ""}/${port.hostPort}`;
      if (taken.has(identity)) errors.push(duplicate(at.child("hostPort"), identity));
      taken.add(identity);
      if (spec.hostNetwork && port.hostPort !== port.containerPort) {
        const detail = "must match `hostPort` when `hostNetwork` is true";
        errors.push(invalidValue(at.child("containerPort"), port.containerPort, detail));
      }
    }
  }
  return errors;
}
