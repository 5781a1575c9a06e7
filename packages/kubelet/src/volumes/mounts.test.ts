import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { mountNfs, unmount } from "./mounts.ts";

/** An umount that writes down what it is told and, where nothing but the path is, does as `plainly` says. */
async function fakeUmount(plainly: string) {
  const folder = await mkdtemp(join(tmpdir(), "skiff-umount-"));
  const log = join(folder, "calls");
  await writeFile(join(folder, "umount"), `#!/bin/sh\necho "$*" >> ${log}\n[ $# -gt 1 ] || ${plainly}\n`);
  await chmod(join(folder, "umount"), 0o755);
  const calls = async () => (await readFile(log, "utf8")).trim().split("\n");
  return { folder, calls, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

test("unmount takes what is busy out of sight", async () => {
  await using tool = await fakeUmount("exit 32");
  await unmount("/mnt", tool.folder);
  assert.deepEqual(await tool.calls(), ["/mnt", "--lazy /mnt"]);
});

test("unmount forces what does not answer, though the first attempt never ends", async () => {
  await using tool = await fakeUmount("exec sleep 600");
  await unmount("/mnt", tool.folder, 100);
  assert.equal((await tool.calls()).at(-1), "--force --lazy /mnt");
});

test("mountNfs ends its try when it is told to, helpers and all", async () => {
  await using tool = await fakeUmount("true");
  const pidFile = join(tool.folder, "helper");
  await writeFile(
    join(tool.folder, "mount"),
    `#!/bin/sh\nsleep 600 &\necho $! > ${pidFile}.new\nmv ${pidFile}.new ${pidFile}\nwait\n`,
  );
  await chmod(join(tool.folder, "mount"), 0o755);
  const stop = new AbortController();
  const mounting = mountNfs("192.0.2.1:/x", "/mnt", ["ro"], stop.signal, tool.folder);
  const helper = Number(await waitFor("the helper", () => readFile(pidFile, "utf8")));
  stop.abort(new Error("the pod shall end"));
  await assert.rejects(mounting, { message: "the pod shall end" });
  await waitFor("the helper to end", () => hasEnded(helper));
});

test("a tool that fails is quoted", async () => {
  await using tool = await fakeUmount("true");
  await writeFile(join(tool.folder, "mount"), "#!/bin/sh\necho no such server >&2\nexit 32\n");
  await chmod(join(tool.folder, "mount"), 0o755);
  const { signal } = new AbortController();
  const words = `Command failed: ${tool.folder}/mount -t nfs s:/x /mnt\nno such server\n`;
  await assert.rejects(mountNfs("s:/x", "/mnt", [], signal, tool.folder), { message: words });
});

/** A zombie has: nobody may be there to reap it. */
async function hasEnded(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => ") Z");
  return / Z/.test(stat.slice(stat.lastIndexOf(")")));
}
