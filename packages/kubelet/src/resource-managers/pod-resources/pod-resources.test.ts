// The socket as a monitor sees it.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { credentials, makeGenericClientConstructor } from "@grpc/grpc-js";
import { serviceMethods } from "../../grpc/service-methods.ts";
import { sampleContainer, samplePod } from "../../testing/sample-pods.ts";
import descriptor from "./podresources-v1.json" with { type: "json" };
import oldDescriptor from "./podresources-v1alpha1.json" with { type: "json" };
import { servePodResources } from "./serve-pod-resources.ts";

const v1 = serviceMethods(descriptor, ["v1.PodResourcesLister"]);
const v1alpha1 = serviceMethods(oldDescriptor, ["v1alpha1.PodResourcesLister"]);

function call(socket: string, name: string, request: object, methods = v1): Promise<unknown> {
  const method = methods[name];
  if (!method) throw new Error(`no method ${name}`);
  const Generic = makeGenericClientConstructor({}, "pod-resources");
  const client = new Generic(`unix://${socket}`, credentials.createInsecure());
  const { path, requestSerialize, responseDeserialize } = method;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, response) => {
      client.close();
      if (error) reject(new Error(error.details));
      else resolve(response);
    });
  });
}

test("the pod resources API lists who has what, one pod alone, and what can be had", async () => {
  const dir = await mkdtemp(join(tmpdir(), "resources-podresources-"));
  const socket = join(dir, "pod-resources", "kubelet.sock");
  const init = sampleContainer("init");
  const pod = samplePod({ initContainers: [init], containers: [sampleContainer("c"), sampleContainer("d")] });
  const nodes = new Map([
    ["w1", [1]],
    ["w2", []],
  ]);
  const block = { numaAffinity: [0], type: "memory", size: 1024 };
  const entry = { podUid: "", container: "c", resource: "example.com/widget", devices: new Map([[1, ["w1"]]]) };
  const options = { envs: {}, mounts: [], devices: [], annotations: {}, cdiDevices: [] };
  try {
    await using _server = await servePodResources(socket, {
      pods: () => [pod],
      devices: {
        allocations: (_uid, container) => (container === "c" ? [{ ...entry, options }] : []),
        offered: () => new Map([["example.com/widget", { nodes, healthy: new Set(["w1", "w2"]) }]]),
      },
      cpu: {
        exclusiveOf: (_uid, container) => (container === "c" ? new Set([3, 2]) : undefined),
        allocatable: new Set([1, 2, 3]),
      },
      memory: { blocksOf: (_uid, container) => (container === "c" ? [block] : []), allocatable: [block] },
    });
    const memory = [{ memoryType: "memory", size: "1024", topology: { nodes: [{ ID: "0" }] } }];
    const widget = (id: string, node?: string) => ({
      resourceName: "example.com/widget",
      deviceIds: [id],
      topology: node === undefined ? null : { nodes: [{ ID: node }] },
    });
    const expected = {
      name: pod.metadata.name,
      namespace: "default",
      containers: [
        { name: "c", devices: [widget("w1", "1")], cpuIds: ["2", "3"], memory },
        { name: "d", devices: [], cpuIds: [], memory: [] },
      ],
    };
    assert.deepEqual(await call(socket, "List", {}), { podResources: [expected] });
    const devicesOnly = expected.containers.map(({ name, devices }) => ({
      name,
      devices: devices.map(({ resourceName, deviceIds }) => ({ resourceName, deviceIds })),
    }));
    assert.deepEqual(await call(socket, "List", {}, v1alpha1), {
      podResources: [{ ...expected, containers: devicesOnly }],
    });
    const named = { podName: pod.metadata.name, podNamespace: "default" };
    assert.deepEqual(await call(socket, "Get", named), { podResources: expected });
    await assert.rejects(call(socket, "Get", { ...named, podName: "x" }), /pod x in namespace default not found/);
    assert.deepEqual(await call(socket, "GetAllocatableResources", {}), {
      devices: [widget("w1", "1"), widget("w2")],
      cpuIds: ["1", "2", "3"],
      memory,
    });
  } finally {
    await rm(dir, { recursive: true });
  }
});
