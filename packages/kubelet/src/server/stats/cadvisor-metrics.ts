// /metrics/cadvisor: container_* series of machine, pods and containers, with the labels that dashboards know.

import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import type { Container } from "../../cri/types.ts";
import { millisOf } from "../../cri/types.ts";
import { findContainer } from "../../env/field-ref.ts";
import { LABEL } from "../../runtime/labels.ts";
import type { PodSummary } from "../../runtime/runtime-reader.ts";
import type { KubeletServerDeps } from "../deps.ts";
import type { CgroupFigures } from "./cgroup-figures.ts";
import { cgroupFigures } from "./cgroup-figures.ts";
import type { InterfaceCounters } from "./net-dev.ts";
import { podNetwork } from "./pod-network.ts";

type Deps = Pick<KubeletServerDeps, "pods" | "runtime" | "cgroups" | "podCgroups" | "clock" | "cri">;

/** One cgroup: the machine's, that of all pods, a pod's or a container's. */
interface Subject {
  readonly labels: Readonly<Record<string, string>>;
  readonly figures: CgroupFigures;
  readonly startedAtMs?: number | undefined;
  readonly writableBytes?: number | undefined;
}

/** Traffic is counted per pod, under the labels of its sandbox, as all its containers share one network. */
interface Network {
  readonly labels: Readonly<Record<string, string>>;
  readonly interfaces: readonly InterfaceCounters[];
}

/** The whole answer as text. Everything is read anew, a few files for each cgroup. */
export async function cadvisorMetrics(deps: Deps): Promise<string> {
  const { cgroups, podCgroups, clock } = deps;
  const summaries = await deps.runtime.list();
  const writable = await writableLayers(deps);
  const subjects: Subject[] = [];
  const networks: Network[] = [];
  for (const path of ["/", podCgroups.kubepods]) {
    subjects.push({ labels: labelsOf({ id: path }), figures: await cgroupFigures(path, cgroups) });
  }
  for (const pod of deps.pods.list()) {
    const summary = summaries.get(pod.metadata.uid ?? "");
    if (!summary) continue;
    const path = podCgroups.path(pod);
    subjects.push({ labels: labelsOf({ id: path, pod: summary }), figures: await cgroupFigures(path, cgroups) });
    for (const container of summary.containers) {
      if (container.state !== "CONTAINER_RUNNING") continue;
      // The runtime knows the image by its id alone.
      const image = findContainer(pod, container.labels[LABEL.containerName] ?? "")?.image ?? "";
      const at = podCgroups.containerPath(pod, container.id);
      subjects.push(await containerSubject(container, { pod: summary, image }, at, writable, cgroups));
    }
    const sandbox = summary.sandboxes.find(({ state }) => state === "SANDBOX_READY");
    if (!sandbox || pod.spec?.hostNetwork) continue;
    const at = podCgroups.containerPath(pod, sandbox.id);
    const labels = labelsOf({ id: at, name: sandbox.id, pod: summary });
    networks.push({ labels, interfaces: await podNetwork(at, cgroups) });
  }
  return render(subjects, networks, clock.now(), await machineMemory());
}

async function containerSubject(
  container: Container,
  { pod, image }: { readonly pod: PodSummary; readonly image: string },
  id: string,
  writable: ReadonlyMap<string, number>,
  cgroups: Deps["cgroups"],
): Promise<Subject> {
  const name = container.labels[LABEL.containerName] ?? "";
  return {
    labels: labelsOf({ id, container: name, name: container.id, image: image || (container.image?.image ?? ""), pod }),
    figures: await cgroupFigures(id, cgroups),
    startedAtMs: millisOf(container.createdAt),
    writableBytes: writable.get(container.id),
  };
}

async function writableLayers({ cri }: Pick<Deps, "cri">): Promise<Map<string, number>> {
  const stats = await cri.listContainerStats();
  return new Map(
    stats.map(({ attributes, writableLayer }) => [attributes?.id ?? "", Number(writableLayer?.usedBytes?.value ?? 0)]),
  );
}

interface MachineMemory {
  readonly memoryBytes: number;
  readonly swapBytes: number;
}

async function machineMemory(): Promise<MachineMemory> {
  const text = await readFile("/proc/meminfo", "utf8");
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0) * 1024;
  return { memoryBytes: bytes("MemTotal"), swapBytes: bytes("SwapTotal") };
}

interface Identity {
  readonly id: string;
  readonly container?: string;
  readonly name?: string;
  readonly image?: string;
  readonly pod?: PodSummary;
}

/** In the order of the alphabet, as cAdvisor writes them. */
function labelsOf({ id, container = "", name = "", image = "", pod }: Identity): Record<string, string> {
  return { container, id, image, name, namespace: pod?.namespace ?? "", pod: pod?.name ?? "" };
}

type Read = (subject: Subject) => number | undefined;

/** Name, type, what it says, and where the figure is; `more` are labels beside the common ones. */
interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly read: Read;
  readonly more?: Readonly<Record<string, string>>;
}

const counter = (name: string, help: string, read: Read, more = {}): Family => ({
  name,
  type: "counter",
  help,
  read,
  more,
});
const gauge = (name: string, help: string, read: Read): Family => ({ name, type: "gauge", help, read });

/** One entry for each series of a cgroup; a figure that the kernel has not is left out rather than told as 0. */
const FAMILIES: readonly Family[] = [
  counter(
    "container_cpu_usage_seconds_total",
    "Cumulative cpu time consumed in seconds.",
    ({ figures }) => figures.cpu.total,
    { cpu: "total" },
  ),
  counter(
    "container_cpu_user_seconds_total",
    "Cumulative user cpu time consumed in seconds.",
    ({ figures }) => figures.cpu.user,
  ),
  counter(
    "container_cpu_system_seconds_total",
    "Cumulative system cpu time consumed in seconds.",
    ({ figures }) => figures.cpu.system,
  ),
  counter(
    "container_cpu_cfs_periods_total",
    "Number of elapsed enforcement period intervals.",
    ({ figures }) => figures.cpu.periods,
  ),
  counter(
    "container_cpu_cfs_throttled_periods_total",
    "Number of throttled period intervals.",
    ({ figures }) => figures.cpu.throttledPeriods,
  ),
  counter(
    "container_cpu_cfs_throttled_seconds_total",
    "Total time duration the container has been throttled.",
    ({ figures }) => figures.cpu.throttled,
  ),
  gauge("container_spec_cpu_shares", "CPU share of the container.", ({ figures }) => figures.cpu.shares),
  gauge("container_spec_cpu_quota", "CPU quota of the container.", ({ figures }) => figures.cpu.quota),
  gauge("container_spec_cpu_period", "CPU period of the container.", ({ figures }) => figures.cpu.period),
  gauge(
    "container_memory_usage_bytes",
    "Current memory usage in bytes, including all memory regardless of when it was accessed",
    ({ figures }) => figures.memory.usage,
  ),
  gauge(
    "container_memory_working_set_bytes",
    "Current working set in bytes.",
    ({ figures }) => figures.memory.workingSet,
  ),
  gauge("container_memory_rss", "Size of RSS in bytes.", ({ figures }) => figures.memory.rss),
  gauge("container_memory_cache", "Number of bytes of page cache memory.", ({ figures }) => figures.memory.cache),
  gauge("container_memory_swap", "Container swap usage in bytes.", ({ figures }) => figures.memory.swap),
  gauge(
    "container_memory_mapped_file",
    "Size of memory mapped files in bytes.",
    ({ figures }) => figures.memory.mapped,
  ),
  gauge(
    "container_memory_max_usage_bytes",
    "Maximum memory usage recorded in bytes",
    ({ figures }) => figures.memory.peak,
  ),
  counter("container_memory_failcnt", "Number of memory usage hits limits", ({ figures }) => figures.memory.failures),
  counter(
    "container_memory_failures_total",
    "Cumulative count of memory allocation failures.",
    ({ figures }) => figures.memory.pageFaults,
    { failure_type: "pgfault", scope: "hierarchy" },
  ),
  counter(
    "container_memory_failures_total",
    "Cumulative count of memory allocation failures.",
    ({ figures }) => figures.memory.majorPageFaults,
    { failure_type: "pgmajfault", scope: "hierarchy" },
  ),
  gauge("container_spec_memory_limit_bytes", "Memory limit for the container.", ({ figures }) => figures.memory.limit),
  counter(
    "container_oom_events_total",
    "Count of out of memory events observed for the container",
    ({ figures }) => figures.oomKills,
  ),
  gauge("container_processes", "Number of processes running inside the container.", ({ figures }) => figures.processes),
  gauge(
    "container_start_time_seconds",
    "Start time of the container since unix epoch in seconds.",
    ({ startedAtMs }) => (startedAtMs ? startedAtMs / 1000 : undefined),
  ),
  gauge(
    "container_fs_usage_bytes",
    "Number of bytes that are consumed by the container on this filesystem.",
    ({ writableBytes }) => writableBytes,
  ),
];

/** Part of the name, part of the help text, and the field that holds it. */
const NETWORK = [
  ["receive_bytes", "bytes received", "rxBytes"],
  ["receive_packets", "packets received", "rxPackets"],
  ["receive_errors", "errors encountered while receiving", "rxErrors"],
  ["receive_packets_dropped", "packets dropped while receiving", "rxDropped"],
  ["transmit_bytes", "bytes transmitted", "txBytes"],
  ["transmit_packets", "packets transmitted", "txPackets"],
  ["transmit_errors", "errors encountered while transmitting", "txErrors"],
  ["transmit_packets_dropped", "packets dropped while transmitting", "txDropped"],
] as const;

/** The text format, with the time of the reading at each sample as cAdvisor has it. */
export function render(
  subjects: readonly Subject[],
  networks: readonly Network[],
  nowMs: number,
  { memoryBytes, swapBytes }: MachineMemory,
): string {
  const lines: string[] = [];
  let headed = "";
  const head = (name: string, type: string, help: string) => {
    // Two entries of the table may share a family.
    if (headed !== name) lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    headed = name;
  };
  for (const { name, type, help, read, more = {} } of FAMILIES) {
    head(name, type, help);
    for (const subject of subjects) {
      const value = read(subject);
      if (value !== undefined) lines.push(`${name}${braced({ ...subject.labels, ...more })} ${value} ${nowMs}`);
    }
  }
  for (const [what, help, field] of NETWORK) {
    const name = `container_network_${what}_total`;
    head(name, "counter", `Cumulative count of ${help}`);
    for (const { labels, interfaces } of networks) {
      for (const one of interfaces)
        lines.push(`${name}${braced({ ...labels, interface: one.name })} ${one[field]} ${nowMs}`);
    }
  }
  head("machine_cpu_cores", "gauge", "Number of logical CPU cores.");
  lines.push(`machine_cpu_cores ${availableParallelism()}`);
  head("machine_memory_bytes", "gauge", "Amount of memory installed on the machine.");
  lines.push(`machine_memory_bytes ${memoryBytes}`);
  head("machine_swap_bytes", "gauge", "Amount of swap memory available on the machine.");
  lines.push(`machine_swap_bytes ${swapBytes}`, "");
  return lines.join("\n");
}

function braced(labels: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(",")}}`;
}
