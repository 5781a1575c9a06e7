// Manifests, their pods, and the mirrors that the API shows of them.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Node, Pod } from "@skiff/api/types.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { sampleMeta } from "../testing/sample-pods.ts";
import { isCriticalPod, isMirrorPod, isStaticPod } from "./annotations.ts";
import { decodeManifest } from "./decode-manifest.ts";
import { ManifestFolder } from "./manifest-folder.ts";
import { MirrorPods, mirrorOf, planMirrors } from "./mirror-pods.ts";
import { StaticPods } from "./static-pods.ts";

const dir = await mkdtemp(join(tmpdir(), "skiff-manifests-"));
after(() => rm(dir, { recursive: true }));
const FILE = { source: "file", place: "/etc/m/web.yaml", nodeName: "n1" } as const;
const YAML = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers: [{name: c, image: busybox:1}]\n";
const node: Node = { metadata: { ...sampleMeta("n1"), uid: "node-uid" }, spec: {} };

function decodeOne(text: string, origin = FILE as Parameters<typeof decodeManifest>[1]): Pod {
  const [pod] = decodeManifest(text, origin);
  assert.ok(pod);
  return pod;
}

test("decodeManifest gives pods upstream's names, defaults and a UID that depends on content and place", () => {
  const pod = decodeOne(YAML);
  assert.deepEqual([pod.metadata.name, pod.metadata.namespace, pod.spec.nodeName], ["web-n1", "default", "n1"]);
  assert.match(pod.metadata.uid ?? "", /^[0-9a-f]{32}$/);
  assert.equal(pod.metadata.annotations?.["kubernetes.io/config.hash"], pod.metadata.uid);
  assert.equal(pod.metadata.annotations?.["kubernetes.io/config.source"], "file");
  assert.equal(pod.spec.restartPolicy, "Always");
  assert.deepEqual(pod.spec.tolerations, [{ operator: "Exists", effect: "NoExecute" }]);
  assert.equal(decodeOne(YAML).metadata.uid, pod.metadata.uid);
  assert.notEqual(decodeOne(YAML.replace(":1", ":2")).metadata.uid, pod.metadata.uid);
  assert.notEqual(decodeOne(YAML, { ...FILE, place: "/other" }).metadata.uid, pod.metadata.uid);
  assert.ok(isStaticPod(pod) && isCriticalPod(pod) && !isMirrorPod(pod));
  const apparmor = "container.apparmor.security.beta.kubernetes.io/c: runtime/default";
  const [container] = decodeOne(YAML.replace("{name: web}", `{name: web, annotations: {${apparmor}}}`)).spec.containers;
  assert.deepEqual(container?.securityContext?.appArmorProfile, { type: "RuntimeDefault" });
});

test("decodeManifest refuses what is no pod, and takes lists from a URL only", () => {
  assert.throws(() => decodeManifest("apiVersion: v1\nkind: Service\n", FILE), /a Pod of version v1 is wanted/);
  assert.throws(
    () => decodeManifest(YAML.replace("name: c,", "name: C_,"), FILE),
    /invalid pod: spec.containers\[0\].name/,
  );
  assert.throws(() => decodeManifest("kind: PodList\napiVersion: v1\nitems: []", FILE), /one Pod/);
  const list = JSON.stringify({
    apiVersion: "v1",
    kind: "PodList",
    items: [{ metadata: { name: "a" }, spec: { containers: [{ name: "c", image: "i" }] } }],
  });
  assert.equal(decodeOne(list, { ...FILE, source: "http" }).metadata.name, "a-n1");
});

test("manifest folder skips hidden files, and ends a pod whose manifest stays broken", async () => {
  const folder = new ManifestFolder(
    { path: dir, nodeName: "n1", pollMs: 1000 },
    { clock: realClock, log: silentLogger() },
  );
  const names = async (look: "notice" | "poll" = "poll") => (await folder.read(look)).map((pod) => pod.metadata.name);
  await writeFile(join(dir, "a.yaml"), YAML);
  await writeFile(join(dir, ".hidden"), YAML.replace("web", "hidden"));
  assert.deepEqual(await names(), ["web-n1"]);
  // A notice may come amidst a write, so it ends nothing.
  await writeFile(join(dir, "a.yaml"), "kind: [");
  assert.deepEqual(await names("notice"), ["web-n1"]);
  assert.deepEqual(await names(), []);
  await writeFile(join(dir, "a.yaml"), YAML);
  assert.deepEqual(await names("notice"), ["web-n1"]);
  await rm(join(dir, "a.yaml"));
  assert.deepEqual(await names("notice"), []);
});

test("the only manifest keeps its pod while it is broken", async () => {
  const path = join(dir, "only.yaml");
  const deps = { clock: realClock, log: silentLogger() };
  const single = new ManifestFolder({ path, nodeName: "n1", pollMs: 1000 }, deps);
  const names = async () => (await single.read("poll")).map((pod) => pod.metadata.name);
  await writeFile(path, YAML);
  assert.deepEqual(await names(), ["web-n1"]);
  await writeFile(path, "kind: [");
  assert.deepEqual(await names(), ["web-n1"]);
  await rm(path);
  assert.deepEqual(await names(), []);
});

test("planMirrors makes missing mirrors, replaces outdated and deleted ones, and removes orphans once they have ended", () => {
  const pod = decodeOne(YAML);
  const made = mirrorOf(pod, node);
  assert.equal("uid" in made.metadata, false);
  const mirror = made as Pod;
  assert.equal(mirror.metadata.ownerReferences?.[0]?.uid, "node-uid");
  assert.equal(mirror.metadata.annotations?.["kubernetes.io/config.mirror"], pod.metadata.uid);
  const plan = (wanted: Pod[], mirrors: Pod[], ending = false) => {
    const { create, remove } = planMirrors(wanted, mirrors, () => ending);
    return [create.length, remove.length];
  };
  assert.deepEqual(plan([pod], []), [1, 0]);
  assert.deepEqual(plan([pod], [mirror]), [0, 0]);
  assert.deepEqual(plan([decodeOne(YAML.replace(":1", ":2"))], [mirror]), [1, 1]);
  const deleted = { ...mirror, metadata: { ...mirror.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
  assert.deepEqual(plan([pod], [deleted]), [1, 1]);
  assert.deepEqual(plan([], [mirror]), [0, 1]);
  assert.deepEqual(plan([], [mirror], true), [0, 0]);
});

test("MirrorPods waits ever longer for a mirror that cannot be written, and not with news", async () => {
  const stop = new AbortController();
  const pauses: number[] = [];
  let news: (() => void) | undefined;
  // Passes at once while pauses are counted; then a pause lasts until there is news.
  const sleep = async (ms: number, signal?: AbortSignal) => {
    pauses.push(ms);
    if (ms < 9500 || pauses.length < 14) return;
    if (!news) return stop.abort();
    queueMicrotask(news);
    news = undefined;
    await new Promise((_resolve, reject) => signal?.addEventListener("abort", reject));
  };
  const pod = decodeOne(YAML);
  const mirrors = new MirrorPods({
    client: { create: () => Promise.reject(new Error("its namespace is gone")), delete: () => Promise.reject() },
    node: () => node,
    isEnding: () => false,
    onMirror: () => {},
    clock: { ...realClock, sleep },
    log: silentLogger(),
  });
  news = () => mirrors.want([pod]);
  mirrors.want([pod]);
  mirrors.synced();
  await mirrors.run(stop.signal);
  assert.deepEqual(pauses.slice(0, 12), [500, 0, 500, 500, 500, 1500, 500, 3500, 500, 7500, 500, 9500]);
  // The last pause is after one more try, to which only news can have led.
  assert.deepEqual(pauses.slice(12), [500, 9500, 500, 9500]);
});

test("a changed static pod starts only when its predecessor is gone", async () => {
  const alive = new Map<string, Pod>();
  const removed: string[] = [];
  const workers = {
    update: (pod: Pod) => alive.set(pod.metadata.uid ?? "", pod),
    remove: (pod: Pod) => removed.push(pod.metadata.uid ?? ""),
    has: (uid: string) => alive.has(uid),
    pods: () => [...alive.values()],
  };
  let tell: (pods: readonly Pod[]) => void = () => {};
  const stop = new AbortController();
  const source = {
    run: async (onPods: (pods: readonly Pod[]) => void) => {
      tell = onPods;
    },
  };
  const mirrors = { run: async () => {}, want: () => {} };
  const pods = new StaticPods({ sources: [source], workers, mirrors, clock: realClock });
  const running = pods.run(stop.signal);
  const [first, second] = [decodeOne(YAML), decodeOne(YAML.replace(":1", ":2"))];
  tell([first]);
  await pods.synced();
  tell([second]);
  assert.deepEqual([[...alive.keys()], removed], [[first.metadata.uid], [first.metadata.uid]]);
  alive.clear();
  tell([second]);
  assert.deepEqual([...alive.keys()], [second.metadata.uid]);
  stop.abort();
  await running;
});
