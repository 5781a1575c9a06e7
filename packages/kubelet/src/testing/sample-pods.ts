// Pods, containers and runtime states for tests, made from the little that a test cares about.
import type { Container, ObjectMeta, Pod, PodSpec } from "@skiff/api/types.ts";
import { containerHash } from "../runtime/labels.ts";
import type { RuntimeContainer, RuntimePod, RuntimeSandbox } from "../runtime/runtime-pod.ts";

const SAMPLE_UID = "11111111-2222-3333-4444-555555555555";

export function samplePod(spec: Partial<PodSpec> = {}, metadata: Partial<Pod["metadata"]> = {}): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...sampleMeta("web"), uid: SAMPLE_UID, generation: 1, ...metadata },
    spec: { restartPolicy: "Always", containers: [sampleContainer("c")], ...spec },
  };
}

export function sampleMeta(name: string, namespace = "default"): ObjectMeta {
  return { name, namespace, uid: `uid-${name}`, resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" };
}

export function sampleContainer(name: string, more: Partial<Container> = {}): Container {
  return { name, image: "busybox:1", ...more };
}

export function sampleSandbox(more: Partial<RuntimeSandbox> = {}): RuntimeSandbox {
  return { id: "s0", attempt: 0, ready: true, createdAt: 1000, ips: ["10.0.0.5"], networkMode: "POD", ...more };
}

export function sampleRuntime(containers: readonly RuntimeContainer[], sandboxes = [sampleSandbox()]): RuntimePod {
  return { uid: SAMPLE_UID, namespace: "default", name: "web", sandboxes, containers };
}

/** Running unless told otherwise, with the hash that fits `sampleContainer`. */
export function sampleState(name: string, more: Partial<RuntimeContainer> = {}): RuntimeContainer {
  return {
    id: `${name}-0`,
    sandboxId: "s0",
    name,
    state: "running",
    createdAt: 2000,
    startedAt: 2000,
    finishedAt: 0,
    exitCode: 0,
    reason: "",
    message: "",
    image: "busybox:1",
    imageRef: "sha256:1",
    logPath: "",
    restartCount: 0,
    hash: containerHash({ name, image: "busybox:1" }),
    terminationMessagePath: "",
    terminationMessagePolicy: "File",
    terminationMessageFile: "",
    recursiveReadOnlyPaths: [],
    gracePeriodSeconds: undefined,
    preStop: undefined,
    resources: undefined,
    user: undefined,
    stopSignal: undefined,
    ...more,
  };
}
