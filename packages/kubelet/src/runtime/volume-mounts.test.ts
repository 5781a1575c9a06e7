// What containers are given of volumes: folders, images and devices, and how it is refused.
import assert from "node:assert/strict";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Container, Pod, VolumeMount } from "@skiff/api/types.ts";
import { ContainerConfigError } from "../env/make-env.ts";
import { sampleContainer, samplePod } from "../testing/sample-pods.ts";
import { mountsImages, pullImageVolumes } from "./image-volumes.ts";
import { blockDevices, volumeMounts } from "./volume-mounts.ts";
import { WaitingError } from "./waiting-error.ts";

const { signal } = new AbortController();

function mountsOf(
  mount: Partial<VolumeMount>,
  more: { pod?: Pod; recursive?: boolean; failing?: boolean; relabels?: boolean } = {},
) {
  const container = sampleContainer("c", { volumeMounts: [{ name: "v", mountPath: "/v", ...mount }] });
  const request = {
    pod: more.pod ?? samplePod(),
    container,
    mounted: new Map([["v", "/host/v"]]),
    imageVolumes: new Map([["i", { id: "sha256:1", reference: "data:1" }]]),
    canMountReadOnlyRecursively: async () => more.recursive ?? false,
  };
  const mountPath = async (_pod: Pod, _container: Container, _mount: VolumeMount, dir: string, subPath: string) => {
    if (more.failing) throw new Error("lstat /host/v/secret: no such file");
    return join(dir, subPath);
  };
  const lookup = (name: string) => (name === "WHO" ? "me" : undefined);
  return volumeMounts(request, lookup, { volumes: { mountPath, relabels: async () => more.relabels ?? false } });
}

test("volumeMounts names the folder, expands its part, and keeps claims read-only that the pod asks to be", async () => {
  const [plain] = await mountsOf({ subPathExpr: "$(WHO)/x", mountPropagation: "HostToContainer" });
  assert.equal((await mountsOf({}, { relabels: true }))[0]?.selinuxRelabel, true);
  assert.deepEqual(plain, {
    containerPath: "/v",
    hostPath: "/host/v/me/x",
    readonly: false,
    propagation: "PROPAGATION_HOST_TO_CONTAINER",
  });
  const claim = { persistentVolumeClaim: { claimName: "data", readOnly: true } };
  const [claimed] = await mountsOf({}, { pod: samplePod({ volumes: [{ name: "v", ...claim }] }) });
  assert.equal(claimed?.readonly, true);
  await assert.rejects(mountsOf({ name: "gone" }), /cannot find volume "gone" to mount into container "c"/);
  await assert.rejects(mountsOf({ subPathExpr: "$(NOBODY)" }), { message: 'missing value for "NOBODY"' });
  const absolute = { message: "error SubPath `/me` must not be an absolute path" };
  await assert.rejects(mountsOf({ subPathExpr: "/$(WHO)" }), absolute);
  const steps = { message: "unable to provision SubPath `me/..`: must not contain '..'" };
  await assert.rejects(mountsOf({ subPathExpr: "$(WHO)/.." }), steps);
});

test("volumeMounts keeps what it found on the host to itself", async () => {
  const refused = mountsOf({ subPath: "secret" }, { failing: true });
  const message = 'failed to prepare subPath for volumeMount "v" of container "c"';
  await assert.rejects(refused, (error) => error instanceof ContainerConfigError && error.message === message);
});

test("volumeMounts makes mounts read-only all the way down where the runtime can", async () => {
  const enabled = { readOnly: true, recursiveReadOnly: "Enabled" };
  const [mount] = await mountsOf(enabled, { recursive: true });
  assert.equal(mount?.recursiveReadOnly, true);
  const [ifPossible] = await mountsOf({ ...enabled, recursiveReadOnly: "IfPossible" });
  assert.equal(ifPossible?.recursiveReadOnly, undefined);
  const words = 'failed to resolve recursive read-only mode: volume "v" requested recursive read-only mode, but it is';
  await assert.rejects(mountsOf(enabled), { message: `${words} not supported by the runtime` });
  await assert.rejects(mountsOf({ ...enabled, readOnly: false }), { message: `${words} not read-only` });
});

test("volumeMounts leaves images to the runtime", async () => {
  assert.deepEqual(await mountsOf({ name: "i", subPath: "etc" }), [
    {
      containerPath: "/v",
      hostPath: "",
      readonly: true,
      propagation: "PROPAGATION_PRIVATE",
      image: { image: "sha256:1", userSpecifiedImage: "data:1" },
      imageSubPath: "etc",
    },
  ]);
});

test("blockDevices gives the device behind the link, to read only where the pod asks so", async () => {
  const dir = await mkdtemp(join(tmpdir(), "skiff-devices-"));
  try {
    await writeFile(join(dir, "device"), "");
    await symlink(join(dir, "device"), join(dir, "link"));
    const container = sampleContainer("c", { volumeDevices: [{ name: "v", devicePath: "/dev/xvda" }] });
    const permissionsOf = async (readOnly: boolean) => {
      const volumes = [{ name: "v", persistentVolumeClaim: { claimName: "data", readOnly } }];
      const request = {
        pod: samplePod({ volumes }),
        container,
        mounted: new Map([["v", join(dir, "link")]]),
        imageVolumes: new Map(),
        canMountReadOnlyRecursively: async () => false,
      };
      const [device] = await blockDevices(request);
      assert.equal(device?.hostPath, join(dir, "device"));
      return device.permissions;
    };
    assert.deepEqual([await permissionsOf(false), await permissionsOf(true)], ["mrw", "r"]);
  } finally {
    await rm(dir, { recursive: true });
  }
});

test("pullImageVolumes pulls what the container mounts, and says where the runtime cannot mount it", async () => {
  const asked: string[] = [];
  const image = { repoTags: [], repoDigests: [], size: "1", uid: null, username: "", pinned: false };
  const images = {
    ensure: async (_pod: Pod, container: Container) => {
      asked.push(`${container.image} ${container.imagePullPolicy}`);
      return { ...image, id: "sha256:1" };
    },
  };
  const volumes = ["used", "unused"].map((name) => ({ name, image: { reference: `${name}:1`, pullPolicy: "Never" } }));
  const container = sampleContainer("c", { volumeMounts: [{ name: "used", mountPath: "/v" }] });
  const pull = (runtimeVersion: string, of = container) => {
    const version = async () => ({ runtimeName: "containerd", runtimeVersion, runtimeApiVersion: "v1" });
    const sandbox = {} as Parameters<typeof pullImageVolumes>[2];
    return pullImageVolumes(samplePod({ volumes }), of, sandbox, { cri: { version }, images }, signal);
  };
  assert.deepEqual([...(await pull("v2.1.0"))], [["used", { id: "sha256:1", reference: "used:1" }]]);
  assert.deepEqual(asked, ["used:1 Never"]);
  assert.equal((await pull("1.6.20", sampleContainer("d"))).size, 0, "without images the version does not matter");
  const message = "image volumes are not supported by the container runtime containerd 1.6.20~ds1";
  await assert.rejects(pull("1.6.20~ds1"), (error) => {
    return error instanceof WaitingError && error.reason === "CreateContainerError" && error.message === message;
  });
  assert.deepEqual(
    [mountsImages("containerd", "2.0.4"), mountsImages("containerd", "3.0.0"), mountsImages("cri-o", "1.30.0")],
    [false, true, true],
  );
  // A containerd that does not know of sub-paths would mount the whole image in their place.
  const part = (version: string) => mountsImages("containerd", version, true);
  assert.deepEqual([part("2.1.9"), part("2.2.0"), part("3.0.0")], [false, true, true]);
});
