// Failures of volumes in upstream's words: which step failed for which volume, and the event's reason.

/** Shown as an event on the pod, which stays in ContainerCreating; the next pass tries again. */
export class VolumeError extends Error {
  /** Of the event. */
  readonly reason: "FailedMount" | "FailedMapVolume";

  constructor(message: string, reason: VolumeError["reason"], cause: unknown) {
    super(message, { cause });
    this.name = "VolumeError";
    this.reason = reason;
  }
}

/** Upstream's names, which users search for. */
export type VolumeStep =
  | "MountVolume.NodeAffinity check"
  | "MountVolume.WaitForAttach"
  | "MountVolume.MountDevice"
  | "MountVolume.SetUp"
  | "MapVolume.WaitForAttach"
  | "MapVolume.SetUpDevice"
  | "MapVolume.MapPodDevice";

/** `volume` is the PersistentVolume's name, or for a volume without one the name in the pod. */
export function stepFailed(step: VolumeStep, volume: string, cause: unknown): VolumeError {
  if (cause instanceof VolumeError) return cause;
  const reason = step.startsWith("MapVolume") ? "FailedMapVolume" : "FailedMount";
  return new VolumeError(`${step} failed for volume "${volume}" : ${messageOf(cause)}`, reason, cause);
}

/** What lies behind a volume of the pod could not be found out; `volume` is the name in the pod. */
export function notProcessed(volume: string, cause: unknown): VolumeError {
  const lists = `unmounted volumes=[${volume}], unattached volumes=[], failed to process volumes=[${volume}]`;
  return new VolumeError(`Unable to attach or mount volumes: ${lists}: ${messageOf(cause)}`, "FailedMount", cause);
}

/** The attacher has not brought the volume within the time. `volume` is the name in the pod. */
export function notAttached(volume: string): VolumeError {
  const lists = `unmounted volumes=[${volume}], unattached volumes=[${volume}], failed to process volumes=[]`;
  const why = "timed out waiting for the condition";
  return new VolumeError(`Unable to attach or mount volumes: ${lists}: ${why}`, "FailedMount", undefined);
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
