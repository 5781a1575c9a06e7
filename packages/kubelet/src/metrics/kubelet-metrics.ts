// The kubelet's own metrics under upstream's names.
import type { Pod } from "@skiff/api/types.ts";
import type { Counter, Histogram, MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { RuntimePod } from "../runtime/runtime-pod.ts";
import { readySandbox } from "../runtime/runtime-pod.ts";

/** Where gauges are read from at each scrape. */
export interface MetricSources {
  readonly nodeName: string;
  /** Pods in the runtime. */
  running(): readonly RuntimePod[];
  /** Pods that the node shall run, or still ends. */
  desired(): readonly Readonly<Pod>[];
  admitted(): readonly Readonly<Pod>[];
  isStatic(pod: Readonly<Pod>): boolean;
  mirrorCount(): number;
}

/** Upstream's buckets of start times: up to ten minutes. */
const START_SECONDS = [0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600];
/** Kinds of volumes that are counted, by their field in the pod's spec. */
const PLUGINS = [
  "configMap",
  "secret",
  "emptyDir",
  "hostPath",
  "downwardAPI",
  "projected",
  "persistentVolumeClaim",
] as const;

/** Names and help texts are upstream's, so that dashboards and alerts made for it work. */
export class KubeletMetrics {
  private readonly startSeconds: Histogram;
  private readonly relistSeconds: Histogram;
  private readonly relistInterval: Histogram;
  private readonly workerSeconds: Histogram;
  private readonly rejections: Counter;
  /** Pods displaced for a critical one. */
  readonly preemptions: Counter;
  private readonly startedContainers: Counter;
  private readonly failedContainers: Counter;
  private readonly startedPods: Counter;
  private lastRelistSeconds = 0;

  constructor(registry: MetricsRegistry) {
    this.startSeconds = registry.histogram(
      "kubelet_pod_start_duration_seconds",
      "Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run",
      START_SECONDS,
    );
    this.relistSeconds = registry.histogram(
      "kubelet_pleg_relist_duration_seconds",
      "Duration in seconds for relisting pods in PLEG.",
    );
    this.relistInterval = registry.histogram(
      "kubelet_pleg_relist_interval_seconds",
      "Interval in seconds between relisting in PLEG.",
    );
    this.workerSeconds = registry.histogram(
      "kubelet_pod_worker_duration_seconds",
      "Duration in seconds to sync a single pod. Broken down by operation type: create, update, or sync",
    );
    this.preemptions = registry.counter(
      "kubelet_preemptions",
      "Cumulative number of pod preemptions by preemption resource",
    );
    this.rejections = registry.counter(
      "kubelet_admission_rejections_total",
      "Cumulative number pod admission rejections by the Kubelet.",
    );
    this.startedContainers = registry.counter(
      "kubelet_started_containers_total",
      "Cumulative number of containers started",
    );
    this.failedContainers = registry.counter(
      "kubelet_started_containers_errors_total",
      "Cumulative number of errors when starting containers",
    );
    this.startedPods = registry.counter("kubelet_started_pods_total", "Cumulative number of pods started");
    registry.observedGauge(
      "kubelet_pleg_last_seen_seconds",
      "Timestamp in seconds when PLEG was last seen active.",
      () => [{ value: this.lastRelistSeconds }],
    );
  }

  /** Gauges that are read when they are asked for. */
  observe(registry: MetricsRegistry, sources: MetricSources): void {
    const one = (value: number) => [{ value }];
    // For joining series: the kubelet's own have no label of the node.
    registry.observedGauge("kubelet_node_name", "The node's name. The count is always 1.", () => [
      { labels: { node: sources.nodeName }, value: 1 },
    ]);
    registry.observedGauge("kubelet_running_pods", "Number of pods that have a running pod sandbox", () =>
      one(sources.running().filter(readySandbox).length),
    );
    registry.observedGauge("kubelet_running_containers", "Number of containers currently running", () =>
      containersByState(sources.running()),
    );
    registry.observedGauge(
      "kubelet_desired_pods",
      "The number of pods the kubelet is being instructed to run. static is true if the pod is not from the apiserver.",
      () => byStatic(sources.desired(), sources),
    );
    registry.observedGauge(
      "kubelet_active_pods",
      "The number of pods the kubelet considers active and which are being considered when admitting new pods. static is true if the pod is not from the apiserver.",
      () => byStatic(sources.admitted(), sources),
    );
    registry.observedGauge(
      "kubelet_mirror_pods",
      "The number of mirror pods the kubelet will try to create (one per admitted static pod)",
      () => one(sources.mirrorCount()),
    );
    registry.observedGauge("volume_manager_total_volumes", "Number of volumes in Volume Manager", () =>
      volumesByPlugin(sources.desired()),
    );
  }

  /** A pod has begun to run, so long after the kubelet first saw it. */
  podRuns(seconds: number): void {
    this.startSeconds.observe(seconds);
    this.startedPods.inc();
  }

  /** The node turned a pod away. */
  rejected(reason: string): void {
    this.rejections.inc({ reason });
  }

  /** One list of the runtime's pods; the interval is that since the last one. */
  relisted(seconds: number, intervalSeconds: number | undefined, epochSeconds: number): void {
    this.relistSeconds.observe(seconds);
    if (intervalSeconds !== undefined) this.relistInterval.observe(intervalSeconds);
    this.lastRelistSeconds = epochSeconds;
  }

  /** One pass of a pod's worker. */
  passed(operation: "create" | "sync" | "update" | "terminating", seconds: number): void {
    this.workerSeconds.observe(seconds, { operation_type: operation });
  }

  /** `code` is the reason of a failure, such as ErrImagePull; none for a start that went well. */
  containerStart(type: "container" | "init_container" | "ephemeral_container", code: string | undefined): void {
    this.startedContainers.inc({ container_type: type });
    if (code !== undefined) this.failedContainers.inc({ container_type: type, code });
  }
}

/** All four states always: a series that comes and goes cannot be summed. */
function containersByState(pods: readonly RuntimePod[]) {
  const counts = new Map(["created", "exited", "running", "unknown"].map((state) => [state, 0]));
  for (const { containers } of pods) {
    for (const { state } of containers) counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  return [...counts].map(([state, value]) => ({ labels: { container_state: state }, value }));
}

/** The label is empty for pods of the API, as upstream. */
function byStatic(pods: readonly Readonly<Pod>[], { isStatic }: Pick<MetricSources, "isStatic">) {
  const own = pods.filter(isStatic).length;
  return [
    { labels: { static: "" }, value: pods.length - own },
    { labels: { static: "true" }, value: own },
  ];
}

/** Both states the same, since volumes are set up within a pod's own pass and not by a loop of their own. */
function volumesByPlugin(pods: readonly Readonly<Pod>[]) {
  const counts = new Map<string, number>();
  for (const pod of pods) {
    for (const volume of pod.spec?.volumes ?? []) {
      const plugin = PLUGINS.find((name) => volume[name]);
      if (plugin) counts.set(plugin, (counts.get(plugin) ?? 0) + 1);
    }
  }
  const states = ["actual_state_of_world", "desired_state_of_world"];
  return [...counts].flatMap(([name, value]) =>
    states.map((state) => ({
      labels: { plugin_name: `kubernetes.io/${name.replace(/[A-Z]+/g, (text) => `-${text.toLowerCase()}`)}`, state },
      value,
    })),
  );
}
