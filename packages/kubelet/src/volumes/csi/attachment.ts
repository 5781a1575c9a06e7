// Waits until the attacher has brought a volume to this node; what it says goes along to the driver.
import { isApiError, isNotFound } from "@skiff/api/errors.ts";
import { volumeAttachments } from "@skiff/api/resource-ref.ts";
import type { VolumeAttachment } from "@skiff/api/types.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Strings } from "./csi-client.ts";

/** As long as upstream waits before it says so and begins anew. */
const WAIT_MS = 2 * 60_000;
/** A node may read single VolumeAttachments but not watch them, so it looks again after growing pauses. */
const LOOK_INITIAL_MS = 200;
const LOOK_MAX_MS = 5000;

export interface AttachmentDeps {
  readonly client: Pick<RestClient, "of">;
  readonly clock: Clock;
}

/** The attachment's metadata; undefined where the wait was in vain. Throws what the attacher failed with. */
export async function waitForAttachment(
  name: string,
  { client, clock }: AttachmentDeps,
  signal: AbortSignal,
): Promise<Strings | undefined> {
  const until = clock.monotonic() + WAIT_MS;
  for (let waitMs = LOOK_INITIAL_MS; ; waitMs = Math.min(LOOK_MAX_MS, waitMs * 1.5)) {
    const found = await client
      .of(volumeAttachments)
      .get("", name, { signal })
      .catch((error) => {
        // To a node, what does not exist looks like what belongs to another node.
        if (isNotFound(error) || isApiError(error, "Forbidden")) return undefined;
        throw error;
      });
    const metadata = found && attachedWith(found);
    if (metadata) return metadata;
    if (clock.monotonic() + waitMs > until) return undefined;
    await clock.sleep(waitMs, signal);
  }
}

/** Undefined for one that is still under way. */
export function attachedWith({ metadata, status }: VolumeAttachment): Strings | undefined {
  if (metadata.deletionTimestamp) throw new Error("volume attachment is being deleted");
  if (status?.attached) return status.attachmentMetadata ?? {};
  if (status?.attachError) throw new Error(status.attachError.message ?? "");
  return undefined;
}
