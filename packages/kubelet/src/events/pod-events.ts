// Events about pods and their containers, as users see them in `kubectl describe`.
import type { Container, ObjectReference, Pod } from "@skiff/api/types.ts";

/** Kubernetes knows these two. */
export type EventType = "Normal" | "Warning";

/** Of an event's own object. */
type Annotations = Readonly<Record<string, string>>;

/** The narrow part of the client's EventRecorder. */
export interface Recorder {
  record(subject: ObjectReference, type: EventType, reason: string, message: string, annotations?: Annotations): void;
}

/** Recording is fire and forget: an event that cannot be written holds up nobody. */
export class PodEvents {
  private readonly recorder: Recorder;

  constructor(recorder: Recorder) {
    this.recorder = recorder;
  }

  pod(pod: Pod, type: EventType, reason: string, message: string, annotations?: Annotations): void {
    this.recorder.record(referenceTo(pod), type, reason, message, annotations);
  }

  /** The event's fieldPath names the container, as `spec.containers{web}`, by which kubectl shows whom it is about. */
  container(pod: Pod, container: Pick<Container, "name">, type: EventType, reason: string, message: string): void {
    const fieldPath = containerFieldPath(pod, container.name);
    this.recorder.record({ ...referenceTo(pod), ...(fieldPath ? { fieldPath } : {}) }, type, reason, message);
  }
}

function referenceTo(pod: Pod): ObjectReference {
  const { name, namespace, uid, resourceVersion } = pod.metadata;
  return { kind: "Pod", apiVersion: "v1", name, namespace, uid, resourceVersion };
}

function containerFieldPath(pod: Pod, name: string): string | undefined {
  const spec = pod.spec;
  const lists = [
    ["containers", spec?.containers],
    ["initContainers", spec?.initContainers],
    ["ephemeralContainers", spec?.ephemeralContainers],
  ] as const;
  for (const [list, containers] of lists) {
    if (containers?.some((container) => container.name === name)) return `spec.${list}{${name}}`;
  }
  return undefined;
}
