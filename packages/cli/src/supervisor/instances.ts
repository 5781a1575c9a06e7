// The programs of one cluster as the supervisor runs them: the table's entries with this cluster's paths and addresses.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ClusterRecord } from "../cluster-record.ts";
import type { Layout } from "../layout.ts";
import { NETNS_FOLDER, nodeLayoutOf } from "../layout.ts";
import { nodeAddress } from "../network/address-plan.ts";
import type { Place } from "../place.ts";
import type { HealthSpec, ProgramSpec } from "../programs.ts";
import { PROGRAMS, programCommand, SMALL_FOOTPRINT } from "../programs.ts";
import { endIdleShims } from "./end-idle-shims.ts";
import type { HealthProbe } from "./health-probe.ts";
import type { ProgramInstance } from "./supervised-program.ts";

/** A program in one place. `probe` reads the TLS files when it is called, as they may not be there before. */
export interface ClusterInstance extends ProgramInstance {
  readonly program: string;
  /** The node's name; absent for the control plane. */
  readonly node?: string;
  readonly probe?: () => HealthProbe;
}

/** What does not depend on the cluster. */
export interface Runtime {
  /** The node binary, and the folder of the bundles. */
  readonly nodeBinary: string;
  readonly bundles: string;
  readonly env: Readonly<Record<string, string>>;
  readonly resolvConf: string;
}

/** In the table's order, the host's forwarder last. */
export function clusterInstances(layout: Layout, record: ClusterRecord, runtime: Runtime): ClusterInstance[] {
  const of = (program: ProgramSpec, node?: string) => instanceOf(program, layout, record, runtime, node);
  return [
    ...PROGRAMS.flatMap((program) =>
      program.scope === "node" ? record.nodes.map((node) => of(program, node)) : [of(program)],
    ),
    forwarder(layout, record, runtime),
  ];
}

function instanceKey(program: string, node?: string): string {
  return node ? `${node}/${program}` : program;
}

function instanceOf(
  program: ProgramSpec,
  layout: Layout,
  record: ClusterRecord,
  runtime: Runtime,
  node?: string,
): ClusterInstance {
  const place = placeOf(layout, record, runtime, node);
  const key = instanceKey(program.name, node);
  const owner = node ? nodeLayoutOf(layout, node) : undefined;
  const health = program.health?.bind(program);
  const [command, ...args] = programCommand(program, place, runtime);
  return {
    key,
    program: program.name,
    ...(node ? { node } : {}),
    command,
    args,
    env: runtime.env,
    namespace: join(NETNS_FOLDER, owner?.namespace ?? layout.switchNamespace),
    cgroup: `${owner?.cgroup ?? layout.cgroup}/system/${program.name}`,
    logFile: join(layout.logs, `${key}.log`),
    after: program.after.map((name) => instanceKey(name, scopeOf(name) === "node" ? node : undefined)),
    ...(health ? { probe: () => loadProbe(health(place)) } : {}),
    ...(program.name === "containerd" && owner ? { tend: shimKeeper(owner.containerdSocket) } : {}),
  };
}

/** Whoever starts containerd owns what it leaves behind. */
function shimKeeper(socket: string): NonNullable<ProgramInstance["tend"]> {
  return (deps, signal) => endIdleShims(socket, deps, signal);
}

function scopeOf(name: string): ProgramSpec["scope"] | undefined {
  return PROGRAMS.find((program) => program.name === name)?.scope;
}

/** All nodes are on one bridge, so pods of other nodes are reached by plain routes. */
function placeOf(layout: Layout, record: ClusterRecord, runtime: Runtime, node?: string): Place {
  const { addresses } = record;
  const place: Place = {
    pki: layout.pki,
    kubeconfig: (name) => join(layout.kubeconfigs, `${name}.conf`),
    controlPlane: addresses.controlPlane,
    etcd: addresses.controlPlane,
    etcdData: layout.etcdData,
    podRange: addresses.pods,
    serviceRange: addresses.services,
    networkMode: "routes",
  };
  if (!node) return place;
  const own = nodeLayoutOf(layout, node);
  return {
    ...place,
    node: {
      name: node,
      address: nodeAddress(addresses, record.nodes.indexOf(node)),
      containerdConfig: own.containerdConfig,
      containerdSocket: own.containerdSocket,
      kubeletRoot: own.kubeletRoot,
      podLogs: own.podLogs,
      cniConfDir: own.cniConf,
      cniDataDir: own.cniData,
      cgroup: own.cgroup,
      resolvConf: runtime.resolvConf,
    },
  };
}

// The host's clients reach the apiserver on loopback, without a rule in the host's firewall.
function forwarder(layout: Layout, record: ClusterRecord, runtime: Runtime): ClusterInstance {
  const from = `127.0.0.1:${record.apiPort}`;
  return {
    key: "api-forwarder",
    program: "api-forwarder",
    command: runtime.nodeBinary,
    args: [
      ...SMALL_FOOTPRINT,
      join(runtime.bundles, "skiff.mjs"),
      "forward",
      from,
      `${record.addresses.controlPlane}:6443`,
    ],
    env: runtime.env,
    cgroup: `${layout.cgroup}/system/api-forwarder`,
    logFile: join(layout.logs, "api-forwarder.log"),
    after: [],
    probe: () => ({ kind: "tcp", host: "127.0.0.1", port: record.apiPort }),
  };
}

function loadProbe(spec: HealthSpec): HealthProbe {
  if (!("url" in spec)) return spec;
  const { url, ca, cert, key } = spec;
  if (!ca) return { kind: "http", url };
  const text = (path: string) => readFileSync(path, "utf8");
  const client = cert && key ? { cert: text(cert), key: text(key) } : {};
  return { kind: "http", url, tls: { ca: text(ca), ...client } };
}
