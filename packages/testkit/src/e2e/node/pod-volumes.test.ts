// Volumes as containers see them: kinds, modes, owners, updates, sub-paths and what may go wrong with them.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Unsaved } from "@skiff/api/object.ts";
import { configMaps, persistentVolumeClaims, persistentVolumes, pods as podRef } from "@skiff/api/resource-ref.ts";
import type { PersistentVolume, Volume } from "@skiff/api/types.ts";
import { commandOutput } from "@skiff/component-base/command.ts";
import { isDone, isReady, shell, TestPods, WAIT } from "../../test-pods.ts";
import { waitFor } from "../../wait-for.ts";

const pods = await TestPods.start();
const options = { signal: new AbortController().signal };
/** A folder of the machine that ends with the cluster. */
const folder = join(pods.cluster.state, "volumes-of-tests");
mkdirSync(folder);

const at = (mountPath: string, more: object = {}) => ({ volumeMounts: [{ name: "v", mountPath, ...more }] });
const volume = (source: Omit<Volume, "name">) => ({ volumes: [{ name: "v", ...source }] });
const file = (path: string) => join(folder, path);

describe("a container has", { concurrency: 5 }, () => {
  test("an emptyDir on disk or in memory, which outlives it", async () => {
    const look = "grep ' /data ' /proc/mounts; stat -c %a /data; ls /data";
    await pods.create("memory", {
      restartPolicy: "Never",
      containers: [shell(look, at("/data"))],
      ...volume({ emptyDir: { medium: "Memory", sizeLimit: "1Mi" } }),
    });
    await pods.create("disk", {
      restartPolicy: "OnFailure",
      containers: [shell(`${look}; [ -e /data/kept ] || { touch /data/kept; exit 1; }`, at("/data"))],
      ...volume({ emptyDir: {} }),
    });
    await pods.when("memory", isDone);
    const inMemory = await pods.log("memory");
    assert.match(inMemory, /^tmpfs \/data tmpfs .*size=1024k/);
    // The kernel gives the root of a tmpfs the sticky bit, and upstream leaves it there.
    assert.match(inMemory, /\n1777\n$/);
    const { status } = await pods.when("disk", isDone);
    assert.equal(status?.containerStatuses?.[0]?.restartCount, 1);
    const onDisk = await pods.log("disk");
    assert.doesNotMatch(onDisk, /^tmpfs/);
    assert.match(onDisk, /\n777\nkept\n$/);
  });

  test("a folder, file or device of its node's, of the type that it says", async () => {
    writeFileSync(file("plain"), "words of the host\n");
    const volumes = [
      { name: "made", hostPath: { path: file("made"), type: "DirectoryOrCreate" } },
      { name: "created", hostPath: { path: file("created"), type: "FileOrCreate" } },
      { name: "plain", hostPath: { path: file("plain"), type: "File" } },
      { name: "null", hostPath: { path: "/dev/null", type: "CharDevice" } },
    ];
    const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/v/${name}`, readOnly: name === "plain" }));
    const script = "cat /v/plain; echo a > /v/created; echo b > /v/made/b; test -c /v/null; echo x > /v/plain || true";
    const text = await pods.output("host-paths", shell(`(${script}) 2>&1`, { volumeMounts }), { volumes });
    assert.match(text, /^words of the host\n.*\/v\/plain: Read-only file system\n$/);
    assert.equal(statSync(file("made")).mode & 0o777, 0o755);
    assert.equal(statSync(file("created")).mode & 0o777, 0o644);
    assert.ok(existsSync(file("made/b")));
  });

  test("nothing of its node's that is of another type", async () => {
    const hostPath = { path: file("not-there"), type: "Directory" };
    await pods.create("no-folder", { containers: [shell(WAIT, at("/v"))], ...volume({ hostPath }) });
    const words = `FailedMount MountVolume.SetUp failed for volume "v" : hostPath type check failed: ${hostPath.path} is not a directory`;
    assert.equal(await pods.event("no-folder", /hostPath type check/), words);
    mkdirSync(hostPath.path);
    await pods.when("no-folder", isReady);
  });

  test("files of a ConfigMap with the keys, paths and modes that it asks for, and sees them change", async () => {
    const binaryData = { bytes: Buffer.from([0, 255, 1]).toString("base64") };
    await pods.createConfigMap("files", { data: { a: "one", b: "two" }, binaryData });
    const items = [
      { key: "a", path: "deep/a", mode: 0o400 },
      { key: "bytes", path: "bytes" },
    ];
    const sources = [
      { name: "v", configMap: { name: "files", items, defaultMode: 0o440 } },
      { name: "none", configMap: { name: "absent", optional: true } },
    ];
    const volumeMounts = [...at("/v").volumeMounts, { name: "none", mountPath: "/none" }];
    await pods.create("files", { containers: [shell(WAIT, { volumeMounts })], volumes: sources });
    await pods.when("files", isReady);
    const look =
      "cd /v; ls; cat deep/a; stat -L -c ' %a' deep/a bytes; od -An -tx1 bytes; readlink deep; readlink ..data; ls /none";
    const seen = (await pods.exec("files", look)).split("\n");
    assert.deepEqual(seen.slice(0, 6), ["bytes", "deep", "one 400", " 440", " 00 ff 01", "..data/deep"]);
    const link = seen[6] ?? "";
    assert.match(link, /^\.\.\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d\.\w+$/);
    await pods.client.of(configMaps).patch("default", "files", "merge", { data: { a: "new" } }, options);
    await waitFor("the change", async () => (await pods.exec("files", "cat /v/deep/a")) === "new", {
      timeoutMs: 100_000,
    });
    assert.notEqual(await pods.exec("files", "readlink /v/..data"), `${link}\n`, "all files change in one step");
  });

  test("nothing of a ConfigMap that is not there, until it is", async () => {
    const container = shell("cat /v/a", at("/v"));
    await pods.create("waits", {
      restartPolicy: "Never",
      containers: [container],
      ...volume({ configMap: { name: "late" } }),
    });
    const words = 'FailedMount MountVolume.SetUp failed for volume "v" : configmap "late" not found';
    assert.equal(await pods.event("waits", /FailedMount/), words);
    await pods.createConfigMap("late", { data: { a: "here" } });
    await pods.when("waits", isDone);
    assert.equal(await pods.log("waits"), "here");
  });

  test("Secrets, facts of its pod and a token for whom it names, in one volume", async () => {
    await pods.createSecret("key", { stringData: { key: "secret words" } });
    const sources = [
      { secret: { name: "key", items: [{ key: "key", path: "s/key", mode: 0o400 }] } },
      { downwardAPI: { items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }] } },
      { configMap: { name: "kube-root-ca.crt" } },
      { serviceAccountToken: { path: "token", audience: "vault", expirationSeconds: 600 } },
    ];
    const container = shell(WAIT, at("/v"));
    const labels = { app: "all", tier: "web" };
    await pods.create("projected", { containers: [container], ...volume({ projected: { sources } }) }, { labels });
    const { metadata } = await pods.when("projected", isReady);
    const seen = await pods.exec(
      "projected",
      "cd /v; cat s/key; stat -L -c ' %a' s/key token; cat labels; echo; head -n 1 ca.crt",
    );
    const lines = seen.split("\n").filter((line) => line !== "");
    assert.deepEqual(lines.slice(0, 2), ["secret words 400", " 644"]);
    assert.deepEqual(lines.slice(2), ['app="all"', 'tier="web"', "-----BEGIN CERTIFICATE-----"]);
    const [, payload = ""] = (await pods.exec("projected", "cat /v/token")).split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as {
      aud: string[];
      "kubernetes.io": { pod: object };
    };
    assert.deepEqual(claims.aud, ["vault"]);
    assert.deepEqual(claims["kubernetes.io"].pod, { name: "projected", uid: metadata.uid });
    await pods.client
      .of(podRef)
      .patch("default", "projected", "merge", { metadata: { labels: { tier: "db" } } }, options);
    await waitFor("the label", async () => (await pods.exec("projected", "cat /v/labels")).includes('tier="db"'), {
      timeoutMs: 100_000,
    });
  });

  test("its account's token, certificate and namespace unless it wants none", async () => {
    const look = shell("ls /var/run/secrets/kubernetes.io/serviceaccount 2>&1; true");
    assert.equal(await pods.output("account", look), "ca.crt\nnamespace\ntoken\n");
    const none = await pods.output("no-account", look, { automountServiceAccountToken: false });
    assert.match(none, /No such file or directory/);
  });

  test("a part of a volume, by name or by what its environment says", async () => {
    const env = [{ name: "WHO", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }];
    const container = shell("echo x > /one/x; echo y > /mine/y; ls /all /all/sub /all/of-parts", {
      env,
      volumeMounts: [
        { name: "v", mountPath: "/all" },
        { name: "v", mountPath: "/one", subPath: "sub" },
        { name: "v", mountPath: "/mine", subPathExpr: "of-$(WHO)" },
      ],
    });
    const text = await pods.output("parts", container, volume({ emptyDir: {} }));
    assert.equal(text, "/all:\nof-parts\nsub\n\n/all/of-parts:\ny\n\n/all/sub:\nx\n");
  });

  test("no part of a volume that leads out of it", async () => {
    symlinkSync("/etc", file("out"));
    await pods.create("escapes", {
      containers: [shell(WAIT, at("/v", { subPath: "out" }))],
      ...volume({ hostPath: { path: folder } }),
    });
    const { state } = await pods.whenWaiting("escapes", "CreateContainerConfigError");
    assert.equal(state?.waiting?.message, 'failed to prepare subPath for volumeMount "v" of container "c"');
  });

  test("what is mounted on its node later, if it asks to see that, and shows what it mounts itself", async () => {
    const shared = file("shared");
    mkdirSync(shared);
    // Whatever the machine's root is, this mount passes on what is mounted below it.
    for (const args of [
      ["--bind", shared, shared],
      ["--make-rshared", shared],
    ])
      await commandOutput("mount", args);
    try {
      const seeing = (name: string, mountPropagation: string) =>
        shell(WAIT, { name, ...at("/v", { mountPropagation }) });
      const showing = { ...seeing("shows", "Bidirectional"), securityContext: { privileged: true } };
      const containers = [seeing("c", "HostToContainer"), seeing("blind", "None"), showing];
      await pods.create("propagates", { containers, ...volume({ hostPath: { path: shared } }) });
      await pods.when("propagates", isReady);
      mkdirSync(join(shared, "later"));
      await commandOutput("mount", ["-t", "tmpfs", "later", join(shared, "later")]);
      writeFileSync(join(shared, "later/file"), "");
      const seen = (container: string) =>
        pods.kubectl.run("exec", "propagates", "-c", container, "--", "ls", "/v/later");
      assert.deepEqual([await seen("c"), await seen("blind")], ["file\n", ""]);
      const own = "mkdir /v/own && mount -t tmpfs own /v/own && touch /v/own/mine";
      await pods.kubectl.run("exec", "propagates", "-c", "shows", "--", "sh", "-c", own);
      assert.ok(existsSync(join(shared, "own/mine")), "the node does not see the container's mount");
      assert.equal(await pods.exec("propagates", "ls /v/own"), "mine\n");
      await pods.kubectl.run("delete", "pod", "propagates", "--now");
    } finally {
      await commandOutput("umount", ["-R", "-l", shared]);
    }
  });

  test("no more room on the node's disk than it may use", async () => {
    const resources = { limits: { "ephemeral-storage": "1Mi" } };
    await pods.create("fills", { containers: [shell(`head -c 3000000 /dev/zero > /file; ${WAIT}`, { resources })] });
    const { status } = await pods.when("fills", isDone);
    assert.deepEqual([status?.phase, status?.reason], ["Failed", "Evicted"]);
    assert.equal(status?.message, "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ");
    const target = status?.conditions?.find(({ type }) => type === "DisruptionTarget");
    assert.deepEqual([target?.status, target?.reason, target?.observedGeneration], ["True", "TerminationByKubelet", 1]);
  });

  test("files about its pod and its resources, and none of a key that may be missing", async () => {
    await pods.createConfigMap("partial", { data: { a: "one" }, immutable: true });
    const amount = (resource: string, divisor: string) => ({
      resourceFieldRef: { containerName: "c", resource, divisor },
    });
    const items = [
      { path: "name", fieldRef: { fieldPath: "metadata.name" } },
      { path: "deep/notes", fieldRef: { fieldPath: "metadata.annotations" }, mode: 0o400 },
      { path: "cpu", ...amount("limits.cpu", "1m") },
      { path: "memory", ...amount("requests.memory", "1Mi") },
    ];
    const keys = [
      { key: "a", path: "a" },
      { key: "none", path: "none" },
    ];
    const volumes = [
      { name: "v", downwardAPI: { items, defaultMode: 0o440 } },
      { name: "w", configMap: { name: "partial", items: keys, optional: true } },
    ];
    const script = "cd /v; for f in name deep/notes cpu memory; do cat $f; stat -L -c ' %a' $f; done; ls /w";
    const container = shell(script, {
      volumeMounts: [...at("/v").volumeMounts, { name: "w", mountPath: "/w" }],
      resources: { limits: { cpu: "250m" }, requests: { cpu: "10m", memory: "8Mi" } },
    });
    const annotations = { "example.com/note": "two\nlines" };
    const text = await pods.output("tells", container, { volumes }, { annotations });
    assert.match(text, /^tells 440\nexample\.com\/note="two\\nlines".* 400\n250 440\n8 440\na\n$/s);
  });

  test("a volume of its claim's, on a folder of the node", async () => {
    const made = await pods.client.of(persistentVolumes).create("", localVolume("local", "claim", folder), options);
    const spec = {
      accessModes: ["ReadWriteOnce"],
      storageClassName: "by-hand",
      volumeName: made.metadata.name,
      resources: { requests: { storage: "1Mi" } },
    };
    const claims = pods.client.of(persistentVolumeClaims);
    const claim = await claims.create("default", { metadata: { name: "claim" }, spec }, options);
    // Binding is a controller's part, done here by hand on both sides.
    const claimRef = { kind: "PersistentVolumeClaim", namespace: "default", name: "claim", uid: claim.metadata.uid };
    await pods.client.of(persistentVolumes).patch("", "local", "merge", { spec: { claimRef } }, options);
    const bound = { status: { phase: "Bound", accessModes: spec.accessModes, capacity: { storage: "1Mi" } } };
    await claims.patch("default", "claim", "merge", bound, { ...options, subresource: "status" });
    const container = shell("echo data > /v/from-claim", at("/v"));
    await pods.output("claims", container, volume({ persistentVolumeClaim: { claimName: "claim" } }));
    assert.ok(existsSync(file("from-claim")));
  });
});

function localVolume(name: string, claim: string, path: string): Unsaved<PersistentVolume> {
  const nodeSelectorTerms = [
    { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: ["node-1"] }] },
  ];
  return {
    metadata: { name },
    spec: {
      capacity: { storage: "1Mi" },
      accessModes: ["ReadWriteOnce"],
      storageClassName: "by-hand",
      local: { path },
      claimRef: { namespace: "default", name: claim },
      nodeAffinity: { required: { nodeSelectorTerms } },
    },
  };
}
