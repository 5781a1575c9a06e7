// Who may use an image that somebody else has pulled, over restarts and changes of logins.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { Image } from "../../cri/types.ts";
import type { LoginOwner, PullLogin } from "../pull-secrets.ts";
import { hashLogin, mergeCredentials } from "./pull-credentials.ts";
import { PullRecords } from "./pull-records.ts";
import { allowlistProblem, needsVerification, type VerificationPolicy } from "./verification-policy.ts";

let root = "";
before(async () => {
  root = await mkdtemp(join(tmpdir(), "skiff-pulls-"));
});
after(() => rm(root, { recursive: true }));

const IMAGE = "reg.example.com/team/app:1";
const REF = "sha256:abc";

function secretLogin(name: string, password = "p", uid = `uid-${name}`): PullLogin {
  const owner: LoginOwner = { kind: "Secret", uid, namespace: "ns", name };
  return { auth: { username: "u", password }, owner };
}

function accountLogin(name: string): PullLogin {
  return { auth: { username: "u" }, owner: { kind: "ServiceAccount", uid: `uid-${name}`, namespace: "ns", name } };
}

interface Bench {
  readonly records: PullRecords;
  readonly metrics: MetricsRegistry;
  readonly dir: string;
  /** Whether a pod with these logins must pull. */
  must(...logins: PullLogin[]): Promise<boolean>;
}

function bench(name: string, more: { policy?: VerificationPolicy; images?: readonly Partial<Image>[] } = {}): Bench {
  const dir = join(root, name);
  const metrics = new MetricsRegistry();
  const cri = { listImages: async () => (more.images ?? []) as Image[] };
  const options = { dir, policy: more.policy ?? "NeverVerifyPreloadedImages", allowlist: [] };
  const deps = { cri, metrics, clock: { now: () => Date.UTC(2026, 0, 2, 3, 4, 5, 678) }, log: silentLogger() };
  const records = new PullRecords(options, deps);
  return { records, metrics, dir, must: (...logins) => records.mustPull(IMAGE, REF, async () => logins) };
}

async function only(dir: string): Promise<unknown> {
  const [name = "", ...more] = await readdir(dir);
  assert.deepEqual(more, []);
  assert.match(name, /^sha256-[0-9a-f]{64}$/);
  return JSON.parse(await readFile(join(dir, name), "utf8"));
}

test("an image that the kubelet did not pull is everybody's, and one that it did is theirs who show its login", async () => {
  const { records, must, dir, metrics } = bench("secret");
  assert.equal(await must(), false);
  await records.intend(IMAGE);
  const kind = { kind: "ImagePullIntent", apiVersion: "kubelet.config.k8s.io/v1beta1" };
  assert.deepEqual(await only(join(dir, "pulling")), { ...kind, image: IMAGE });
  assert.equal(await must(secretLogin("a")), true);
  await records.pulled(IMAGE, REF, secretLogin("a"));
  const secret = { uid: "uid-a", namespace: "ns", name: "a", credentialHash: hashLogin(secretLogin("a")) };
  assert.deepEqual(await only(join(dir, "pulled")), {
    kind: "ImagePulledRecord",
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    lastUpdatedTime: "2026-01-02T03:04:05Z",
    imageRef: REF,
    credentialMapping: { "reg.example.com/team/app": { kubernetesSecrets: [secret] } },
  });
  assert.deepEqual(await readdir(join(dir, "pulling")), []);
  assert.equal(await must(), true);
  assert.equal(await must(secretLogin("b", "other")), true);
  assert.equal(await must(secretLogin("a")), false);
  const text = metrics.render();
  for (const [result, count] of [
    ["credentialPolicyAllowed", 1],
    ["mustAuthenticate", 3],
    ["credentialRecordFound", 1],
  ]) {
    assert.ok(text.includes(`kubelet_imagemanager_image_mustpull_checks_total{result="${result}"} ${count}`), text);
  }
  assert.match(text, /^kubelet_imagemanager_ondisk_pullintents 0$/m);
  assert.match(text, /^kubelet_imagemanager_ondisk_pulledrecords 1$/m);
});

test("the same login in another Secret counts and is learnt, and so is a Secret's new login", async () => {
  const { records, must } = bench("learn");
  await records.intend(IMAGE);
  await records.pulled(IMAGE, REF, secretLogin("a"));
  assert.equal(await must(secretLogin("copy")), false);
  // Only what was learnt makes these two known.
  assert.equal(await must(secretLogin("copy", "changed")), false);
  assert.equal(await must(secretLogin("third", "changed")), false);
  assert.equal(await must(secretLogin("a", "p", "made anew")), false);
  assert.equal(await must(secretLogin("fourth", "unknown")), true);
});

test("a pull by an account is for its pods, and one without a login or by the node's own for all, whoever comes later", async () => {
  const { records, must } = bench("account");
  const pulledBy = async (login: PullLogin | undefined) => {
    await records.intend(IMAGE);
    await records.pulled(IMAGE, REF, login);
  };
  await pulledBy(accountLogin("robot"));
  assert.equal(await must(accountLogin("robot")), false);
  assert.equal(await must(accountLogin("other")), true);
  await pulledBy(undefined);
  assert.equal(await must(), false);
  await pulledBy(secretLogin("a"));
  assert.equal(await must(), false);
  // The same content under another name is another matter.
  assert.equal(await records.mustPull("other.example.com/app", REF, async () => []), true);
});

test("a pull that the kubelet did not live to see the end of is nobody's, once the runtime has the image", async () => {
  const before = bench("died");
  await before.records.intend(IMAGE);
  await before.records.intend("reg.example.com/never:1");
  const { must, dir } = bench("died", { images: [{ id: REF, repoTags: [IMAGE], repoDigests: [] }] });
  assert.equal(await must(secretLogin("a")), true);
  const record = (await only(join(dir, "pulled"))) as { credentialMapping?: object };
  assert.equal(record.credentialMapping, undefined);
  assert.deepEqual(((await only(join(dir, "pulling"))) as { image: string }).image, "reg.example.com/never:1");
});

test("pulls of one image at a time share a note, and a failed one leaves nothing", async () => {
  const { records, dir, must } = bench("failed");
  await records.intend(IMAGE);
  await records.intend(IMAGE);
  await records.failed(IMAGE);
  assert.equal((await readdir(join(dir, "pulling"))).length, 1);
  await records.failed(IMAGE);
  assert.deepEqual(await readdir(join(dir, "pulling")), []);
  assert.equal(await must(), false);
});

test("prune forgets images that are gone, but not what is newer than the look at them", async () => {
  const { records, dir } = bench("prune");
  for (const ref of ["sha256:a", "sha256:b"]) {
    await records.intend(IMAGE);
    await records.pulled(IMAGE, ref, undefined);
  }
  const left = async () => (await readdir(join(dir, "pulled"))).length;
  await records.prune([], Date.UTC(2026, 0, 2, 3, 4, 5, 999));
  assert.equal(await left(), 2);
  await records.prune(["sha256:b"], Date.UTC(2026, 0, 2, 3, 4, 6));
  assert.equal(await left(), 1);
});

test("a record that cannot be read has the pod pull, and upstream's older ones are read", async () => {
  const { records, must, dir } = bench("broken");
  await records.intend(IMAGE);
  await records.pulled(IMAGE, REF, undefined);
  const file = join(dir, "pulled", (await readdir(join(dir, "pulled")))[0] ?? "");
  const text = await readFile(file, "utf8");
  await writeFile(file, text.replace("v1beta1", "v1alpha1"));
  assert.equal(await must(), false);
  await writeFile(file, "{");
  assert.equal(await must(), true);
  // A pull that succeeds makes it whole.
  await records.intend(IMAGE);
  await records.pulled(IMAGE, REF, undefined);
  assert.equal(await must(), false);
});

test("an intent that cannot be written fails the pull before it begins", async () => {
  const { records, dir } = bench("full");
  await mkdir(dir);
  await writeFile(join(dir, "pulling"), "no folder");
  await assert.rejects(records.intend(IMAGE), /EEXIST|ENOTDIR/);
});

test("needsVerification goes by the policy", () => {
  const allowlist = ["docker.io/library/nginx", "reg.example.com/tools/*"];
  const judge = (policy: VerificationPolicy, image: string, isPulled: boolean) =>
    needsVerification(image, isPulled, { policy, allowlist });
  assert.equal(judge("NeverVerify", IMAGE, true), false);
  assert.equal(judge("AlwaysVerify", IMAGE, false), true);
  assert.deepEqual(
    [true, false].map((is) => judge("NeverVerifyPreloadedImages", IMAGE, is)),
    [true, false],
  );
  const listed = (image: string) => !judge("NeverVerifyAllowlistedImages", image, true);
  assert.ok(listed("nginx:1") && listed("reg.example.com/tools/a/b@sha256:".concat("0".repeat(64))));
  assert.ok(!listed("nginx2") && !listed("reg.example.com/tools") && !listed(IMAGE));
});

test("allowlistProblem refuses patterns in upstream's words", () => {
  for (const good of ["docker.io/library/nginx", "reg.example.com/*", "a/*"]) {
    assert.equal(allowlistProblem(good), undefined, good);
  }
  assert.match(allowlistProblem(" a") ?? "", /^leading\/trailing spaces are not allowed: {2}a$/);
  assert.match(allowlistProblem("") ?? "", /too short/);
  assert.match(allowlistProblem("a*/b") ?? "", /only patterns ending with '\/\*' are allowed/);
  assert.match(allowlistProblem("/*") ?? "", /at least registry hostname is required/);
  assert.match(allowlistProblem("reg.example.com/a:1") ?? "", /neither tag nor digest is accepted/);
  assert.match(allowlistProblem("Bad:::x") ?? "", /^failed to parse as an image name: invalid reference format/);
});

test("hashLogin hashes a login as Go writes it", () => {
  // printf '{"username":"u","password":"a\u003cb\u0026"}' | sha256sum
  const login = { auth: { username: "u", password: "a<b&" } };
  assert.equal(hashLogin(login), "300543d1ad22d3404a8c65044040468bb0297bf828c7a88c0fe603ef1fe3368f");
  assert.notEqual(hashLogin({ ...login, email: "u@example.com" }), hashLogin(login));
});

test("mergeCredentials keeps one entry for each Secret, sorted, and says when nothing is new", () => {
  const secret = (name: string, credentialHash: string) => ({ uid: "1", namespace: "ns", name, credentialHash });
  const known = { kubernetesSecrets: [secret("b", "1")] };
  assert.equal(mergeCredentials(known, { kubernetesSecrets: [secret("b", "1")] }), known);
  assert.equal(mergeCredentials(known, {}), known);
  assert.deepEqual(mergeCredentials(known, { kubernetesSecrets: [secret("a", "2"), secret("b", "3")] }), {
    kubernetesSecrets: [secret("a", "2"), secret("b", "3")],
  });
  assert.deepEqual(mergeCredentials(known, { nodePodsAccessible: true }), { nodePodsAccessible: true });
});
