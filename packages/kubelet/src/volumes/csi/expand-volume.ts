// Grows the file system of a volume whose claim was enlarged, and says on the claim that it has been done.
import { compareQuantities, quantityValue } from "@skiff/api/quantity.ts";
import { persistentVolumeClaims } from "@skiff/api/resource-ref.ts";
import type { PersistentVolume, PersistentVolumeClaim, Pod } from "@skiff/api/types.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { VolumeLocks } from "../volume-locks.ts";
import type { CsiDrivers } from "./csi-drivers.ts";
import type { CsiPaths } from "./csi-paths.ts";
import { volumeCapability } from "./csi-requests.ts";
import type { CsiSecrets } from "./csi-secrets.ts";
import type { CsiVolume } from "./csi-source.ts";
import { uniqueName } from "./csi-source.ts";

export interface ExpandDeps {
  readonly nodeName: string;
  readonly client: Pick<RestClient, "of">;
  readonly drivers: Pick<CsiDrivers, "client">;
  readonly paths: CsiPaths;
  readonly secrets: CsiSecrets;
  readonly locks: VolumeLocks;
  tell(pod: Pod, type: "Normal" | "Warning", reason: string, message: string): void;
}

/** The volume, and the two objects that say how large it is and should be. */
export interface ExpandRequest {
  readonly csi: CsiVolume;
  readonly claim: PersistentVolumeClaim;
  readonly persistent: PersistentVolume;
}

/** What the volume holds by now though its claim does not say so yet; undefined where nothing is left to do. */
export function pendingCapacity({ claim, persistent }: Omit<ExpandRequest, "csi">): string | undefined {
  const held = persistent.spec?.capacity?.storage;
  const told = claim.status?.capacity?.storage;
  // A claim that tells of no capacity was bound by hand, not enlarged.
  return held && told && compareQuantities(held, told) > 0 ? held : undefined;
}

/** A failure shows as an event; the pod goes on with what it has. */
export async function expandVolume(
  pod: Pod,
  request: ExpandRequest,
  deps: ExpandDeps,
  signal: AbortSignal,
): Promise<void> {
  const capacity = pendingCapacity(request);
  if (!capacity) return;
  const { csi } = request;
  const what = "MountVolume.NodeExpandVolume";
  try {
    if (csi.readOnly) throw new Error("requested read-only file system");
    if (!(await grow(pod, csi, capacity, deps, signal))) return;
    await confirm(request.claim, capacity, deps, signal);
    deps.tell(
      pod,
      "Normal",
      "FileSystemResizeSuccessful",
      `${what} succeeded for volume "${csi.specName}" ${deps.nodeName}`,
    );
  } catch (error) {
    signal.throwIfAborted();
    const why = error instanceof Error ? error.message : String(error);
    deps.tell(pod, "Warning", "FileSystemResizeFailed", `${what} failed for volume "${csi.specName}" : ${why}`);
  }
}

/** False for a driver that has nothing to do on the node. */
async function grow(
  pod: Pod,
  csi: CsiVolume,
  capacity: string,
  { drivers, paths, secrets, locks }: ExpandDeps,
  signal: AbortSignal,
): Promise<boolean> {
  const client = drivers.client(csi.driver);
  if (!(await client.can("EXPAND_VOLUME"))) return false;
  const place = paths.place(pod.metadata.uid ?? "", csi);
  const staged = (await client.can("STAGE_UNSTAGE_VOLUME")) ? place.staging : "";
  const request = {
    volumeId: csi.handle,
    volumePath: place.target,
    stagingTargetPath: staged,
    capacityRange: { requiredBytes: String(quantityValue(capacity)) },
    volumeCapability: volumeCapability(csi, {
      singleNodeMultiWriter: await client.can("SINGLE_NODE_MULTI_WRITER"),
      mountGroup: undefined,
    }),
    secrets: await secrets.read("NodeExpandSecretRef", csi.expandSecret, signal),
  };
  await locks.run(uniqueName(csi), () => client.expand(request));
  return true;
}

/** The claim's status then shows the new size, and the condition FileSystemResizePending goes. */
async function confirm(
  { metadata }: PersistentVolumeClaim,
  storage: string,
  { client }: ExpandDeps,
  signal: AbortSignal,
): Promise<void> {
  const status = {
    capacity: { storage },
    allocatedResourceStatuses: { storage: null },
    conditions: [{ $patch: "delete", type: "FileSystemResizePending" }],
  };
  const options = { signal, subresource: "status" };
  await client
    .of(persistentVolumeClaims)
    .patch(metadata.namespace ?? "", metadata.name, "strategic", { status }, options);
}
