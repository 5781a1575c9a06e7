import assert from "node:assert/strict";
import { test } from "node:test";
import type { Container, ContainerStatus, PodSandbox, PodSandboxStatus } from "../cri/types.ts";
import { ANNOTATION, LABEL } from "./labels.ts";
import { containerFromCri, latestContainer } from "./runtime-pod.ts";
import { RuntimeReader } from "./runtime-reader.ts";

const LABELS = { [LABEL.podUid]: "u", [LABEL.podName]: "web", [LABEL.podNamespace]: "default" };
const HOUR_NS = 3_600_000_000_000n;
const START_NS = 1_790_000_000_000_000_000n;

test("RuntimeReader takes the later attempt for the newest though the clock was set back before it", async () => {
  const later = String(START_NS - HOUR_NS);
  const reader = new RuntimeReader({
    listPodSandboxes: async () => [sandbox("s0", 0, String(START_NS)), sandbox("s1", 1, later)],
    listContainers: async () => [container("c0", "s0", 0, String(START_NS)), container("c1", "s1", 1, later)],
    podSandboxStatus: async (id) =>
      sandboxStatus(id === "s0" ? sandbox(id, 0, String(START_NS)) : sandbox(id, 1, later)),
    containerStatus: async (id) => containerStatus(id, id === "c0" ? String(START_NS) : later),
  });
  const { pod } = await reader.read("u");
  assert.deepEqual(
    pod.sandboxes.map(({ id }) => id),
    ["s1", "s0"],
  );
  assert.equal(latestContainer(pod, "c")?.id, "c1", "the exited one would be started again and again");
  assert.equal(latestContainer(pod, "c")?.sandboxId, "s1");
});

test("RuntimeReader asks about a sandbox once after it was made, and again when its state has changed", async () => {
  const asked: string[] = [];
  let attempt = 1;
  const reader = new RuntimeReader({
    listPodSandboxes: async () => [sandbox("s", attempt, "1")],
    listContainers: async () => [],
    podSandboxStatus: async (id) => {
      asked.push(id);
      return sandboxStatus(sandbox(id, attempt, "1"));
    },
    containerStatus: async () => assert.fail("there is no container"),
  });
  assert.equal((await reader.readSandbox("s")).ready, true);
  const { pod } = await reader.read("u");
  assert.deepEqual([pod.sandboxes[0]?.ready, asked.length], [true, 1]);
  attempt = 0;
  assert.equal((await reader.read("u")).pod.sandboxes[0]?.ready, false);
  assert.equal(asked.length, 2);
});

function sandbox(id: string, attempt: number, createdAt: string): PodSandbox {
  const metadata = { name: "web", uid: "u", namespace: "default", attempt };
  const state = attempt === 1 ? "SANDBOX_READY" : "SANDBOX_NOTREADY";
  return { id, metadata, state, createdAt, labels: LABELS, annotations: {}, runtimeHandler: "" };
}

function sandboxStatus(found: PodSandbox): PodSandboxStatus {
  return { ...found, network: null, linux: null };
}

function container(id: string, podSandboxId: string, attempt: number, createdAt: string): Container {
  const labels = { ...LABELS, [LABEL.containerName]: "c" };
  const metadata = { name: "c", attempt };
  const state = attempt === 1 ? "CONTAINER_RUNNING" : "CONTAINER_EXITED";
  return { id, podSandboxId, metadata, image: null, imageRef: "", state, createdAt, labels, annotations: {} };
}

function containerStatus(id: string, createdAt: string): ContainerStatus {
  const attempt = id === "c1" ? 1 : 0;
  return {
    ...container(id, "", attempt, createdAt),
    annotations: { [ANNOTATION.restartCount]: String(attempt) },
    startedAt: createdAt,
    finishedAt: attempt === 1 ? "0" : createdAt,
    exitCode: 0,
    imageId: "",
    reason: "",
    message: "",
    mounts: [],
    logPath: "",
    resources: null,
    user: null,
    stopSignal: "RUNTIME_DEFAULT",
  };
}

test("containerFromCri tells the stop signal that a runtime knows, and nothing where it is silent", () => {
  const read = (stopSignal: string) => containerFromCri({ ...containerStatus("c1", "1"), stopSignal }, "s").stopSignal;
  assert.deepEqual([read("SIGUSR1"), read("RUNTIME_DEFAULT")], ["SIGUSR1", undefined]);
});
