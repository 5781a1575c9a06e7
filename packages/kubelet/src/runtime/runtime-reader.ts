// Reads pods from the runtime: all of them in short, or one in full.
import type { CriClient } from "../cri/cri-client.ts";
import { isCriNotFound } from "../cri/cri-client.ts";
import type { Container, PodSandbox } from "../cri/types.ts";
import { LABEL } from "./labels.ts";
import type { RuntimeContainer, RuntimePod, RuntimeSandbox } from "./runtime-pod.ts";
import { containerFromCri, emptyRuntimePod, sandboxFromCri } from "./runtime-pod.ts";
import { terminationMessage } from "./termination-message.ts";

type Cri = Pick<CriClient, "listPodSandboxes" | "listContainers" | "podSandboxStatus" | "containerStatus">;

/** A pod in the runtime's lists: enough to see that something changed. */
export interface PodSummary {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly sandboxes: readonly PodSandbox[];
  readonly containers: readonly Container[];
  /** Equal while nothing about the pod has changed. */
  readonly fingerprint: string;
}

/** Listing is one call for all, describing one call per container; what cannot change any more is kept. */
export class RuntimeReader {
  private readonly cri: Cri;
  /** Exited containers never change again. Key: container id. */
  private readonly exited = new Map<string, RuntimeContainer>();
  /** A sandbox changes with its state alone: its addresses are there before it is ready. Key: sandbox id. */
  private readonly sandboxes = new Map<
    string,
    { readonly state: PodSandbox["state"]; readonly known: RuntimeSandbox }
  >();

  constructor(cri: Cri) {
    this.cri = cri;
  }

  /** Every pod that carries a kubelet's labels; what has none was made by somebody else and is not seen. */
  async list(): Promise<Map<string, PodSummary>> {
    const [sandboxes, containers] = await Promise.all([this.cri.listPodSandboxes(), this.cri.listContainers()]);
    const live = new Set(containers.map((container) => container.id));
    for (const id of this.exited.keys()) if (!live.has(id)) this.exited.delete(id);
    const present = new Set(sandboxes.map((sandbox) => sandbox.id));
    for (const id of this.sandboxes.keys()) if (!present.has(id)) this.sandboxes.delete(id);
    return summarize(sandboxes, containers);
  }

  /** The pod in full, newest first. */
  async read(uid: string): Promise<{ pod: RuntimePod; fingerprint: string }> {
    const labels = { [LABEL.podUid]: uid };
    const [sandboxes, containers] = await Promise.all([
      this.cri.listPodSandboxes(labels),
      this.cri.listContainers(labels),
    ]);
    const summary = summarize(sandboxes, containers).get(uid);
    if (!summary) return { pod: emptyRuntimePod({ uid, namespace: "", name: "" }), fingerprint: "" };
    return { pod: await this.describe(summary), fingerprint: summary.fingerprint };
  }

  /** Also of one that was just made: the look that follows its pod's start need not ask again. */
  async readSandbox(id: string): Promise<RuntimeSandbox> {
    const status = await this.cri.podSandboxStatus(id);
    const known = sandboxFromCri(status);
    this.sandboxes.set(id, { state: status.state, known });
    return known;
  }

  /** What was removed since the list is left out. */
  async describe(summary: PodSummary): Promise<RuntimePod> {
    const [sandboxes, containers] = await Promise.all([
      Promise.all(summary.sandboxes.map((sandbox) => this.sandbox(sandbox))),
      Promise.all(summary.containers.map((container) => this.container(container))),
    ]);
    return {
      uid: summary.uid,
      namespace: summary.namespace,
      name: summary.name,
      sandboxes: sandboxes.filter((sandbox) => sandbox !== undefined).sort(byAttempt),
      containers: containers.filter((container) => container !== undefined).sort(byRestart),
    };
  }

  private async sandbox({ id, state }: PodSandbox): Promise<RuntimeSandbox | undefined> {
    const cached = this.sandboxes.get(id);
    if (cached?.state === state) return cached.known;
    return this.readSandbox(id).catch(absentWhenGone);
  }

  private async container({ id, podSandboxId }: Container): Promise<RuntimeContainer | undefined> {
    const known = this.exited.get(id);
    if (known) return known;
    const status = await this.cri.containerStatus(id).catch(absentWhenGone);
    if (!status) return undefined;
    const container = containerFromCri(status, podSandboxId);
    if (container.state !== "exited") return container;
    // Read once, at the first look after the exit: the file goes with the container.
    const message = [container.message, await terminationMessage(container)].filter(Boolean).join(": ");
    const ended = { ...container, message };
    this.exited.set(id, ended);
    return ended;
  }
}

// Newest first. The counts decide, for a clock that was set back would make the newest look like the oldest.
function byAttempt(a: RuntimeSandbox, b: RuntimeSandbox): number {
  return b.attempt - a.attempt || b.createdAt - a.createdAt;
}

function byRestart(a: RuntimeContainer, b: RuntimeContainer): number {
  return b.restartCount - a.restartCount || b.createdAt - a.createdAt;
}

/** Between listing and asking, things may have been removed. */
function absentWhenGone(error: unknown): undefined {
  if (!isCriNotFound(error)) throw error;
}

function summarize(sandboxes: readonly PodSandbox[], containers: readonly Container[]): Map<string, PodSummary> {
  const pods = new Map<string, { name: string; namespace: string; sandboxes: PodSandbox[]; containers: Container[] }>();
  const podOf = (labels: Record<string, string>) => {
    const uid = labels[LABEL.podUid];
    const name = labels[LABEL.podName];
    const namespace = labels[LABEL.podNamespace];
    if (!uid || !name || !namespace) return undefined;
    const known = pods.get(uid) ?? { name, namespace, sandboxes: [], containers: [] };
    pods.set(uid, known);
    return known;
  };
  for (const sandbox of sandboxes) podOf(sandbox.labels)?.sandboxes.push(sandbox);
  for (const container of containers) {
    if (container.labels[LABEL.containerName]) podOf(container.labels)?.containers.push(container);
  }
  return new Map([...pods].map(([uid, pod]) => [uid, { uid, ...pod, fingerprint: fingerprintOf(pod) }]));
}

/** Ids and states alone: nothing else of a container changes without a change of these. */
function fingerprintOf(pod: { sandboxes: PodSandbox[]; containers: Container[] }): string {
  const parts = [...pod.sandboxes, ...pod.containers].map(({ id, state }) => `${id.slice(0, 16)}:${state}`);
  return parts.sort().join(",");
}
