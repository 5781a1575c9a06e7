// Volumes that are images: pulled like a container's own, and mounted by the runtime, where it can.
import type { Container, Pod } from "@skiff/api/types.ts";
import type { CriClient } from "../cri/cri-client.ts";
import type { PodSandboxConfig } from "../cri/types.ts";
import type { ImageManager } from "../images/image-manager.ts";
import { WaitingError } from "./waiting-error.ts";

/** Goes into status and mounts under both names. */
export interface ImageVolume {
  /** What the runtime calls the image. */
  readonly id: string;
  /** What the pod calls it. */
  readonly reference: string;
}

/** By the volume's name. */
export type ImageVolumes = ReadonlyMap<string, ImageVolume>;

export interface ImageVolumeDeps {
  readonly cri: Pick<CriClient, "version">;
  readonly images: Pick<ImageManager, "ensure">;
}

const RETRY_MS = 10_000;
/** The first containerd 2.x that mounts images, and the first that mounts parts of them. */
const WHOLE_MINOR = 1;
const PART_MINOR = 2;

/** The images behind the volumes of one container; throws WaitingError with the reasons of a container's own image. */
export async function pullImageVolumes(
  pod: Pod,
  container: Container,
  sandbox: PodSandboxConfig,
  deps: ImageVolumeDeps,
  signal: AbortSignal,
): Promise<ImageVolumes> {
  const used = new Set((container.volumeMounts ?? []).map(({ name }) => name));
  const wanted = (pod.spec?.volumes ?? []).filter(({ name, image }) => image && used.has(name));
  const found = new Map<string, ImageVolume>();
  for (const { name, image } of wanted) {
    const reference = image?.reference ?? "";
    // Under a name that is no container's, so that events are the pod's.
    const asContainer = { name: `volume ${name}`, image: reference, imagePullPolicy: image?.pullPolicy };
    const { id } = await deps.images.ensure(pod, asContainer, sandbox, signal);
    found.set(name, { id, reference });
  }
  const hasSubPath = (container.volumeMounts ?? []).some(
    ({ name, subPath, subPathExpr }) => found.has(name) && Boolean(subPath || subPathExpr),
  );
  if (found.size > 0) await refuseOldRuntime(deps.cri, hasSubPath);
  return found;
}

/** One that does not know image mounts would take them for mounts of nothing, and a part of an image for all of it. */
async function refuseOldRuntime(cri: Pick<CriClient, "version">, hasSubPath: boolean): Promise<void> {
  const { runtimeName, runtimeVersion } = await cri.version();
  if (mountsImages(runtimeName, runtimeVersion, hasSubPath)) return;
  const what = mountsImages(runtimeName, runtimeVersion) ? "sub-paths of image volumes" : "image volumes";
  const message = `${what} are not supported by the container runtime ${runtimeName} ${runtimeVersion}`;
  throw new WaitingError("CreateContainerError", message, { retryMs: RETRY_MS });
}

/** Of other runtimes nothing is known, so they may say so themselves. */
export function mountsImages(runtime: string, version: string, hasSubPath = false): boolean {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  if (runtime !== "containerd" || major === undefined) return true;
  return Number(major) > 2 || (Number(major) === 2 && Number(minor) >= (hasSubPath ? PART_MINOR : WHOLE_MINOR));
}
