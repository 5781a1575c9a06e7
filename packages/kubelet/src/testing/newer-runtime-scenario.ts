// Pods with user namespaces, image volumes and recursive read-only mounts; newer-runtime.component.test.ts runs it in a network namespace.
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { configMaps, pods, secrets } from "@skiff/api/resource-ref.ts";
import type { Pod } from "@skiff/api/types.ts";
import type { ResourceClient } from "@skiff/client/resource-client.ts";
import { commandOutput } from "@skiff/component-base/command.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { NodeUnderTest } from "./node-under-test.ts";
import { BUSYBOX_IMAGE } from "./private-containerd.ts";

const options = { signal: new AbortController().signal };

/** Ids of a pod with users of its own. */
const RANGE = 65_536;

/** Rejects at the first step that goes wrong, with what the pods say and the end of the kubelet's log. */
export default async function runScenario(netns: string): Promise<void> {
  await using node = await NodeUnderTest.start(netns);
  const scenario = new Scenario(node);
  try {
    await scenario.run();
  } catch (error) {
    const { items } = await node.client.of(pods).list({ namespace: "default" }, options);
    const told = items.map(({ metadata, status }) => `${metadata.name}: ${JSON.stringify(status)}`);
    throw new Error([(error as Error).message, ...told, node.kubeletLog.slice(-4000)].join("\n"), { cause: error });
  }
}

class Scenario {
  private readonly node: NodeUnderTest;
  private readonly pods: ResourceClient<Pod>;

  constructor(node: NodeUnderTest) {
    this.node = node;
    this.pods = node.client.of(pods);
  }

  async run(): Promise<void> {
    this.node.startKubelet();
    await this.tellsOfItsRuntime();
    await this.node.furnish();
    await this.node.client
      .of(configMaps)
      .create("default", { metadata: { name: "cfg" }, data: { word: "hi" } }, options);
    const data = { word: Buffer.from("hush").toString("base64") };
    await this.node.client.of(secrets).create("default", { metadata: { name: "sec" }, data }, options);
    const first = await this.givesUsersOfTheirOwn();
    await this.keepsThemThroughARestart(first);
    await this.mountsAnImage();
    await this.mountsATreeReadOnly();
    await this.freesWhatEnded();
  }

  private async tellsOfItsRuntime(): Promise<void> {
    const { status } = await this.node.isReady();
    assert.deepEqual(status?.features, { supplementalGroupsPolicy: true });
    const features = { recursiveReadOnlyMounts: true, userNamespaces: true };
    assert.deepEqual(status?.runtimeHandlers, [
      { features, name: "" },
      { features, name: "runc" },
    ]);
  }

  /** Root inside is nobody on the host, yet reads what is root's and writes to its volume. */
  private async givesUsersOfTheirOwn(): Promise<number> {
    const script = [
      "echo map $(cat /proc/self/uid_map)",
      "echo read $(cat /cfg/word) $(cat /sec/word) $(stat -c %u:%g /cfg/word /etc/hosts /data)",
      "echo x > /data/mine; echo x >> /etc/hosts; echo done > /dev/termination-log",
      "echo groups $(stat -c %u:%g /data/mine)",
      "echo end",
      "sleep 1000",
    ].join("; ");
    const mounts = [
      { name: "data", mountPath: "/data" },
      { name: "cfg", mountPath: "/cfg" },
      { name: "sec", mountPath: "/sec" },
    ];
    await this.node.createPod("users", {
      hostUsers: false,
      securityContext: { fsGroup: 3000 },
      containers: [shell("c", script, { volumeMounts: mounts })],
      volumes: [
        { name: "data", emptyDir: {} },
        { name: "cfg", configMap: { name: "cfg", defaultMode: 0o400 } },
        { name: "sec", secret: { secretName: "sec", defaultMode: 0o400 } },
      ],
    });
    const pod = await this.node.podIsReady("users");
    const text = await this.outputOf(pod);
    const host = await this.hostIdOf(pod);
    assert.ok(host >= RANGE && host % RANGE === 0, `root is ${host} on the host`);
    assert.match(text, new RegExp(`map 0 ${host} ${RANGE}`));
    assert.match(text, /read hi hush 0:3000 0:0 0:3000/);
    assert.match(text, /groups 0:3000/);
    // On the disk files belong to whom the pod sees, so another pod, with other ids, can read them after this one.
    const mine = join(this.node.rootDir, "pods", pod.metadata.uid ?? "", "volumes/kubernetes.io~empty-dir/data/mine");
    const { uid, gid } = await stat(mine);
    assert.deepEqual([uid, gid], [0, 3000]);
    return host;
  }

  private async keepsThemThroughARestart(before: number): Promise<void> {
    await this.node.stopKubelet("SIGKILL");
    await this.node.createPod("others", { hostUsers: false, containers: [shell("c", "sleep 1000")] });
    await this.killContainer(await this.pods.get("default", "users", options));
    this.node.startKubelet();
    const other = await this.node.podIsReady("others");
    const again = await waitFor("the container to be back", async () => {
      const pod = await this.pods.get("default", "users", options);
      const [status] = pod.status?.containerStatuses ?? [];
      return status?.restartCount === 1 && status.ready && pod;
    });
    assert.equal(await this.hostIdOf(again), before);
    assert.notEqual(await this.hostIdOf(other), before);
  }

  private async mountsAnImage(): Promise<void> {
    const image = { reference: BUSYBOX_IMAGE, pullPolicy: "IfNotPresent" };
    const volumeMounts = [{ name: "img", mountPath: "/img" }];
    const script = "cat /img/etc/passwd; ls /img/bin; touch /img/x; echo end; sleep 1000";
    const volumes = [{ name: "img", image }];
    await this.node.createPod("image", { containers: [shell("c", script, { volumeMounts })], volumes });
    const pod = await this.node.podIsReady("image");
    const text = await this.outputOf(pod);
    assert.match(text, /root:x:0:0/);
    assert.match(text, /F busybox/);
    assert.match(text, /Read-only file system/);
    const [mounted] = pod.status?.containerStatuses?.[0]?.volumeMounts?.filter(({ name }) => name === "img") ?? [];
    assert.equal(mounted?.mountPath, "/img");
  }

  /** A file system that is mounted below the volume would stay writable in an ordinary read-only mount. */
  private async mountsATreeReadOnly(): Promise<void> {
    const tree = join(this.node.containerd.dir, "tree");
    await mkdir(join(tree, "below"), { recursive: true });
    await commandOutput("mount", ["-t", "tmpfs", "tree", join(tree, "below")]);
    const mount = { name: "tree", mountPath: "/tree", readOnly: true, recursiveReadOnly: "Enabled" };
    await this.node.createPod("tree", {
      containers: [shell("c", "touch /tree/below/x; echo end; sleep 1000", { volumeMounts: [mount] })],
      volumes: [{ name: "tree", hostPath: { path: tree } }],
    });
    const pod = await this.node.podIsReady("tree");
    const [shown] = pod.status?.containerStatuses?.[0]?.volumeMounts?.filter(({ name }) => name === "tree") ?? [];
    assert.deepEqual(shown, mount);
    assert.match(await this.outputOf(pod), /below\/x: Read-only file system/);
  }

  /** What its container wrote up to the line `end`. */
  private outputOf({ metadata: { name, uid } }: Pod): Promise<string> {
    const log = join(this.node.logDir, `default_${name}_${uid}`, "c", "0.log");
    return waitFor(`the end of the script of ${name}`, async () => {
      const found = await readFile(log, "utf8");
      return found.includes("F end") && found;
    });
  }

  private async freesWhatEnded(): Promise<void> {
    for (const name of ["users", "others", "image", "tree"])
      await this.pods.delete("default", name, { gracePeriodSeconds: 0 }, options);
    await waitFor("the pods' folders to be gone", async () => {
      return (await readdir(join(this.node.rootDir, "pods"))).length === 0;
    });
  }

  /** Whom the container's first process is on the host. */
  private async hostIdOf(pod: Pod): Promise<number> {
    const pid = await this.node.containerd.pidOf(containerId(pod));
    const [, uid] = /^Uid:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, "utf8")) ?? [];
    return Number(uid);
  }

  private async killContainer(pod: Pod): Promise<void> {
    using cri = this.node.containerd.client();
    await cri.stopContainer(containerId(pod), 0);
  }
}

function shell(name: string, script: string, more: object = {}) {
  return { name, image: BUSYBOX_IMAGE, command: ["sh", "-c", script], ...more };
}

function containerId(pod: Pod): string {
  return pod.status?.containerStatuses?.[0]?.containerID?.replace("containerd://", "") ?? "";
}
