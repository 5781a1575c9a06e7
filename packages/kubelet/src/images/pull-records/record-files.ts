// The files of upstream's image_manager folder: pulls under way, and by whom images on the node were pulled.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PullCredentials } from "./pull-credentials.ts";

/** Of one image. */
export interface PulledRecord {
  /** What the runtime calls the image. */
  readonly imageRef: string;
  /** RFC 3339, whole seconds. */
  readonly lastUpdatedTime: string;
  /** By image name without tag and digest. */
  readonly credentialMapping: Readonly<Record<string, PullCredentials>>;
}

const VERSION = "kubelet.config.k8s.io/v1beta1";
const VERSIONS = [VERSION, "kubelet.config.k8s.io/v1alpha1"];
const PREFIX = "sha256-";

/** Each file is named by the hash of what it is about, since image names do not make file names. */
export class RecordFiles {
  private readonly pulling: string;
  private readonly pulled: string;

  /** `dir` is made when it is first written to. */
  constructor(dir: string) {
    this.pulling = join(dir, "pulling");
    this.pulled = join(dir, "pulled");
  }

  async writeIntent(image: string): Promise<void> {
    await replace(this.pulling, fileName(image), encode("ImagePullIntent", { image }));
  }

  async hasIntent(image: string): Promise<boolean> {
    const fields = await readFields(join(this.pulling, fileName(image)), "ImagePullIntent");
    return fields?.image === image;
  }

  async deleteIntent(image: string): Promise<void> {
    await rm(join(this.pulling, fileName(image)), { force: true });
  }

  /** The images that were being pulled; what cannot be read goes to `onError`. */
  async intents(onError: (error: unknown) => void): Promise<string[]> {
    const all = await readAll(this.pulling, "ImagePullIntent", onError);
    return all.flatMap(({ image }) => (typeof image === "string" ? [image] : []));
  }

  /** Undefined where there is none; rejects for one that cannot be read. */
  async record(imageRef: string): Promise<PulledRecord | undefined> {
    const fields = await readFields(join(this.pulled, fileName(imageRef)), "ImagePulledRecord");
    const record = fields && decodeRecord(fields);
    return record?.imageRef === imageRef ? record : undefined;
  }

  async records(onError: (error: unknown) => void): Promise<PulledRecord[]> {
    return (await readAll(this.pulled, "ImagePulledRecord", onError)).map(decodeRecord);
  }

  async writeRecord({ imageRef, lastUpdatedTime, credentialMapping }: PulledRecord): Promise<void> {
    const isEmpty = Object.keys(credentialMapping).length === 0;
    const fields = { lastUpdatedTime, imageRef, ...(isEmpty ? {} : { credentialMapping }) };
    await replace(this.pulled, fileName(imageRef), encode("ImagePulledRecord", fields));
  }

  async deleteRecord(imageRef: string): Promise<void> {
    await rm(join(this.pulled, fileName(imageRef)), { force: true });
  }

  /** How many files of each kind there are. */
  async sizes(): Promise<{ intents: number; records: number }> {
    const [intents, records] = await Promise.all([recordNames(this.pulling), recordNames(this.pulled)]);
    return { intents: intents.length, records: records.length };
  }
}

function fileName(subject: string): string {
  return PREFIX + createHash("sha256").update(subject).digest("hex");
}

/** As upstream's encoder ends it, with a line's end. */
function encode(kind: string, fields: object): string {
  return `${JSON.stringify({ kind, apiVersion: VERSION, ...fields })}\n`;
}

/** It says who may use an image, so nobody else reads it; half a file never takes the place of a whole one. */
async function replace(dir: string, name: string, text: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, name);
  try {
    await writeFile(`${path}.tmp`, text, { mode: 0o600 });
    await rename(`${path}.tmp`, path);
  } catch (error) {
    await rm(`${path}.tmp`, { force: true });
    throw error;
  }
}

async function readFields(path: string, kind: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  // Each start of a container asks for two, and of most images there is neither: that is told without a wait.
  if (!existsSync(path)) return undefined;
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const fields = JSON.parse(text) as Record<string, unknown>;
  if (fields.kind !== kind || !VERSIONS.includes(String(fields.apiVersion))) {
    throw new Error(`${path} holds no ${kind}`);
  }
  return fields;
}

async function readAll(dir: string, kind: string, onError: (error: unknown) => void) {
  const found: Readonly<Record<string, unknown>>[] = [];
  for (const name of await recordNames(dir)) {
    try {
      const fields = await readFields(join(dir, name), kind);
      if (fields) found.push(fields);
    } catch (error) {
      onError(error);
    }
  }
  return found;
}

async function recordNames(dir: string): Promise<string[]> {
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  return names.filter((name) => name.startsWith(PREFIX) && !name.endsWith(".tmp"));
}

function decodeRecord(fields: Readonly<Record<string, unknown>>): PulledRecord {
  return {
    imageRef: String(fields.imageRef ?? ""),
    lastUpdatedTime: String(fields.lastUpdatedTime ?? ""),
    credentialMapping: (fields.credentialMapping ?? {}) as Readonly<Record<string, PullCredentials>>,
  };
}
