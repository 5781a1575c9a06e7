// Which resources each pod and each of its containers was given, kept in a file of upstream's name and form.
import type { ResourceRequirements } from "@skiff/api/types.ts";
import type { CheckpointFile } from "../checkpoints/checkpoint-file.ts";
import { checksumOf, goText } from "../checkpoints/checksum.ts";

/** `pod` is of the pod as a whole, where its spec has that; `containers` are by name. */
export interface PodAllocation {
  readonly pod?: ResourceRequirements;
  readonly containers: Readonly<Record<string, ResourceRequirements>>;
}

/** Of one pod, as upstream's file has it. */
interface Entry {
  readonly ContainerResources?: Readonly<Record<string, ResourceRequirements>> | null;
  readonly PodLevelResources?: ResourceRequirements | null;
}

/** Every change is saved at once: a pod that was granted more must not be found short of it after a restart. */
export class ResourceState {
  private readonly file: Pick<CheckpointFile, "read" | "save">;
  private readonly pods = new Map<string, PodAllocation>();

  constructor(file: ResourceState["file"]) {
    this.file = file;
  }

  /** Throws where the file was damaged: what was granted cannot be told then. */
  async restore(): Promise<void> {
    const text = await this.file.read();
    if (text === undefined) return;
    for (const [uid, allocation] of Object.entries(decode(text))) this.pods.set(uid, allocation);
  }

  get(uid: string): PodAllocation | undefined {
    return this.pods.get(uid);
  }

  set(uid: string, allocation: PodAllocation): void {
    this.pods.set(uid, allocation);
    this.save();
  }

  /** The file follows with the next change: what it says of a pod that is gone does no harm. */
  forget(uid: string): void {
    this.pods.delete(uid);
  }

  /** Forgets all pods but these. */
  keepOnly(isKept: (uid: string) => boolean): void {
    for (const uid of this.pods.keys()) if (!isKept(uid)) this.pods.delete(uid);
  }

  /** The entries are a JSON string inside the JSON, as the checksum is one of text. */
  private save(): void {
    const entries = [...this.pods].map(([uid, { pod, containers }]): [string, Entry] => [
      uid,
      { ContainerResources: containers, ...(pod ? { PodLevelResources: pod } : {}) },
    ]);
    const data = JSON.stringify({ entries: Object.fromEntries(entries) });
    this.file.save(JSON.stringify({ data, checksum: checksumOf(goText(data)) }));
  }
}

function decode(text: string): Record<string, PodAllocation> {
  const { data, checksum } = JSON.parse(text) as { data: string; checksum: number };
  if (checksumOf(goText(data)) !== checksum) throw new Error("checkpoint is corrupted");
  const { entries } = JSON.parse(data) as { entries?: Record<string, Entry> };
  const allocation = ({ ContainerResources, PodLevelResources }: Entry): PodAllocation => ({
    containers: ContainerResources ?? {},
    ...(PodLevelResources ? { pod: PodLevelResources } : {}),
  });
  return Object.fromEntries(Object.entries(entries ?? {}).map(([uid, entry]) => [uid, allocation(entry)]));
}
