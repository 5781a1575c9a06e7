import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Pod } from "@skiff/api/types.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { sampleContainer, samplePod } from "../testing/sample-pods.ts";
import { setUpHostPath } from "./host-path.ts";
import { parseMountPoints, unmountTree } from "./mounts.ts";
import { referencedObjects } from "./object-cache.ts";
import { volumePayload } from "./payloads.ts";
import { bindSubPath } from "./sub-path.ts";
import { TokenManager } from "./token-manager.ts";
import { usedVolumes } from "./volume-use.ts";

const { signal } = new AbortController();

async function inFolder(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "skiff-volumes-"));
  try {
    await work(dir);
  } finally {
    await unmountTree(dir);
    await rm(dir, { recursive: true, force: true });
  }
}

test("bindSubPath follows links inside the volume and none out of it", () =>
  inFolder(async (dir) => {
    const volume = join(dir, "volume");
    await mkdir(join(volume, "real"), { recursive: true });
    await chmod(volume, 0o3777);
    await writeFile(join(volume, "real/file"), "inside");
    await writeFile(join(dir, "secret"), "outside");
    await symlink("real", join(volume, "link"));
    await symlink(dir, join(volume, "escape"));
    await bindSubPath(volume, "link/file", join(dir, "t1"));
    assert.equal(await readFile(join(dir, "t1"), "utf8"), "inside");
    await bindSubPath(volume, "made/here", join(dir, "t2"));
    assert.equal((await stat(join(dir, "t2"))).mode & 0o7777, 0o3777, "a sub-path is not as open as its volume");
    await writeFile(join(dir, "t2/x"), "x");
    assert.equal(await readFile(join(volume, "made/here/x"), "utf8"), "x");
    await assert.rejects(bindSubPath(volume, "escape/secret", join(dir, "t3")), /not within volume path/);
    await assert.rejects(bindSubPath(volume, "../secret", join(dir, "t4")), /must be relative/);
  }));

test("setUpHostPath checks what is there and makes what may be made", () =>
  inFolder(async (dir) => {
    await setUpHostPath(join(dir, "new"), "DirectoryOrCreate");
    await setUpHostPath(join(dir, "file"), "FileOrCreate");
    await setUpHostPath(join(dir, "nothing"), "");
    await setUpHostPath("/dev/null", "CharDevice");
    const path = join(dir, "file");
    const expected = new Error(`hostPath type check failed: ${path} is not a directory`);
    await assert.rejects(setUpHostPath(path, "Directory"), expected);
    await assert.rejects(setUpHostPath(path, "DirectoryOrCreate"), expected);
    await assert.rejects(setUpHostPath(join(dir, "none"), "Socket"), /is not a socket file/);
  }));

test("parseMountPoints reads escaped blanks", () => {
  assert.deepEqual(parseMountPoints("1 2 0:1 / /a\\040b rw - tmpfs t rw\n"), ["/a b"]);
});

test("usedVolumes finds what any container mounts or maps, and not what none does", () => {
  const mount = (name: string) => ({ volumeMounts: [{ name, mountPath: "/v" }] });
  const pod = samplePod({
    volumes: ["a", "b", "c", "d", "unused"].map((name) => ({ name, emptyDir: {} })),
    initContainers: [sampleContainer("i", mount("a"))],
    containers: [sampleContainer("c", { ...mount("b"), volumeDevices: [{ name: "c", devicePath: "/dev/x" }] })],
    ephemeralContainers: [sampleContainer("e", mount("d"))],
  });
  assert.deepEqual(usedVolumes(pod), { mounted: new Set(["a", "b", "d"]), mapped: new Set(["c"]) });
});

test("referencedObjects finds every name in a pod's spec", () => {
  const key = (name: string) => ({ name, key: "k" });
  const pod = samplePod({
    imagePullSecrets: [{ name: "pull" }],
    volumes: [
      { name: "v", configMap: { name: "cv" } },
      { name: "s", secret: { secretName: "sv" } },
      { name: "p", projected: { sources: [{ configMap: { name: "cp" } }, { secret: { name: "sp" } }] } },
    ],
    initContainers: [
      sampleContainer("i", { envFrom: [{ configMapRef: { name: "ce" } }, { secretRef: { name: "se" } }] }),
    ],
    containers: [
      sampleContainer("c", {
        env: [
          { name: "A", valueFrom: { configMapKeyRef: key("ck") } },
          { name: "B", valueFrom: { secretKeyRef: key("sk") } },
        ],
      }),
    ],
  });
  const names = [...referencedObjects(pod)].map((entry) => entry.replace("/default/", ":")).sort();
  const expected = ["configmaps:cv", "configmaps:cp", "configmaps:ce", "configmaps:ck"];
  expected.push("secrets:pull", "secrets:sv", "secrets:sp", "secrets:se", "secrets:sk");
  assert.deepEqual(names, expected.sort());
});

test("TokenManager asks once, again at four fifths of a token's life, and keeps a good one through failures", async () => {
  const clock = new FakeClock();
  let asked = 0;
  let failing = false;
  const manager = new TokenManager(
    async (_namespace, account, spec) => {
      if (failing) throw new Error("no");
      asked++;
      assert.equal(account, "default");
      assert.equal(spec.boundObjectRef.uid, pod.metadata.uid);
      return { token: `t${asked}`, expirationTimestamp: new Date(clock.now() + 3_600_000).toISOString() };
    },
    { clock },
  );
  const pod: Pod = samplePod();
  const token = () => manager.token(pod, "", 3600, signal);
  assert.equal(await token(), "t1");
  await clock.advance(2_870_000);
  assert.equal(await token(), "t1");
  await clock.advance(20_000);
  failing = true;
  assert.equal(await token(), "t1");
  failing = false;
  assert.equal(await token(), "t2");
  failing = true;
  await clock.advance(3_600_000);
  await assert.rejects(token(), /failed to fetch token: no/);
});

test("volumePayload picks items with their modes, and names what is missing as upstream", async () => {
  const pod = samplePod({ securityContext: { runAsUser: 1000 } }, { labels: { app: "web" } });
  const context = {
    pod,
    facts: { podIps: [], hostIps: [], nodeName: "n1", allocatable: {} },
    objects: {
      configMap: async (_: string, name: string) =>
        name === "cfg" ? { metadata: pod.metadata, data: { a: "1", b: "2" }, binaryData: { c: "AAE=" } } : undefined,
      secret: async () => undefined,
    },
    tokens: { token: async () => "jwt" },
    trustBundles: async () => ({
      anchors: async (_: string, { name }: { name?: string | undefined }) => `roots of ${name}`,
    }),
    certificates: async () => ({
      bundle: async (_: Pod, place: { volume: string; index: number }) => ({
        key: `key of ${place.volume}`,
        chain: `chain ${place.index}`,
      }),
    }),
    signal,
  };
  const files = async (volume: object) => {
    const payload = await volumePayload({ name: "v", ...volume }, context);
    return [...(payload ?? [])].map(([path, file]) => `${path} ${file.mode.toString(8)} ${file.data.toString("hex")}`);
  };
  assert.deepEqual(await files({ configMap: { name: "cfg", defaultMode: 0o600 } }), [
    "a 600 31",
    "b 600 32",
    "c 600 0001",
  ]);
  const items = [{ key: "a", path: "x/y", mode: 0o400 }];
  assert.deepEqual(await files({ configMap: { name: "cfg", items } }), ["x/y 400 31"]);
  const labels = { path: "labels", fieldRef: { fieldPath: "metadata.labels" } };
  const sources = [{ serviceAccountToken: { path: "token" } }, { downwardAPI: { items: [labels] } }];
  const projected = await files({ projected: { sources } });
  assert.deepEqual(projected, ["token 600 6a7774", `labels 644 ${Buffer.from('app="web"').toString("hex")}`]);
  // The one user of the pod owns it alone.
  const trust = [{ clusterTrustBundle: { name: "r", path: "ca.crt" } }];
  const hex = Buffer.from("roots of r").toString("hex");
  assert.deepEqual(await files({ projected: { sources: trust } }), [`ca.crt 600 ${hex}`]);
  const paths = { credentialBundlePath: "all", keyPath: "key", certificateChainPath: "chain" };
  const own = [...trust, { podCertificate: { signerName: "a.io/b", keyType: "ED25519", ...paths } }];
  const [, ...certificate] = await files({ projected: { sources: own } });
  const texts = { all: "key of vchain 1", key: "key of v", chain: "chain 1" };
  const expected = Object.entries(texts).map(([path, text]) => `${path} 600 ${Buffer.from(text).toString("hex")}`);
  assert.deepEqual(certificate, expected);
  const missing = [{ key: "z", path: "z" }];
  await assert.rejects(files({ configMap: { name: "cfg", items: missing } }), /references non-existent config key: z/);
  await assert.rejects(files({ secret: { secretName: "sec" } }), /secret "sec" not found/);
  assert.deepEqual(await files({ secret: { secretName: "sec", optional: true } }), []);
});
