// What newer runtimes can do and older ones cannot, with the containerd that comes first on the PATH, and how that is told.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import type { FastifyRequest } from "fastify";
import { chooseDriver } from "../cgroups/open-cgroups.ts";
import type { CriClient } from "../cri/cri-client.ts";
import { exitEvents } from "../cri/exit-events.ts";
import { runtimeAbilities } from "../node/runtime-abilities.ts";
import { PodPaths } from "../pod-paths.ts";
import { checkpointHandler } from "../server/checkpoint-container.ts";
import type { RunParams } from "../server/run-in-container.ts";
import { BUSYBOX_IMAGE, PrivateContainerd } from "../testing/private-containerd.ts";
import { sampleContainer, samplePod, sampleRuntime, sampleState } from "../testing/sample-pods.ts";
import { defaultPool } from "../user-namespaces/id-pool.ts";
import { HOST_USERS } from "../user-namespaces/in-user-namespace.ts";
import { PodUserNamespaces } from "../user-namespaces/pod-user-namespaces.ts";
import { sandboxConfig } from "./sandbox-config.ts";

const stack = new AsyncDisposableStack();
let containerd: PrivateContainerd;
let cri: CriClient;
let dir = "";
/** Of containerd: from 2.0 on it tells of its abilities. */
let major = 0;

before(async () => {
  assert.equal(process.getuid?.(), 0, "this test makes network namespaces: run it as root");
  dir = await mkdtemp(join(tmpdir(), "skiff-newer-"));
  stack.defer(() => rm(dir, { recursive: true }));
  containerd = stack.use(await PrivateContainerd.start("10.231.10.0/24"));
  cri = stack.use(containerd.client());
  major = Number(/^v?(\d+)/.exec((await cri.version()).runtimeVersion)?.[1]);
});
after(() => stack.disposeAsync());

function sandboxSettings() {
  const dns = { clusterDns: [], clusterDomain: "", node: { servers: [], searches: [], options: [] } };
  return { logDirectory: dir, cgroupParent: "", dns, clusterDomain: "", users: HOST_USERS };
}

test("the node's status tells of what the runtime tells", async () => {
  const { runtimeHandlers, features } = runtimeAbilities(await cri.status());
  if (major < 2) return assert.deepEqual([runtimeHandlers, features], [undefined, undefined]);
  assert.deepEqual(features, { supplementalGroupsPolicy: true });
  assert.deepEqual(
    runtimeHandlers?.map(({ name }) => name),
    ["", "runc"],
  );
});

test("a pod with users of its own gets a range, or upstream's words where the runtime cannot", async () => {
  const pod = samplePod({ hostUsers: false });
  const paths = new PodPaths(dir, dir);
  await mkdir(paths.pod(pod.metadata.uid ?? ""), { recursive: true });
  const users = new PodUserNamespaces({ cri, paths, pool: async () => defaultPool(65536), random: () => 1 });
  if (major < 2) {
    const message = `can't set \`spec.hostUsers: false\`, runtime does not support user namespaces: the handler "" is not known`;
    return assert.rejects(users.create(pod, ""), { message });
  }
  assert.deepEqual((await users.create(pod, "")).uids, [{ hostId: 2 * 65536, containerId: 0, length: 65536 }]);
});

test("the runtime says who makes its cgroups, or the configuration does", async () => {
  const deps = { cri, clock: realClock, log: silentLogger(), signal: new AbortController().signal };
  // Of the two drivers the test's containerd is set to the one that is not configured here.
  assert.equal(await chooseDriver("systemd", deps), major < 2 ? "systemd" : "cgroupfs");
});

test("an exit is told of by the CRI's own stream where it has one", { timeout: 60_000 }, async () => {
  if (major < 2) return;
  const stop = new AbortController();
  // No containerd listens there: what comes can only have come by the CRI.
  const exits = exitEvents(cri, { endpoint: `unix://${dir}/nobody.sock`, clock: realClock }, stop.signal)[
    Symbol.asyncIterator
  ]();
  let told: string | undefined;
  const first = exits.next().then(({ value }) => {
    told = value;
  });
  const ended = new Set<string>();
  // The runtime does not say when its stream begins, so sandboxes end until one is told of.
  while (told === undefined && ended.size < 20) {
    const config = sandboxConfig(samplePod({ hostNetwork: true }), ended.size, sandboxSettings());
    const id = await cri.runPodSandbox(config, "");
    ended.add(id);
    await cri.stopPodSandbox(id);
    await cri.removePodSandbox(id);
  }
  await first;
  assert.ok(told && ended.has(told));
  stop.abort();
});

test("devices that have names go to the runtime by their names", { timeout: 60_000 }, async () => {
  // containerd 1.6 knows no such names and leaves them out.
  if (major < 2) return;
  const devices = [{ name: "one", containerEdits: { env: ["THING=one of them"] } }];
  await mkdir(join(containerd.dir, "cdi"));
  const spec = { cdiVersion: "0.6.0", kind: "skiff.test/thing", devices };
  await writeFile(join(containerd.dir, "cdi/thing.json"), JSON.stringify(spec));
  const sandbox = sandboxConfig(samplePod({ hostNetwork: true }), 100, sandboxSettings());
  const id = await cri.runPodSandbox(sandbox, "");
  const { namespaceOptions } = sandbox.linux.securityContext;
  const lists = { supplementalGroups: [], maskedPaths: [], readonlyPaths: [] };
  const securityContext = { ...lists, privileged: false, readonlyRootfs: false, noNewPrivs: false, namespaceOptions };
  const container = await cri.createContainer(
    id,
    {
      ...{ metadata: { name: "c", attempt: 0 }, image: { image: BUSYBOX_IMAGE }, command: ["sleep", "1000"], args: [] },
      ...{ workingDir: "", envs: [], mounts: [], devices: [], labels: {}, annotations: {}, logPath: "" },
      ...{ stdin: false, stdinOnce: false, tty: false, CDIDevices: [{ name: "skiff.test/thing=one" }] },
      linux: { resources: {}, securityContext },
    },
    sandbox,
  );
  await cri.startContainer(container);
  const environment = await readFile(`/proc/${await containerd.pidOf(container)}/environ`, "utf8");
  assert.ok(environment.split("\0").includes("THING=one of them"));
  await cri.stopPodSandbox(id);
  await cri.removePodSandbox(id);
});

test("a checkpoint names what is missing, or repeats why the runtime made none", async () => {
  const pod = samplePod({ containers: [sampleContainer("c")] });
  const handler = checkpointHandler(
    { rootDir: dir },
    {
      pods: { find: (_namespace, name) => (name === "web" ? pod : undefined) },
      runtime: { read: async () => ({ pod: sampleRuntime([sampleState("c")]), fingerprint: "" }) },
      cri,
      clock: realClock,
    },
  );
  const ask = (name: string, container: string, query = "") =>
    handler({
      params: { namespace: "default", pod: name, container },
      url: `/checkpoint/default/${name}/${container}${query}`,
    } as FastifyRequest<{ Params: RunParams }>);
  await assert.rejects(ask("gone", "c"), { status: 404, message: "pod does not exist" });
  await assert.rejects(ask("web", "x"), { status: 404, message: "container x does not exist" });
  await assert.rejects(ask("web", "c", "?timeout=soon"), { status: 400 });
  // containerd 1.6 has no such call; 2.x wants criu, or, with it, the container that this test made up.
  const why = major < 2 ? /Unimplemented.*CheckpointContainer/ : /CRIU|c-0/;
  await assert.rejects(ask("web", "c", "?timeout=5"), (error: { status: number; message: string }) => {
    assert.equal(error.status, 500);
    assert.match(error.message, /^checkpointing of default\/web\/c failed \(/);
    assert.match(error.message, why);
    return true;
  });
});
