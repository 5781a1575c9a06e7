// Devices from a plugin's registration, over real sockets, to containers.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Container } from "@skiff/api/types.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import type { FakeDevice, FakePluginOptions } from "../../testing/fake-device-plugin.ts";
import { FakeDevicePlugin } from "../../testing/fake-device-plugin.ts";
import { sampleContainer, samplePod } from "../../testing/sample-pods.ts";
import { ResourceManagers } from "../resource-managers.ts";
import { chooseDevices, deviceHints } from "./choose-devices.ts";
import { deviceHealth } from "./device-health.ts";
import { devicePluginHandler } from "./device-plugin-handler.ts";

const RESOURCE = "example.com/widget";
const device = (ID: string, health: FakeDevice["health"] = "Healthy", ...nodes: number[]): FakeDevice => ({
  ID,
  health,
  ...(nodes.length > 0 ? { topology: { nodes: nodes.map((node) => ({ ID: node })) } } : {}),
});
const wanting = (name: string, count: number): Container =>
  sampleContainer(name, { resources: { limits: { [RESOURCE]: String(count) } } });

test("chooseDevices reuses first, then takes what is near, advised by the plugin, then the rest", async () => {
  const nodes = new Map([
    ["a0", [0]],
    ["a1", [0]],
    ["b0", [1]],
    ["b1", [1]],
    ["x", []],
  ]);
  const choice = { available: new Set(nodes.keys()), reusable: new Set<string>(), nodes, affinity: 0b10 };
  const silent = { prefer: async () => undefined };
  const ids = async (more: object) => [...(await chooseDevices({ needed: 1, ...choice, ...silent, ...more }))];
  assert.deepEqual(await ids({}), ["b0"]);
  assert.deepEqual(await ids({ prefer: async () => ["b1"] }), ["b1"]);
  assert.deepEqual(await ids({ prefer: async () => ["a0"] }), ["b0"], "advice beyond the near ones counts for nothing");
  assert.deepEqual(await ids({ needed: 3 }), ["b0", "b1", "a0"]);
  assert.deepEqual(await ids({ needed: 5 }), ["b0", "b1", "a0", "a1", "x"]);
  assert.deepEqual(await ids({ needed: 2, reusable: new Set(["a1"]) }), ["a1", "b0"]);
});

test("deviceHints prefers the fewest nodes that could ever do, and knows when there is no way", () => {
  const nodes = new Map([
    ["a", [0]],
    ["b", [0]],
    ["c", [1]],
  ]);
  const hints = (available: string[], needed: number) =>
    deviceHints({ nodes, available: new Set(available), reusable: new Set(), needed }, [0, 1]);
  assert.deepEqual(hints(["a", "b", "c"], 2), [
    { nodes: 0b01, preferred: true },
    { nodes: 0b11, preferred: false },
  ]);
  assert.deepEqual(hints(["a", "c"], 2), [{ nodes: 0b11, preferred: false }]);
  assert.deepEqual(hints(["a"], 2), []);
  assert.equal(
    deviceHints({ nodes: new Map([["x", []]]), available: new Set(["x"]), reusable: new Set(), needed: 1 }, [0, 1]),
    undefined,
  );
});

function makeManagers(rootDir: string): ResourceManagers {
  const none = { cpu: undefined, memory: undefined, reconcileMs: 10_000, preferClosestNodes: false, maxNumaNodes: 8 };
  return new ResourceManagers(
    { rootDir, topologyPolicy: "none", topologyScope: "container", ...none },
    {
      clock: realClock,
      log: silentLogger(),
      onCapacity: () => {},
      running: () => [],
      pods: () => [],
      updateContainer: async () => {},
    },
  );
}

async function withManagers(
  work: (make: () => Promise<ResourceManagers>, folder: string) => Promise<void>,
): Promise<void> {
  const rootDir = await mkdtemp(join(tmpdir(), "resources-devices-"));
  const stop = new AbortController();
  const running: Promise<void>[] = [];
  const make = async () => {
    const managers = makeManagers(rootDir);
    await managers.restore();
    running.push(managers.run(stop.signal));
    return managers;
  };
  try {
    await work(make, join(rootDir, "device-plugins"));
  } finally {
    stop.abort();
    await Promise.all(running);
    await rm(rootDir, { recursive: true });
  }
}

async function startPlugin(folder: string, more: Partial<FakePluginOptions> = {}): Promise<FakeDevicePlugin> {
  const respond = (ids: readonly string[]) => ({ envs: { WIDGETS: ids.join(",") }, annotations: { widget: "yes" } });
  const devices = [device("w1"), device("w2"), device("w3", "Unhealthy")];
  const plugin = await FakeDevicePlugin.start({ folder, resource: RESOURCE, devices, respond, ...more });
  await waitFor("the kubelet's socket", () => plugin.register().then(() => true));
  return plugin;
}

test("a plugin's devices are counted, given out, prepared, and asked for no more than there are", async () => {
  await withManagers(async (make, folder) => {
    const managers = await make();
    await waitFor("the folder", () => readFile(join(folder, "kubelet.sock")).catch((error) => error.code !== "ENOENT"));
    await using plugin = await startPlugin(folder, { preStartRequired: true, prefer: (ids) => ids.toReversed() });
    await waitFor("the devices", async () => managers.capacity().allocatable[RESOURCE] === "2");
    assert.equal(managers.capacity().capacity[RESOURCE], "3");
    const pod = samplePod({ containers: [wanting("c", 1)] });
    assert.deepEqual(await managers.allocate(pod), { admitted: true });
    assert.deepEqual(await managers.allocate(pod), { admitted: true }, "what it has is not asked for again");
    const { devices } = await managers.extrasFor(pod, pod.spec.containers[0]!);
    assert.deepEqual(devices?.envs, { WIDGETS: "w2" }, "as the plugin preferred");
    assert.deepEqual(
      plugin.calls.map(({ method }) => method),
      ["GetPreferredAllocation", "Allocate", "PreStartContainer"],
    );
    const greedy = samplePod({ containers: [wanting("c", 2)] }, { uid: "greedy" });
    assert.deepEqual(await managers.allocate(greedy), {
      admitted: false,
      reason: "UnexpectedAdmissionError",
      message: `Allocate failed due to requested number of devices unavailable for ${RESOURCE}. Requested: 2, Available: 1, which is unexpected`,
    });
    managers.release(pod.metadata.uid ?? "");
    assert.deepEqual(await managers.allocate(greedy), { admitted: true });
    await assert.rejects(plugin.register("v9"), /requested API version "v9" is not supported by kubelet/);
  });
});

test("a plugin's refusal is told in the form that gRPC has for it", async () => {
  await withManagers(async (make, folder) => {
    const managers = await make();
    const respond = () => {
      throw new Error("out of order");
    };
    await using _plugin = await startPlugin(folder, { respond });
    await waitFor("the devices", async () => managers.capacity().allocatable[RESOURCE] === "2");
    assert.deepEqual(await managers.allocate(samplePod({ containers: [wanting("c", 1)] })), {
      admitted: false,
      reason: "UnexpectedAdmissionError",
      message: "Allocate failed due to rpc error: code = Unknown desc = out of order, which is unexpected",
    });
  });
});

test("init containers' devices are the regular containers' afterwards, but not both sidecars' and theirs", async () => {
  await withManagers(async (make, folder) => {
    const managers = await make();
    await waitFor("the folder", () => readFile(join(folder, "kubelet.sock")).catch((error) => error.code !== "ENOENT"));
    await using _plugin = await startPlugin(folder);
    await waitFor("the devices", async () => managers.capacity().allocatable[RESOURCE] === "2");
    const pod = samplePod({ initContainers: [wanting("init", 2)], containers: [wanting("a", 1), wanting("b", 1)] });
    assert.deepEqual(await managers.allocate(pod), { admitted: true });
    managers.release(pod.metadata.uid ?? "");
    const sidecar = { ...wanting("side", 2), restartPolicy: "Always" };
    const crowded = await managers.allocate(samplePod({ initContainers: [sidecar], containers: [wanting("a", 1)] }));
    assert.equal(crowded.admitted, false);
    assert.deepEqual(await managers.allocate(pod), { admitted: true }, "a refused pod holds nothing");
  });
});

test("a lost plugin's devices are unhealthy; a kubelet that starts anew knows who has which", async () => {
  await withManagers(async (make, folder) => {
    const managers = await make();
    await waitFor("the folder", () => readFile(join(folder, "kubelet.sock")).catch((error) => error.code !== "ENOENT"));
    const pod = samplePod({ containers: [wanting("c", 1)] });
    {
      await using plugin = await startPlugin(folder);
      await waitFor("the devices", async () => managers.capacity().allocatable[RESOURCE] === "2");
      await managers.allocate(pod);
      plugin.offer([device("w1", "Unhealthy"), device("w2")]);
      await waitFor("the news", async () => managers.capacity().allocatable[RESOURCE] === "1");
    }
    await waitFor("the loss", async () => managers.capacity().allocatable[RESOURCE] === "0");
    assert.equal(managers.capacity().capacity[RESOURCE], "2");
    const file = join(folder, "kubelet_internal_checkpoint");
    await waitFor("the checkpoint", async () => (await readFile(file, "utf8")).includes('"c"'));
    const again = makeManagers(join(folder, ".."));
    await again.restore();
    assert.deepEqual(again.capacity().capacity, { [RESOURCE]: "0" }, "until the plugin is back");
    assert.deepEqual(await again.allocate(pod), { admitted: true });
    const refused = await again.allocate(samplePod({ containers: [wanting("c", 1)] }, { uid: "new" }));
    assert.match(refused.admitted ? "" : refused.message, /cannot allocate unregistered device/);
    const extras = await again.extrasFor(pod, pod.spec.containers[0]!);
    assert.equal(extras.devices?.annotations.widget, "yes");
    again.release(pod.metadata.uid ?? "");
    await assert.rejects(again.extrasFor(pod, pod.spec.containers[0]!), /cannot allocate unregistered device/);
    await again.close();
  });
});

test("a device plugin may come in by the folder of all plugins, and leave by it", async () => {
  await withManagers(async (make, folder) => {
    const managers = await make();
    await waitFor("the folder", () => readFile(join(folder, "kubelet.sock")).catch((error) => error.code !== "ENOENT"));
    const respond = () => ({});
    await using plugin = await FakeDevicePlugin.start({ folder, resource: RESOURCE, devices: [device("w1")], respond });
    const handler = devicePluginHandler(managers.devices);
    const info = { type: "DevicePlugin", name: RESOURCE, endpoint: plugin.socket, supportedVersions: ["v1beta1"] };
    assert.throws(() => handler.validate({ ...info, supportedVersions: ["v1"] }), /"v1" is not supported/);
    assert.throws(() => handler.validate({ ...info, name: "widget" }), /the ResourceName "widget" is invalid/);
    const { signal } = new AbortController();
    await handler.register(info, signal);
    await waitFor("the device", async () => managers.capacity().allocatable[RESOURCE] === "1");
    await handler.deregister(RESOURCE, signal);
    await waitFor("its loss", async () => managers.capacity().allocatable[RESOURCE] === "0");
  });
});

test("deviceHealth tells of each device once, and of none whose plugin is away", () => {
  const options = { envs: {}, mounts: [], devices: [], annotations: {}, cdiDevices: [] };
  const ids = new Map([
    [0, ["b", "a"]],
    [1, ["a", "lost"]],
  ]);
  const entry = { podUid: "u", container: "c", resource: "example.com/widget", devices: ids, options };
  const nodes = new Map(["a", "b"].map((id) => [id, []]));
  const told = (stoppedAt: number | undefined) =>
    deviceHealth([entry], () => ({ devices: { nodes, healthy: new Set(["a"]) }, stoppedAt })).flatMap(
      ({ resources = [] }) => resources.map(({ resourceID, health }) => `${resourceID} ${health}`),
    );
  assert.deepEqual(told(undefined), ["a Healthy", "b Unhealthy", "lost Unknown"]);
  assert.deepEqual(told(5), ["a Unknown", "b Unknown", "lost Unknown"]);
  assert.equal(deviceHealth([entry], () => undefined)[0]?.resources?.[0]?.health, "Unknown");
});
