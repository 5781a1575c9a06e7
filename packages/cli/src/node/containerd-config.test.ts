// What a node's containerd is told, and by which of its releases.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runCommand } from "@skiff/component-base/command.ts";
import { type ContainerdSettings, renderContainerdConfig } from "./containerd-config.ts";
import { containerdVersion, parseContainerdVersion } from "./containerd-version.ts";

const SETTINGS: Omit<ContainerdSettings, "version"> = {
  root: "/s/n/containerd",
  state: "/run/skiff/x/n/containerd",
  socket: "/run/skiff/x/n/containerd.sock",
  opt: '/s/n/o"pt',
  cniConfDir: "/s/n/cni/net.d",
  cniBinDir: "/usr/lib/cni",
  sandboxImage: "skiff.local/pause:1",
  snapshotter: "native",
  restrictOomScore: true,
};

test("renderContainerdConfig keeps all of a node's folders apart from the host's, in each release's words", () => {
  for (const [major, minor] of [
    [1, 6],
    [1, 7],
    [2, 0],
    [2, 1],
  ] as const) {
    const text = renderContainerdConfig({ ...SETTINGS, version: { major, minor } });
    assert.match(text, /path = "\/s\/n\/o\\"pt"/);
    assert.match(text, /restrict_oom_score_adj = true/);
    assert.match(text, /snapshotter = "native"/);
    assert.doesNotMatch(text, /\/var\/lib|\/run\/containerd|\/opt\/containerd/);
    assert.equal(text.includes("version = 3"), major === 2);
    assert.equal(text.includes('sandbox_image = "skiff.local/pause:1"'), major === 1);
    assert.equal(text.includes('sandbox = "skiff.local/pause:1"'), major === 2);
    assert.equal(text.includes("bin_dirs"), major === 2 && minor === 1);
  }
});

test("the containerd of this machine understands all that it is told", async () => {
  const folder = await mkdtemp(join(tmpdir(), "skiff-containerd-config-"));
  try {
    const file = join(folder, "config.toml");
    await writeFile(file, renderContainerdConfig({ ...SETTINGS, version: await containerdVersion() }));
    const { code, stdout, stderr } = await runCommand("containerd", ["--config", file, "config", "dump"]);
    assert.equal(code, 0, stderr);
    // Unknown names are dropped from what it shows, so each of ours must still be there.
    for (const value of ["skiff.local/pause:1", "/s/n/cni/net.d", "/usr/lib/cni", "native", "/etc/containerd/certs.d"])
      assert.match(stdout, new RegExp(`['"]${value}['"]`));
    assert.match(stdout, /restrict_oom_score_adj = true/);
    assert.match(stdout, /netns_mounts_under_state_dir = true/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("parseContainerdVersion reads what distributions make of it", () => {
  const of = (version: string) =>
    parseContainerdVersion(`containerd github.com/containerd/containerd/v2 ${version} abc`);
  assert.deepEqual(of("1.6.20~ds1"), { major: 1, minor: 6 });
  assert.deepEqual(of("v2.1.9"), { major: 2, minor: 1 });
  assert.deepEqual(of("2.0.0-rc.1+unknown"), { major: 2, minor: 0 });
  assert.equal(parseContainerdVersion("containerd: command not found"), undefined);
});
