// The images that every cluster has from the start, made from two static programs of the system: tini and busybox.
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../user-error.ts";
import type { ImageFile, ImageSpec } from "./oci-archive.ts";

/** What a pod's sandbox runs. */
export const SANDBOX_IMAGE = "skiff.local/pause:1";
/** A small web server that answers with its host's name. */
export const DEMO_IMAGE = "skiff.local/demo:1";

/** Where distributions put them. Both are linked statically, so an image needs no libraries. */
const TINI = ["/usr/bin/tini-static", "/sbin/tini-static"];
const BUSYBOX = ["/bin/busybox", "/usr/bin/busybox"];

/** Writes the archive into `folder` unless it is there; returns its path. */
export async function ensureBuiltinImages(folder: string): Promise<string> {
  const path = join(folder, "builtin-2.tar");
  if (existsSync(path)) return path;
  const { writeOciArchive } = await import("./oci-archive.ts");
  const tini = readFileSync(firstOf(TINI, "tini"));
  const busybox = readFileSync(firstOf(BUSYBOX, "busybox-static"));
  mkdirSync(folder, { recursive: true });
  await writeOciArchive(`${path}.next`, [sandboxImage(tini, busybox), demoImage(tini, busybox)]);
  renameSync(`${path}.next`, path);
  return path;
}

// tini reaps what the pod's containers orphan and passes SIGTERM on; sleep does nothing for 68 years.
function sandboxImage(tini: Buffer, busybox: Buffer): ImageSpec {
  return {
    name: SANDBOX_IMAGE,
    files: [program("pause", tini), program("sleep", busybox), folder("etc"), ...MOUNT_POINTS],
    entrypoint: ["/pause", "--", "/sleep", "2147483647"],
    user: "65535:65535",
  };
}

function demoImage(tini: Buffer, busybox: Buffer): ImageSpec {
  return {
    name: DEMO_IMAGE,
    files: [
      ...["bin", "sbin", "etc", "root", "tmp", "usr", "usr/bin", "var", "www", "www/cgi-bin"].map(folder),
      program("bin/busybox", busybox),
      program("sbin/tini", tini),
      ...APPLETS.map((name) => ({ path: `bin/${name}`, mode: 0o777, link: "busybox" })),
      text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"),
      text("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
      ...MOUNT_POINTS,
      // busybox httpd runs this for `/` as long as there is no index.html.
      { ...text("www/cgi-bin/index.cgi", INDEX_SCRIPT), mode: 0o755 },
    ],
    // httpd as the first process would ignore SIGTERM, and every deletion would take its whole grace period.
    entrypoint: ["/sbin/tini", "--"],
    command: ["httpd", "-f", "-vv", "-p", "80", "-h", "/www"],
    ports: ["80/tcp"],
  };
}

/** Where the runtime mounts: what an image lacks of them is made for each of its containers, on the node's disk. */
const MOUNT_POINTS: readonly ImageFile[] = [
  ...["dev", "proc", "sys"].map(folder),
  ...["etc/hostname", "etc/hosts", "etc/resolv.conf"].map((path) => text(path, "")),
];

const INDEX_SCRIPT = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
echo "Hello from $(hostname)"
`;

/** busybox is one program that acts by the name it is called by: each name is a link. */
const APPLETS = (
  "ash awk base64 basename cat chmod chown clear cp cut date dd df diff dirname dmesg du echo ed env expr false find free " +
  "fsync grep gunzip gzip head hexdump hostname httpd id ifconfig ip kill less ln ls md5sum mkdir mkfifo mktemp more mount " +
  "mv nc netstat nproc nslookup od ping printenv printf ps pwd readlink realpath rm rmdir route sed seq sh sha256sum sleep sort " +
  "stat stty sync tail tar tee telnet test time timeout top touch tr true tty umount uname uniq uptime vi wc wget which whoami xargs yes"
).split(" ");

function program(path: string, content: Buffer): ImageFile {
  return { path, mode: 0o755, content };
}

function folder(path: string): ImageFile {
  return { path, mode: path === "tmp" ? 0o1777 : 0o755 };
}

function text(path: string, content: string): ImageFile {
  return { path, mode: 0o644, content: Buffer.from(content) };
}

function firstOf(paths: readonly string[], debianPackage: string): string {
  const found = paths.find((path) => existsSync(path));
  if (!found) throw new UserError(`${paths[0]} is missing`, `install the Debian package ${debianPackage}`);
  return found;
}
