// What security contexts make of a container: its users, groups, capabilities, system calls and what it may write.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { nodes } from "@skiff/api/resource-ref.ts";
import type { PodSecurityContext, SecurityContext } from "@skiff/api/types.ts";
import { writeOciArchive } from "@skiff/cli/images/oci-archive.ts";
import { nodeLayoutOf } from "@skiff/cli/layout.ts";
import { isDone, shell, TestPods } from "../../test-pods.ts";

const pods = await TestPods.start();

/** Lines of /proc/self/status by their names. */
const STATUS = shell("cat /proc/self/status");

async function statusUnder(name: string, securityContext: SecurityContext): Promise<Record<string, string>> {
  const text = await pods.output(name, { ...STATUS, securityContext });
  return Object.fromEntries(text.split("\n").map((line) => line.split(":\t") as [string, string]));
}

describe("a container runs", { concurrency: 4 }, () => {
  test("as the user and with the groups of its pod, unless it has its own", async () => {
    const volumeMounts = [{ name: "data", mountPath: "/data" }];
    const look = "id -u; id -g; id -G; touch /data/$(id -u); stat -c '%a %g' /data; stat -c %g /data/$(id -u)";
    await pods.create("users", {
      restartPolicy: "Never",
      securityContext: { runAsUser: 1000, runAsGroup: 2000, fsGroup: 3000, supplementalGroups: [4000] },
      containers: [
        shell(look, { name: "pods", volumeMounts }),
        shell(look, { name: "own", volumeMounts, securityContext: { runAsUser: 1001, runAsGroup: 2001 } }),
      ],
      volumes: [{ name: "data", emptyDir: {} }],
    });
    const { status } = await pods.when("users", isDone);
    assert.equal(status?.phase, "Succeeded", JSON.stringify(status));
    const [own, group, groups, folder, file] = (await pods.log("users", { container: "pods" })).split("\n");
    assert.deepEqual([own, group], ["1000", "2000"]);
    assert.deepEqual(groups?.split(" ").toSorted(), ["2000", "3000", "4000"]);
    assert.deepEqual([folder, file], ["2777 3000", "3000"], "the volume is the file system group's");
    assert.match(await pods.log("users", { container: "own" }), /^1001\n2001\n/);
  });

  test("not at all as root where it must not be root", async () => {
    const mustNot = (name: string, more: SecurityContext = {}) =>
      pods.create(name, { containers: [shell("id", { securityContext: { runAsNonRoot: true, ...more } })] });
    const [byImage, byUser] = [await mustNot("root-image"), await mustNot("root-user", { runAsUser: 0 })];
    const words = async (name: string) =>
      (await pods.whenWaiting(name, "CreateContainerConfigError")).state?.waiting?.message;
    const where = (pod: typeof byImage) => `(pod: "${pod.metadata.name}_default(${pod.metadata.uid})", container: c)`;
    assert.equal(await words("root-image"), `container has runAsNonRoot and image will run as root ${where(byImage)}`);
    assert.equal(await words("root-user"), `container's runAsUser breaks non-root policy ${where(byUser)}`);
    const id = shell("id -u", { securityContext: { runAsNonRoot: true, runAsUser: 5 } });
    assert.equal(await pods.output("no-root", id), "5\n");
  });

  test("as the image's user by name, unless that has to be proven not to be root, or is nobody", async () => {
    const busybox = readFileSync("/bin/busybox");
    const files = [
      { path: "bin/sh", mode: 0o755, content: busybox },
      { path: "etc/passwd", mode: 0o644, content: Buffer.from("web:x:1234:1234::/:/bin/sh\n") },
    ];
    const image = (user: string) => ({ name: `example.test/user-${user}:1`, files, entrypoint: ["/bin/sh"], user });
    const archive = join(pods.cluster.state, "users.tar");
    await writeOciArchive(archive, [image("web"), image("ghost")]);
    await pods.cluster.skiff("images", "load", archive, "--state", pods.cluster.state);
    const as = (user: string, securityContext: SecurityContext = {}) => ({
      ...{
        name: "c",
        image: image(user).name,
        command: ["/bin/sh", "-c", "while read a b; do echo $a $b; done < /proc/self/status"],
      },
      securityContext,
    });
    assert.match(await pods.output("by-name", as("web")), /^Uid: 1234/m);
    const group = await pods.output("group-alone", shell("id -u; id -g", { securityContext: { runAsGroup: 5 } }));
    assert.equal(group, "0\n5\n", "an image without a user is root's, whatever the group");
    const { metadata } = await pods.create("unproven", { containers: [as("web", { runAsNonRoot: true })] });
    await pods.create("ghost", { containers: [as("ghost")] });
    const unproven = await pods.whenWaiting("unproven", "CreateContainerConfigError");
    const where = `(pod: "unproven_default(${metadata.uid})", container: c)`;
    const words = `container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root ${where}`;
    assert.equal(unproven.state?.waiting?.message, words);
    const ghost = await pods.whenWaiting("ghost", "CreateContainerError");
    assert.match(ghost.state?.waiting?.message ?? "", /user ghost|no users found/);
  });

  test("with those groups alone that it names, or not where the runtime cannot; confined by AppArmor, or not where the kernel cannot", async () => {
    const { status } = await pods.client.of(nodes).get("", "node-1", { signal: new AbortController().signal });
    const strict = { runAsUser: 5, supplementalGroups: [7], supplementalGroupsPolicy: "Strict" };
    const confined = { appArmorProfile: { type: "RuntimeDefault" } };
    const once = (name: string, securityContext: PodSecurityContext) =>
      pods.create(name, { restartPolicy: "Never", securityContext, containers: [shell("id -G")] });
    await once("strict", strict);
    await once("confined", confined);
    const ends = async (name: string) => {
      const { phase, reason, message } = (await pods.when(name, isDone)).status ?? {};
      return [phase, reason, message];
    };
    const refused = ["Failed", "SupplementalGroupsPolicyNotSupported"];
    const words = "Pod was rejected: SupplementalGroupsPolicy=Strict is not supported in this node";
    const done = ["Succeeded", undefined, undefined];
    assert.deepEqual(await ends("strict"), status?.features?.supplementalGroupsPolicy ? done : [...refused, words]);
    const noAppArmor = "Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on the host";
    assert.deepEqual(await ends("confined"), hasAppArmor() ? done : ["Failed", "AppArmor", noAppArmor]);
  });

  test("with the capabilities that it adds and without those that it drops", async () => {
    const { CapEff: usual } = await statusUnder("usual", {});
    assert.equal(usual, "00000000a80425fb");
    const capabilities = { drop: ["ALL"], add: ["NET_BIND_SERVICE"] };
    assert.equal((await statusUnder("few", { capabilities })).CapEff, "0000000000000400");
    const more = await statusUnder("more", { capabilities: { add: ["NET_ADMIN"], drop: ["CHOWN"] } });
    assert.equal(more.CapEff, "00000000a80435fa");
  });

  test("without a way to more privileges where that is forbidden", async () => {
    assert.equal((await statusUnder("may-rise", {})).NoNewPrivs, "0");
    assert.equal((await statusUnder("may-not-rise", { allowPrivilegeEscalation: false })).NoNewPrivs, "1");
  });

  test("with all that the node has where it is privileged", async () => {
    const script = "mkdir /m && mount -t tmpfs mine /m && grep -c ' /m tmpfs' /proc/mounts; ls /dev | wc -l";
    const [mounted, devices] = (await pods.output("mighty", shell(script, { securityContext: { privileged: true } })))
      .trim()
      .split("\n");
    // Without the right to mount, only the devices are counted.
    const usual = (await pods.output("meek", shell(`(${script}) 2>/dev/null; true`))).trim();
    assert.equal(mounted, "1");
    assert.ok(Number(devices) > Number(usual), `${devices} devices, of ${usual} that all have`);
  });

  test("on a root file system that it can only read, beside volumes that it can write", async () => {
    const container = shell("touch /x 2>&1; touch /data/x && ls /data", {
      securityContext: { readOnlyRootFilesystem: true },
      volumeMounts: [{ name: "data", mountPath: "/data" }],
    });
    const text = await pods.output("read-only", container, { volumes: [{ name: "data", emptyDir: {} }] });
    assert.match(text, /touch: \/x: Read-only file system\nx\n/);
  });

  test("under the seccomp profile of its pod, its own, or one of the node's files", async () => {
    const mode = async (name: string, securityContext: SecurityContext) =>
      (await statusUnder(name, securityContext)).Seccomp;
    assert.equal(await mode("open", { seccompProfile: { type: "Unconfined" } }), "0");
    assert.equal(await mode("runtime", { seccompProfile: { type: "RuntimeDefault" } }), "2");
    const { kubeletRoot } = nodeLayoutOf(pods.cluster.layout, "node-1");
    const folder = join(kubeletRoot, "seccomp", "profiles");
    mkdirSync(folder, { recursive: true });
    const syscalls = [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO" }];
    writeFileSync(join(folder, "no-mkdir.json"), JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls }));
    const localhost = (localhostProfile: string) => ({ seccompProfile: { type: "Localhost", localhostProfile } });
    const container = shell("mkdir /tmp/x 2>&1; true", { securityContext: localhost("profiles/no-mkdir.json") });
    assert.match(await pods.output("local", container), /mkdir: .*Operation not permitted/);
    await pods.create("no-profile", {
      containers: [shell("id", { securityContext: localhost("profiles/none.json") })],
    });
    const { state } = await pods.whenWaiting("no-profile", "CreateContainerError");
    assert.match(state?.waiting?.message ?? "", /profiles\/none\.json/);
  });

  test("with the kernel's sensitive files hidden or read-only", async () => {
    const look = "ls /sys/firmware | wc -l; echo 1 > /proc/sys/kernel/domainname";
    const text = await pods.output("masked", shell(`(${look}) 2>&1; true`));
    assert.match(text, /^0\n/);
    assert.match(text, /Read-only file system/);
  });
});

function hasAppArmor(): boolean {
  const enabled = "/sys/module/apparmor/parameters/enabled";
  return existsSync(enabled) && readFileSync(enabled, "utf8").startsWith("Y");
}
