// All probes of the node's pods and what they last said.
import type { Container, ContainerStatus, Pod } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { CriClient } from "../cri/cri-client.ts";
import type { PodEvents } from "../events/pod-events.ts";
import type { RuntimePod } from "../runtime/runtime-pod.ts";
import type { ProbeStates } from "../status/container-statuses.ts";
import { podIpsOf } from "../status/pod-status.ts";
import type { ProbeVerdict, ProbeVerdicts } from "../sync-pod.ts";
import { isSidecar } from "../sync-pod.ts";
import type { ProbeKind } from "./probe-worker.ts";
import { ProbeWorker } from "./probe-worker.ts";
import { runProbe } from "./run-probe.ts";

/** `hostIps` are the addresses of pods on the node's network. */
export interface ProbeManagerDeps {
  readonly cri: Pick<CriClient, "execSync">;
  readonly events: PodEvents;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly hostIps: readonly string[];
  runtime(uid: string): RuntimePod;
}

type Verdicts = Partial<Record<ProbeKind, ProbeVerdict>>;

/** Of one pod. Workers by `container/kind`, verdicts by container id: a restarted container starts without any. */
interface PodProbes {
  pod: Readonly<Pod>;
  readonly workers: Map<string, ProbeWorker>;
  readonly verdicts: Map<string, Verdicts>;
}

/** A container may have one of each. */
const KINDS: readonly ProbeKind[] = ["startup", "liveness", "readiness"];

/** Results reach the pod's worker, which restarts on liveness and startup and publishes readiness. */
export class ProbeManager implements ProbeStates, ProbeVerdicts {
  private readonly deps: ProbeManagerDeps;
  private readonly pods = new Map<string, PodProbes>();
  /** Container id → the verdicts of its pod. */
  private readonly byContainer = new Map<string, Verdicts>();
  private readonly startedAt: number;
  private readonly counter;
  /** Called with the UID of a pod one of whose verdicts changed. */
  onChange: (uid: string) => void = () => {};

  constructor(deps: ProbeManagerDeps) {
    this.deps = deps;
    this.startedAt = deps.clock.monotonic();
    this.counter = deps.metrics.counter("prober_probe_total", "Cumulative number of probes by result.");
  }

  /** Starts the probes of the pod's containers that are not running yet, and takes note of the newer pod. */
  update(pod: Readonly<Pod>): void {
    const uid = pod.metadata.uid ?? "";
    const probes = this.pods.get(uid) ?? { pod, workers: new Map(), verdicts: new Map() };
    probes.pod = pod;
    this.pods.set(uid, probes);
    const sidecars = (pod.spec?.initContainers ?? []).filter(isSidecar);
    for (const container of [...sidecars, ...(pod.spec?.containers ?? [])]) {
      for (const kind of KINDS) this.startWorker(uid, probes, container, kind);
    }
  }

  /** The pod is being stopped: its containers must not be killed once more for their health, but may become unready. */
  stopHealthChecks(uid: string): void {
    for (const worker of this.pods.get(uid)?.workers.values() ?? []) if (worker.kind !== "readiness") worker.end();
  }

  /** Ends the pod's probes and forgets their verdicts. */
  remove(uid: string): void {
    const probes = this.pods.get(uid);
    if (!probes) return;
    for (const worker of probes.workers.values()) worker.end();
    for (const id of probes.verdicts.keys()) this.byContainer.delete(id);
    this.pods.delete(uid);
  }

  liveness(containerId: string): ProbeVerdict | undefined {
    return this.byContainer.get(containerId)?.liveness;
  }

  startup(containerId: string): ProbeVerdict | undefined {
    return this.byContainer.get(containerId)?.startup;
  }

  /** True without a startup probe. While a new kubelet has no verdict, the last published status counts. */
  isStarted(pod: Pod, container: Container, containerId: string): boolean {
    if (!container.startupProbe) return true;
    const verdict = this.startup(containerId);
    if (verdict === undefined) return knownStatus(pod, containerId)?.started ?? false;
    return verdict === "success";
  }

  /** True without a readiness probe. */
  isReady(pod: Pod, container: Container, containerId: string): boolean {
    if (!container.readinessProbe) return true;
    const verdict = this.byContainer.get(containerId)?.readiness;
    // A new kubelet has asked nobody yet: what was ready stays so until a probe says otherwise.
    if (verdict === undefined) return knownStatus(pod, containerId)?.ready ?? false;
    return verdict === "success";
  }

  private startWorker(uid: string, probes: PodProbes, container: Container, kind: ProbeKind): void {
    const probe = container[`${kind}Probe`];
    const key = `${container.name}/${kind}`;
    if (!probe || probes.workers.has(key)) return;
    const { clock, events, log } = this.deps;
    const worker = new ProbeWorker(kind, container, probe, {
      clock,
      pod: () => this.pods.get(uid)?.pod,
      runtime: () => this.deps.runtime(uid),
      run: (what, containerId) => this.run(uid, container, kind, what, containerId),
      isStarted: (id) => this.isStarted(probes.pod, container, id),
      initial: (which, id) => initialVerdict(which, probes.pod, id),
      onResult: (which, id, verdict) => this.record(uid, container, which, id, verdict),
      onEvent: (reason, message) => events.container(probes.pod, container, "Warning", reason, message),
    });
    probes.workers.set(key, worker);
    const periodMs = (probe.periodSeconds ?? 10) * 1000;
    // A kubelet that comes up finds all its pods at once; their probes must not all run in the same moment.
    const isFresh = clock.monotonic() - this.startedAt < periodMs;
    worker.run(isFresh ? Math.random() : 0).catch((error) => {
      log.error({ err: error, pod: uid, container: container.name, probe: kind }, "probe worker ended");
    });
  }

  private async run(
    uid: string,
    container: Container,
    kind: ProbeKind,
    probe: Parameters<typeof runProbe>[0],
    containerId: string,
  ) {
    const pod = this.pods.get(uid)?.pod;
    if (!pod) throw new Error("the pod is gone");
    const podIp = podIpsOf(pod, this.deps.runtime(uid), this.deps.hostIps)[0] ?? "";
    const labels = { probe_type: capital(kind), container: container.name, pod: pod.metadata.name, pod_uid: uid };
    try {
      const result = await runProbe(probe, { container, containerId, podIp }, this.deps);
      this.counter.inc({
        ...labels,
        namespace: pod.metadata.namespace ?? "",
        result: result.ok ? "successful" : "failed",
      });
      return result;
    } catch (error) {
      this.counter.inc({ ...labels, namespace: pod.metadata.namespace ?? "", result: "unknown" });
      throw error;
    }
  }

  private record(uid: string, container: Container, kind: ProbeKind, id: string, verdict: ProbeVerdict): void {
    const probes = this.pods.get(uid);
    if (!probes) return;
    const verdicts = probes.verdicts.get(id) ?? {};
    const changed = verdicts[kind] !== verdict;
    verdicts[kind] = verdict;
    probes.verdicts.set(id, verdicts);
    this.byContainer.set(id, verdicts);
    if (!changed) return;
    if (kind === "startup" && verdict === "success") {
      // What waited for the start need not wait for its own period as well.
      for (const other of ["liveness", "readiness"]) probes.workers.get(`${container.name}/${other}`)?.poke();
    }
    this.onChange(uid);
  }
}

function knownStatus(pod: Readonly<Pod>, containerId: string): ContainerStatus | undefined {
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  return [...containerStatuses, ...initContainerStatuses].find((s) => s.containerID === `containerd://${containerId}`);
}

/** What an earlier kubelet had published of the same container: a restart of the kubelet makes no pod unready. */
function initialVerdict(kind: ProbeKind, pod: Readonly<Pod>, containerId: string): ProbeVerdict | undefined {
  const known = knownStatus(pod, containerId);
  if (!known) return undefined;
  if (kind === "readiness") return known.ready ? "success" : "failure";
  if (kind === "startup") return known.started ? "success" : "unknown";
  return undefined;
}

function capital(kind: ProbeKind): string {
  return kind[0]?.toUpperCase() + kind.slice(1);
}
