// When an image is pulled and with what, what is noted of it, and what the pod is told.
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Secret } from "@skiff/api/types.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { AuthConfig, Image, PodSandboxConfig } from "../cri/types.ts";
import { PodEvents } from "../events/pod-events.ts";
import { sampleContainer, sampleMeta, samplePod } from "../testing/sample-pods.ts";
import { ImageManager } from "./image-manager.ts";
import { PullRecords } from "./pull-records/pull-records.ts";

const { signal } = new AbortController();
const IMAGE = "reg.example.com/app:1";
const SANDBOX = {} as PodSandboxConfig;
let root = "";

before(async () => {
  root = await mkdtemp(join(tmpdir(), "skiff-images-"));
});
after(() => rm(root, { recursive: true }));

function secretOf(name: string, password: string): Secret {
  const auths = { "reg.example.com": { username: "u", password } };
  const data = { ".dockerconfigjson": Buffer.from(JSON.stringify({ auths })).toString("base64") };
  return { metadata: sampleMeta(name), type: "kubernetes.io/dockerconfigjson", data };
}

/** A node with one registry, which lets in who has the password "good", or anybody. */
class Bench {
  readonly dir: string;
  readonly metrics = new MetricsRegistry();
  readonly said: string[] = [];
  readonly pulledWith: (string | undefined)[] = [];
  isPresent = false;
  isOpen = false;
  readonly manager: ImageManager;

  constructor(name: string) {
    this.dir = join(root, name);
    const found: Image = {
      id: "sha256:1",
      repoTags: [],
      repoDigests: [],
      size: "5",
      uid: null,
      username: "",
      pinned: false,
    };
    const cri = {
      imageStatus: async () => (this.isPresent ? found : undefined),
      listImages: async () => [],
      pullImage: async (_image: string, auth: AuthConfig | undefined) => {
        this.pulledWith.push(auth?.password);
        if (!this.isOpen && auth?.password !== "good") throw new Error("401 Unauthorized");
        this.isPresent = true;
        return found.id;
      },
    };
    const secrets: Record<string, Secret> = { good: secretOf("good", "good"), bad: secretOf("bad", "bad") };
    const shared = { cri, metrics: this.metrics, clock: realClock, log: silentLogger() };
    const policy = "NeverVerifyPreloadedImages";
    this.manager = new ImageManager(
      { parallelPulls: 1, maxNodeImages: 50 },
      {
        ...shared,
        objects: { configMap: async () => undefined, secret: async (_namespace, name) => secrets[name] },
        events: new PodEvents({
          record: (_subject, _type, reason, message) => void this.said.push(`${reason}: ${message}`),
        }),
        records: new PullRecords({ dir: this.dir, policy, allowlist: [] }, shared),
      },
    );
  }

  ensure(uid: string, secrets: readonly string[] = [], imagePullPolicy = "IfNotPresent"): Promise<Image> {
    const pod = samplePod({ imagePullSecrets: secrets.map((name) => ({ name })) }, { uid });
    return this.manager.ensure(pod, sampleContainer("c", { image: IMAGE, imagePullPolicy }), SANDBOX, signal);
  }

  requests(): string[] {
    const lines = this.metrics.render().split("\n");
    return lines.flatMap((line) => /^kubelet_image_manager_ensure_image_requests_total(.*)$/.exec(line)?.[1] ?? []);
  }

  records(kind: "pulling" | "pulled"): Promise<string[]> {
    return readdir(join(this.dir, kind)).catch(() => []);
  }
}

test("an image that was there before is used without a login, whatever the policy but Always", async () => {
  const bench = new Bench("preloaded");
  bench.isPresent = true;
  await bench.ensure("1");
  await bench.ensure("2", [], "Never");
  const used = `Pulled: Container image "${IMAGE}" already present on machine and can be accessed by the pod`;
  assert.deepEqual(bench.said, [used, used]);
  await assert.rejects(bench.ensure("3", [], "Always"), { reason: "ErrImagePull", message: "401 Unauthorized" });
  assert.deepEqual(bench.requests(), [
    '{pull_policy="ifnotpresent",present_locally="true",pull_required="false"} 1',
    '{pull_policy="never",present_locally="true",pull_required="false"} 1',
    '{pull_policy="always",present_locally="unknown",pull_required="true"} 1',
  ]);
});

test("one login after another is tried, and the one that was taken opens the image to others who have it", async () => {
  const bench = new Bench("secret");
  await bench.ensure("1", ["bad", "good", "gone"]);
  assert.deepEqual(bench.pulledWith, ["bad", "good"]);
  assert.match(
    bench.said[0] ?? "",
    /^FailedToRetrieveImagePullSecret: Unable to retrieve some image pull secrets \(gone\);/,
  );
  assert.deepEqual([(await bench.records("pulling")).length, (await bench.records("pulled")).length], [0, 1]);
  await bench.ensure("2", ["good"]);
  assert.equal(bench.pulledWith.length, 2, "it was pulled again");
  // Who has another login has to pull, and who may not pull at all is not told that it is there.
  await assert.rejects(bench.ensure("3", ["bad"]), { reason: "ErrImagePull" });
  const message = `Container image "${IMAGE}" is not present with pull policy of Never`;
  await assert.rejects(bench.ensure("4", [], "Never"), { reason: "ErrImageNeverPull", message });
  assert.match(bench.requests().join("\n"), /\{pull_policy="never",present_locally="true",pull_required="true"\} 1/);
  assert.match(bench.metrics.render(), /kubelet_image_pull_duration_seconds_count\{image_size_in_bytes="0-10MB"\} 1/);
});

test("an image that nobody needs a login for is everybody's", async () => {
  const bench = new Bench("open");
  bench.isOpen = true;
  await bench.ensure("1");
  await bench.ensure("2");
  assert.deepEqual(bench.pulledWith, [undefined]);
});

test("a pull that failed is noted no more, and is not tried again at once", async () => {
  const bench = new Bench("failed");
  await assert.rejects(bench.ensure("1"), { reason: "ErrImagePull" });
  assert.deepEqual(await bench.records("pulling"), []);
  await assert.rejects(bench.ensure("1"), {
    reason: "ImagePullBackOff",
    message: `Back-off pulling image "${IMAGE}": ErrImagePull: 401 Unauthorized`,
  });
  assert.equal(bench.pulledWith.length, 1);
  await assert.rejects(bench.ensure("2", [], "Never"), { reason: "ErrImageNeverPull" });
  assert.match(
    bench.requests().join("\n"),
    /\{pull_policy="never",present_locally="false",pull_required="unknown"\} 1/,
  );
});
