// The node ports of a Service: which it needs, and taking or giving them back.
import { internalError, invalid } from "@skiff/api/errors.ts";
import type { Service, ServicePort } from "@skiff/api/types.ts";
import type { FieldPath } from "@skiff/api/validation/path.ts";
import { invalidValue, root } from "@skiff/api/validation/path.ts";
import { pickFree } from "./number-range.ts";
import type { PortRange } from "./port-range.ts";

/** Whether every port of the Service gets a node port. */
function needsNodePorts({ spec }: Readonly<Service>): boolean {
  return spec.type === "NodePort" || (spec.type === "LoadBalancer" && spec.allocateLoadBalancerNodePorts !== false);
}

/** A load balancer that keeps traffic local asks this port which nodes have endpoints. */
function needsHealthCheckPort({ spec }: Readonly<Service>): boolean {
  return spec.type === "LoadBalancer" && spec.externalTrafficPolicy === "Local";
}

/** The ports that a Service holds. */
export function heldNodePorts(service: Readonly<Service>): number[] {
  const { spec } = service;
  if (spec.type !== "NodePort" && spec.type !== "LoadBalancer") return [];
  const ports = (spec.ports ?? []).map(({ nodePort }) => nodePort ?? 0);
  return [...new Set([...ports, needsHealthCheckPort(service) ? (spec.healthCheckNodePort ?? 0) : 0])].filter(Boolean);
}

/** Which port goes where: written into the Service only once the record is. */
export interface NodePortPlan {
  readonly offsets: readonly number[];
  apply(service: Service): void;
}

/**
 * Marks what the Service asks for or lacks as used. `held` are ports that it has already (before an update).
 * Ports of different protocols may share a number.
 */
export function takeNodePorts(
  used: Set<number>,
  range: PortRange,
  service: Readonly<Service>,
  held: ReadonlySet<number>,
): NodePortPlan {
  const taken = new Taking(used, range, service, held);
  const ports = service.spec.ports ?? [];
  if (heldNodePorts(service).length === 0 && !needsNodePorts(service) && !needsHealthCheckPort(service)) {
    return { offsets: [], apply: () => {} };
  }
  const explicit = root("spec").child("ports");
  // What was asked for by number goes first, so that no free choice takes it away.
  ports.forEach(({ nodePort }, at) => {
    if (nodePort) taken.take(nodePort, explicit.index(at).child("nodePort"));
  });
  const healthPath = root("spec").child("healthCheckNodePort");
  const wantedHealth = needsHealthCheckPort(service) ? service.spec.healthCheckNodePort : undefined;
  if (wantedHealth) taken.take(wantedHealth, healthPath);
  const chosen = needsNodePorts(service) ? chooseFree(ports, taken) : new Map<number, number>();
  const health = needsHealthCheckPort(service) ? (wantedHealth ?? taken.takeAny()) : undefined;
  return {
    offsets: taken.offsets,
    apply(target) {
      for (const [at, nodePort] of chosen) if (target.spec.ports?.[at]) target.spec.ports[at].nodePort = nodePort;
      if (health !== undefined) target.spec.healthCheckNodePort = health;
    },
  };
}

/** By index of the port. Two ports of one number and different protocols get the same node port, as upstream. */
function chooseFree(ports: readonly ServicePort[], taken: Taking): Map<number, number> {
  const chosen = new Map<number, number>();
  ports.forEach((port, at) => {
    if (port.nodePort) return;
    const twin = ports.findIndex((other) => other.port === port.port && other.protocol !== port.protocol);
    const shared = twin < 0 ? undefined : (ports[twin]?.nodePort ?? chosen.get(twin));
    chosen.set(at, shared ?? taken.takeAny());
  });
  return chosen;
}

class Taking {
  readonly offsets: number[] = [];
  private readonly used: Set<number>;
  private readonly range: PortRange;
  private readonly service: Readonly<Service>;
  private readonly mine: Set<number>;

  constructor(used: Set<number>, range: PortRange, service: Readonly<Service>, held: ReadonlySet<number>) {
    this.used = used;
    this.range = range;
    this.service = service;
    this.mine = new Set(held);
  }

  take(port: number, path: FieldPath): void {
    if (this.mine.has(port)) return;
    const offset = this.range.offsetOf(String(port));
    if (offset === undefined) {
      throw this.refuse(
        path,
        port,
        `provided port is not in the valid range. The range of valid ports is ${this.range.text}`,
      );
    }
    if (this.used.has(offset)) throw this.refuse(path, port, "provided port is already allocated");
    this.add(offset, port);
  }

  takeAny(): number {
    const offset = pickFree(this.used, this.range, Math.random);
    if (offset === undefined) throw internalError("failed to allocate a nodePort: range is full");
    const port = Number(this.range.valueAt(offset));
    this.add(offset, port);
    return port;
  }

  private add(offset: number, port: number): void {
    this.used.add(offset);
    this.mine.add(port);
    this.offsets.push(offset);
  }

  private refuse(path: FieldPath, port: number, why: string): Error {
    return invalid("", "Service", this.service.metadata.name, [invalidValue(path, port, why)]);
  }
}
