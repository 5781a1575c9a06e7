// A containerd of a test's own: own root, state, socket, network namespace and images; nothing of the host is touched.

import type { ChildProcess } from "node:child_process";
import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { realClock } from "@skiff/component-base/clock.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import type { CgroupDriver } from "../cgroups/cgroup-names.ts";
import { CriClient } from "../cri/cri-client.ts";
import { buildOciArchive } from "./oci-image.ts";

const run = promisify(execFile);

const SANDBOX_IMAGE = "skiff.test/pause:1";
export const BUSYBOX_IMAGE = "skiff.test/busybox:1";

/** A containerd that was killed may wait for ever for a task that is gone. */
const STOP_MS = 10_000;

const HELPER = /^(runc|bridge|portmap|loopback|host-local|containerd-shim)/;

const APPLETS = [
  "sh",
  "sleep",
  "cat",
  "echo",
  "ls",
  "id",
  "true",
  "false",
  "httpd",
  "nc",
  "env",
  "touch",
  "stat",
  "kill",
];

export class PrivateContainerd implements AsyncDisposable {
  readonly dir: string;
  readonly netns: string;
  readonly endpoint: string;
  private readonly ownsNetns: boolean;
  private process: ChildProcess | undefined;

  private constructor(dir: string, netns: string, ownsNetns: boolean) {
    this.dir = dir;
    this.netns = netns;
    this.ownsNetns = ownsNetns;
    this.endpoint = `unix://${dir}/containerd.sock`;
  }

  /** Starts the one that comes first on the PATH with a pod network of `subnet`, in `netns` or one of its own. Needs root, and says so otherwise. */
  static async start(
    subnet = "10.231.7.0/24",
    netns?: string,
    cgroupDriver: CgroupDriver = "cgroupfs",
  ): Promise<PrivateContainerd> {
    if (process.getuid?.() !== 0) throw new Error("a private containerd needs root: run the test with sudo");
    const id = randomBytes(3).toString("hex");
    const dir = await mkdtemp(join(tmpdir(), `skiffk-${id}-`));
    // A pod's root that is nobody on the host must find the way to its own root file system.
    await chmod(dir, 0o755);
    const containerd = new PrivateContainerd(dir, netns ?? `skiffk-${id}`, netns === undefined);
    if (!netns) await makeNetns(containerd.netns);
    await containerd.writeConfig(subnet, id, cgroupDriver);
    await containerd.launch();
    await containerd.loadImages();
    return containerd;
  }

  client(): CriClient {
    return new CriClient(this.endpoint, { clock: realClock });
  }

  /** Holds a file for each address that a pod has. */
  get addressDir(): string {
    return join(this.dir, "ipam/test");
  }

  /** Prefix of a command that runs inside the network namespace. */
  get enter(): string[] {
    return ["nsenter", `--net=/run/netns/${this.netns}`];
  }

  async launch(): Promise<void> {
    const log = await open(join(this.dir, "containerd.log"), "a");
    const [command = "", ...args] = [...this.enter, "containerd", "--config", join(this.dir, "config.toml")];
    this.process = spawn(command, args, { stdio: ["ignore", log.fd, log.fd] });
    await log.close();
    await waitFor("containerd to come up", () => this.isReady(), { timeoutMs: 10_000 }).catch(async (error) => {
      const said = await readFile(join(this.dir, "containerd.log"), "utf8");
      throw new Error(`${(error as Error).message}: ${said}`, { cause: error });
    });
  }

  private async isReady(): Promise<boolean> {
    if (!existsSync(join(this.dir, "containerd.sock"))) return false;
    using client = this.client();
    const { status } = await client.status();
    return status?.conditions.every((condition) => condition.status) ?? false;
  }

  /** Ends containerd alone; its containers run on. */
  async kill(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const child = this.process;
    if (!child || child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    const timer = realClock.after(5000, () => child.kill("SIGKILL"));
    await gone;
    timer[Symbol.dispose]();
    this.process = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    {
      // In good order where that is possible, so that nothing of it stays in the host's folders.
      using client = new CriClient(this.endpoint, { clock: realClock }, { timeoutMs: STOP_MS });
      const sandboxes = await client.listPodSandboxes().catch(() => []);
      await Promise.all(
        sandboxes.map(({ id }) =>
          client
            .stopPodSandbox(id)
            .then(() => client.removePodSandbox(id))
            .catch(() => {}),
        ),
      );
    }
    await this.kill();
    for (const pid of await this.shims()) await killFamily(pid);
    if (this.ownsNetns) await run("ip", ["netns", "del", this.netns]).catch(() => {});
    await this.unmountAll();
    await rm(this.dir, { recursive: true, force: true });
  }

  /** As a reboot: all processes end, and what lies in memory is lost, but not what is mounted at `disk`. */
  async loseRuntimeState(disk: string): Promise<void> {
    await this.kill("SIGKILL");
    for (const pid of await this.shims()) await killFamily(pid);
    await this.unmountAll(disk);
    await rm(join(this.dir, "state"), { recursive: true, force: true });
  }

  /** Of the container's first process; 0 when it has none. */
  async pidOf(containerId: string): Promise<number> {
    const file = join(this.dir, "state/io.containerd.runtime.v2.task/k8s.io", containerId, "init.pid");
    return Number(await readFile(file, "utf8").catch(() => "0"));
  }

  /** Of this containerd. */
  async shims(): Promise<number[]> {
    const found: number[] = [];
    for (const pid of await processIds()) {
      const text = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      if (text.includes("containerd-shim") && text.includes(this.dir)) found.push(pid);
    }
    return found;
  }

  /** Writable layers of containers and sandboxes, on disk whether or not the CRI knows of them. */
  async containerSnapshots(): Promise<string[]> {
    const { stdout } = await run("ctr", [...this.ctrArguments, "snapshots", "ls"]);
    const rows = stdout.split("\n").map((line) => line.split(/\s+/));
    return rows.flatMap(([key = "", ...rest]) => (rest.includes("Active") ? [key] : []));
  }

  /** What containerd and its shims have just started and will soon have ended, such as runc and CNI plug-ins. */
  async helpers(): Promise<{ pid: number; name: string }[]> {
    const roots = [this.process?.pid ?? 0, ...(await this.shims())];
    const found: { pid: number; name: string }[] = [];
    for (const pid of await childrenOf(roots)) {
      const name = (await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")).trim();
      if (HELPER.test(name)) found.push({ pid, name });
    }
    return found;
  }

  private get ctrArguments(): string[] {
    return ["-a", join(this.dir, "containerd.sock"), "-n", "k8s.io"];
  }

  private async unmountAll(except?: string): Promise<void> {
    const mounts = (await readFile("/proc/self/mounts", "utf8")).split("\n").map((line) => line.split(" ")[1] ?? "");
    const mine = mounts.filter((at) => at.startsWith(this.dir) && at !== except);
    for (const path of mine.reverse()) await run("umount", ["-l", path]);
  }

  /** The images' blobs, as a broken disk would: containerd still knows the names. */
  async loseImageContent(): Promise<void> {
    await rm(join(this.dir, "root/io.containerd.content.v1.content/blobs"), { recursive: true });
  }

  /** Loads them anew, after what is there in name only was removed. */
  async restoreImages(): Promise<void> {
    await run("ctr", [...this.ctrArguments, "images", "rm", "--sync", SANDBOX_IMAGE, BUSYBOX_IMAGE]);
    await this.loadImages();
  }

  private async loadImages(): Promise<void> {
    const busybox = { "bin/busybox": "/bin/busybox" };
    const links = Object.fromEntries(APPLETS.map((name) => [`bin/${name}`, "busybox"]));
    const texts = { "etc/passwd": "root:x:0:0::/:/bin/sh\nweb:x:1000:1000::/:/bin/sh\n", "etc/group": "root:x:0:\n" };
    await this.loadImage({ ref: SANDBOX_IMAGE, files: busybox, entrypoint: ["/bin/busybox", "sleep", "infinity"] });
    await this.loadImage({ ref: BUSYBOX_IMAGE, files: busybox, links, texts, cmd: ["sleep", "1000"] });
  }

  async loadImage(image: Parameters<typeof buildOciArchive>[0]): Promise<void> {
    const archive = join(this.dir, "image.tar");
    await buildOciArchive(image, archive);
    await run("ctr", [...this.ctrArguments, "images", "import", archive]);
    await rm(archive);
  }

  private async writeConfig(subnet: string, id: string, cgroupDriver: CgroupDriver): Promise<void> {
    const { dir } = this;
    await mkdir(join(dir, "cni"), { recursive: true });
    await writeFile(join(dir, "cni/10-test.conflist"), JSON.stringify(cniConfig(dir, subnet, id)));
    await writeFile(join(dir, "config.toml"), containerdConfig(dir, cgroupDriver));
  }
}

/** A network namespace with nothing but loopback: no packet can leave the machine from it. */
export async function makeNetns(name: string): Promise<void> {
  await run("ip", ["netns", "add", name]);
  await run("ip", ["-n", name, "link", "set", "lo", "up"]);
}

async function processIds(): Promise<number[]> {
  return (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
}

/** Children of processes, by `/proc`. */
export async function childrenOf(parents: readonly number[]): Promise<number[]> {
  const found: number[] = [];
  for (const pid of await processIds()) {
    const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    const [, parent = ""] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    if (parents.includes(Number(parent))) found.push(pid);
  }
  return found;
}

export function killNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

async function killFamily(pid: number): Promise<void> {
  const children = await childrenOf([pid]);
  killNow(pid);
  for (const child of children) await killFamily(child);
}

function cniConfig(dir: string, subnet: string, id: string): object {
  return {
    cniVersion: "0.4.0",
    name: "test",
    plugins: [
      {
        type: "bridge",
        bridge: `skk${id}`,
        isGateway: true,
        ipam: { type: "host-local", ranges: [[{ subnet }]], dataDir: join(dir, "ipam") },
      },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  };
}

function containerdConfig(dir: string, cgroupDriver: CgroupDriver): string {
  return `version = 2
root = "${dir}/root"
state = "${dir}/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "${dir}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "${dir}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${SANDBOX_IMAGE}"
  restrict_oom_score_adj = true
  disable_hugetlb_controller = false
  netns_mounts_under_state_dir = true
  enable_cdi = true
  enable_selinux = ${existsSync("/sys/fs/selinux/enforce")}
  cdi_spec_dirs = ["${dir}/cdi"]
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${dir}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    options.SystemdCgroup = ${cgroupDriver === "systemd"}
`;
}
