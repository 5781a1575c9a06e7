// Which devices each container has, and what its plugin said at their allocation; the same as upstream's checkpoint holds.
import type { GoValue } from "../../checkpoints/checksum.ts";
import { checksumOf, goText } from "../../checkpoints/checksum.ts";

/** The plugin's answer: what the container gets to see of its devices. */
export interface DeviceOptions {
  readonly envs: Readonly<Record<string, string>>;
  readonly mounts: readonly { containerPath: string; hostPath: string; readOnly: boolean }[];
  readonly devices: readonly { containerPath: string; hostPath: string; permissions: string }[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly cdiDevices: readonly { name: string }[];
}

/** What one container got of one resource. */
export interface DeviceEntry {
  readonly podUid: string;
  readonly container: string;
  readonly resource: string;
  /** NUMA node → device ids; those without a node are on node 0, as upstream. */
  readonly devices: ReadonlyMap<number, readonly string[]>;
  readonly options: DeviceOptions;
}

/** The plugin's answer as protobuf bytes, which the checkpoint holds as they came. */
export interface OptionsCodec {
  encode(options: DeviceOptions): Uint8Array;
  decode(bytes: Uint8Array): DeviceOptions;
}

/** All in memory; the device manager writes the checkpoint. */
export class PodDevices {
  private entries: DeviceEntry[] = [];

  insert(entry: DeviceEntry): void {
    this.entries.push(entry);
  }

  restore(entries: readonly DeviceEntry[]): void {
    this.entries = [...entries];
  }

  all(): readonly DeviceEntry[] {
    return this.entries;
  }

  of(podUid: string, container: string): DeviceEntry[] {
    return this.entries.filter((entry) => entry.podUid === podUid && entry.container === container);
  }

  /** The ids of one resource that the container has. */
  idsOf(podUid: string, container: string, resource: string): Set<string> {
    return new Set(this.of(podUid, container).flatMap((entry) => (entry.resource === resource ? idsIn(entry) : [])));
  }

  idsOfPod(podUid: string, resource: string): Set<string> {
    const entries = this.entries.filter((entry) => entry.podUid === podUid && entry.resource === resource);
    return new Set(entries.flatMap(idsIn));
  }

  /** The ids of one resource that any container has. */
  inUse(resource: string): Set<string> {
    return new Set(this.entries.flatMap((entry) => (entry.resource === resource ? idsIn(entry) : [])));
  }

  resources(): Set<string> {
    return new Set(this.entries.map(({ resource }) => resource));
  }

  hasPod(podUid: string): boolean {
    return this.entries.some((entry) => entry.podUid === podUid);
  }

  remove(podUid: string): void {
    this.entries = this.entries.filter((entry) => entry.podUid !== podUid);
  }
}

function idsIn({ devices }: DeviceEntry): string[] {
  return [...devices.values()].flat();
}

type Registered = ReadonlyMap<string, readonly string[]>;

/** The file's text in upstream's form, checksum included. */
export function encodeCheckpoint(entries: readonly DeviceEntry[], registered: Registered, codec: OptionsCodec): string {
  const list = entries.map((entry) => ({ entry, bytes: Buffer.from(codec.encode(entry.options)) }));
  const data = {
    PodDeviceEntries: list.map(({ entry, bytes }) => ({
      PodUID: entry.podUid,
      ContainerName: entry.container,
      ResourceName: entry.resource,
      DeviceIDs: Object.fromEntries([...entry.devices].map(([node, ids]) => [String(node), ids])),
      AllocResp: bytes.toString("base64"),
    })),
    RegisteredDevices: Object.fromEntries(registered),
  };
  // An empty list is none in Go.
  const written = list.length > 0 ? data : { ...data, PodDeviceEntries: null };
  return JSON.stringify({ Data: written, Checksum: checksumOf(goData(data)) });
}

interface WrittenEntry {
  readonly PodUID: string;
  readonly ContainerName: string;
  readonly ResourceName: string;
  readonly DeviceIDs: Readonly<Record<string, readonly string[]>>;
  readonly AllocResp: string;
}

interface WrittenData {
  readonly PodDeviceEntries: readonly WrittenEntry[] | null;
  readonly RegisteredDevices: Readonly<Record<string, readonly string[]>> | null;
}

/** Throws where the checksum is not that of the data. */
export function decodeCheckpoint(text: string, codec: OptionsCodec): { entries: DeviceEntry[]; resources: string[] } {
  const { Data, Checksum } = JSON.parse(text) as { Data: WrittenData; Checksum: number };
  if (checksumOf(goData(Data)) !== Checksum) throw new Error("checkpoint is corrupted");
  const entries = (Data.PodDeviceEntries ?? []).map((entry) => ({
    podUid: entry.PodUID,
    container: entry.ContainerName,
    resource: entry.ResourceName,
    devices: new Map(Object.entries(entry.DeviceIDs).map(([node, ids]) => [Number(node), ids])),
    options: codec.decode(Buffer.from(entry.AllocResp, "base64")),
  }));
  return { entries, resources: Object.keys(Data.RegisteredDevices ?? {}) };
}

function goData({ PodDeviceEntries, RegisteredDevices }: WrittenData): GoValue {
  const lists = (type: string, record: Readonly<Record<string, readonly string[]>>): GoValue => ({
    type,
    entries: new Map(Object.entries(record).map(([key, ids]) => [key, goTexts(ids)])),
  });
  const entries = (PodDeviceEntries ?? []).map((entry): GoValue => {
    const bytes = Buffer.from(entry.AllocResp, "base64");
    return {
      type: "checkpoint.PodDevicesEntry",
      fields: [
        ["PodUID", goText(entry.PodUID)],
        ["ContainerName", goText(entry.ContainerName)],
        ["ResourceName", goText(entry.ResourceName)],
        ["DeviceIDs", lists("checkpoint.DevicesPerNUMA", entry.DeviceIDs)],
        ["AllocResp", { type: "[]uint8", items: [...bytes].map((byte) => goText(byte, "uint8")) }],
      ],
    };
  });
  const type = "[]checkpoint.PodDevicesEntry";
  return {
    type: "checkpoint.checkpointData",
    fields: [
      ["PodDeviceEntries", entries.length > 0 ? { type, items: entries } : { type, isNil: true }],
      ["RegisteredDevices", lists("map[string][]string", RegisteredDevices ?? {})],
    ],
  };
}

function goTexts(texts: readonly string[]): GoValue {
  return { type: "[]string", items: texts.map((text) => goText(text)) };
}
