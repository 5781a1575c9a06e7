// Writes OCI image archives (oci-layout, index.json, blobs) from a list of files, so that an image needs no registry.
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import type { Pack } from "tar-stream";
import { pack } from "tar-stream";

/** One entry of the image's only layer, owned by root. */
export interface ImageFile {
  /** Without a leading slash. */
  readonly path: string;
  readonly mode: number;
  /** A file's bytes; a folder or a link has none. */
  readonly content?: Buffer;
  /** A symbolic link's target. */
  readonly link?: string;
}

/** What is in the image, and what its containers run unless told otherwise. */
export interface ImageSpec {
  /** Such as `skiff.local/demo:1`. */
  readonly name: string;
  readonly files: readonly ImageFile[];
  readonly entrypoint: readonly string[];
  readonly command?: readonly string[];
  readonly env?: readonly string[];
  readonly ports?: readonly string[];
  readonly user?: string;
}

/** Everything in an OCI archive is named by its digest. */
interface Blob {
  readonly digest: string;
  readonly bytes: Buffer;
  readonly mediaType: string;
}

const OCI = "application/vnd.oci.image";
// Equal contents make equal digests, so times are fixed.
const EPOCH = new Date(0);

/** One archive with all `images`, for this machine's architecture. */
export async function writeOciArchive(path: string, images: readonly ImageSpec[]): Promise<void> {
  const archive = pack();
  const done = pipeline(archive, createWriteStream(path));
  const manifests: object[] = [];
  addFile(archive, "oci-layout", Buffer.from(JSON.stringify({ imageLayoutVersion: "1.0.0" })));
  for (const image of images) {
    const { blobs, manifest } = await buildImage(image);
    for (const { digest, bytes } of blobs) addFile(archive, `blobs/sha256/${digest.slice(7)}`, bytes);
    manifests.push({
      ...descriptor(manifest),
      annotations: { "io.containerd.image.name": image.name, "org.opencontainers.image.ref.name": image.name },
    });
  }
  addFile(archive, "index.json", json({ schemaVersion: 2, manifests }));
  archive.finalize();
  await done;
}

/** One layer, uncompressed: the archive is read on the same machine. */
async function buildImage(image: ImageSpec): Promise<{ blobs: Blob[]; manifest: Blob }> {
  const layer = blobOf(`${OCI}.layer.v1.tar`, await layerOf(image.files));
  const config = blobOf(`${OCI}.config.v1+json`, json(imageConfig(image, layer.digest)));
  const manifest = blobOf(
    `${OCI}.manifest.v1+json`,
    json({
      schemaVersion: 2,
      mediaType: `${OCI}.manifest.v1+json`,
      config: descriptor(config),
      layers: [descriptor(layer)],
    }),
  );
  return { blobs: [layer, config, manifest], manifest };
}

function imageConfig(image: ImageSpec, layerDigest: string): object {
  return {
    created: EPOCH.toISOString(),
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    config: {
      Entrypoint: image.entrypoint,
      ...(image.command ? { Cmd: image.command } : {}),
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ...(image.env ?? [])],
      WorkingDir: "/",
      ...(image.user ? { User: image.user } : {}),
      ...(image.ports ? { ExposedPorts: Object.fromEntries(image.ports.map((port) => [port, {}])) } : {}),
    },
    rootfs: { type: "layers", diff_ids: [layerDigest] },
    history: [{ created: EPOCH.toISOString(), created_by: "skiff" }],
  };
}

async function layerOf(files: readonly ImageFile[]): Promise<Buffer> {
  const layer = pack();
  const chunks: Buffer[] = [];
  layer.on("data", (chunk) => chunks.push(chunk as Buffer));
  for (const file of files) layer.entry(headerOf(file), file.content ?? Buffer.alloc(0));
  layer.finalize();
  await new Promise<void>((resolve, reject) => {
    layer.once("end", resolve);
    layer.once("error", reject);
  });
  return Buffer.concat(chunks);
}

function headerOf({ path, mode, content, link }: ImageFile): Parameters<Pack["entry"]>[0] {
  const common = { name: path, mode, mtime: EPOCH, uid: 0, gid: 0 };
  if (link !== undefined) return { ...common, type: "symlink", linkname: link, size: 0 };
  if (!content) return { ...common, type: "directory", size: 0 };
  return { ...common, type: "file", size: content.length };
}

function addFile(archive: Pack, name: string, content: Buffer): void {
  archive.entry({ name, mode: 0o644, mtime: EPOCH, size: content.length }, content);
}

function blobOf(mediaType: string, bytes: Buffer): Blob {
  return { mediaType, bytes, digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}` };
}

function descriptor({ mediaType, digest, bytes }: Blob): object {
  return { mediaType, digest, size: bytes.length };
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
