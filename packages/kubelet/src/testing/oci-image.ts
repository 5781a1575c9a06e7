// Builds small OCI images from files of this machine, so that tests need no registry.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface ImageSpec {
  /** `name:tag` under which containerd knows the image. */
  readonly ref: string;
  /** Path in the image → file on this machine. */
  readonly files: Readonly<Record<string, string>>;
  readonly links?: Readonly<Record<string, string>>;
  readonly texts?: Readonly<Record<string, string>>;
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly user?: string;
}

/** Writes an OCI archive of `image` to `path`. */
export async function buildOciArchive(image: ImageSpec, path: string): Promise<void> {
  const work = await mkdtemp(`${path}-`);
  try {
    const layer = await buildLayer(image, work);
    const layout = join(work, "layout");
    const blobs = join(layout, "blobs/sha256");
    await mkdir(blobs, { recursive: true });
    const put = async (bytes: Buffer) => {
      const hex = createHash("sha256").update(bytes).digest("hex");
      await writeFile(join(blobs, hex), bytes);
      return { digest: `sha256:${hex}`, size: bytes.length };
    };
    const layerBlob = await put(layer);
    const config = await put(json(imageConfig(image, layerBlob.digest)));
    const manifest = await put(
      json({
        schemaVersion: 2,
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
        layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar", ...layerBlob }],
      }),
    );
    const entry = {
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      ...manifest,
      annotations: { "io.containerd.image.name": image.ref, "org.opencontainers.image.ref.name": image.ref },
    };
    await writeFile(join(layout, "index.json"), json({ schemaVersion: 2, manifests: [entry] }));
    await writeFile(join(layout, "oci-layout"), json({ imageLayoutVersion: "1.0.0" }));
    await run("tar", ["-C", layout, "-cf", path, "oci-layout", "index.json", "blobs"]);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function buildLayer(image: ImageSpec, work: string): Promise<Buffer> {
  const root = join(work, "root");
  for (const dir of ["tmp", "etc", "proc", "sys", "dev", "bin"]) await mkdir(join(root, dir), { recursive: true });
  for (const [to, from] of Object.entries(image.files)) {
    await mkdir(dirname(join(root, to)), { recursive: true });
    await copyFile(from, join(root, to));
  }
  for (const [at, target] of Object.entries(image.links ?? {})) await symlink(target, join(root, at));
  for (const [at, text] of Object.entries(image.texts ?? {})) await writeFile(join(root, at), text);
  const tar = join(work, "layer.tar");
  await run("tar", ["-C", root, "--owner=0", "--group=0", "-cf", tar, "."]);
  return readFile(tar);
}

function imageConfig(image: ImageSpec, diffId: string): object {
  return {
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    config: {
      Env: ["PATH=/bin:/sbin:/usr/bin"],
      ...(image.entrypoint ? { Entrypoint: image.entrypoint } : {}),
      ...(image.cmd ? { Cmd: image.cmd } : {}),
      ...(image.user ? { User: image.user } : {}),
    },
    rootfs: { type: "layers", diff_ids: [diffId] },
  };
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
