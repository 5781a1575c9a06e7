// Reads a small file of a volume; no link in it leads out, not even one that is put there meanwhile.
import type { FileHandle } from "node:fs/promises";
import { constants, open, readlink } from "node:fs/promises";

// Not among Node's constants: a handle on the place itself, which opens nothing and so never waits.
const O_PATH = 0o10000000;
const STEP = O_PATH | constants.O_NOFOLLOW;
/** As many as Linux follows. */
const MAX_LINKS = 40;

/**
 * The text of a regular file of at most `maxBytes`. Links are followed as if the volume were all there is: `/` and what lies
 * above its top are the volume itself. Rejects with the system's errors, and for what is no such file.
 */
export async function readInVolume(root: string, path: string, maxBytes: number): Promise<string> {
  const above: FileHandle[] = [await open(root, STEP)];
  try {
    const place = await walk(above, path);
    if (!(await place.stat()).isFile()) throw new Error(`${path} is not a regular file`);
    await using file = await open(`/proc/self/fd/${place.fd}`, constants.O_RDONLY);
    const buffer = Buffer.alloc(maxBytes + 1);
    let size = 0;
    for (let read = -1; read !== 0 && size <= maxBytes; size += read) {
      read = (await file.read(buffer, size, buffer.length - size)).bytesRead;
    }
    if (size > maxBytes) throw new Error(`${path} has more than ${maxBytes} bytes`);
    return buffer.toString("utf8", 0, size);
  } finally {
    for (const handle of above) await handle.close();
  }
}

/** `above` are the handles from the top of the volume to where the walk has come. */
async function walk(above: FileHandle[], path: string): Promise<FileHandle> {
  const names = path.split("/");
  let links = 0;
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (name === "" || name === ".") continue;
    if (name === "..") {
      if (above.length > 1) await above.pop()?.close();
      continue;
    }
    const at = `/proc/self/fd/${last(above).fd}/${name}`;
    const next = await open(at, STEP);
    if (!(await next.stat()).isSymbolicLink()) {
      above.push(next);
      continue;
    }
    await next.close();
    links += 1;
    if (links > MAX_LINKS) throw new Error(`too many links on the way to ${path}`);
    const target = await readlink(at);
    while (target.startsWith("/") && above.length > 1) await above.pop()?.close();
    names.unshift(...target.split("/"));
  }
  return last(above);
}

function last(handles: readonly FileHandle[]): FileHandle {
  return handles[handles.length - 1]!;
}
