// What a node's containerd is told.
import assert from "node:assert/strict";
import { test } from "node:test";
import { renderContainerdConfig } from "./containerd-config.ts";
import { hasCapability } from "./prepare-node.ts";

test("hasCapability reads the effective set", () => {
  const status = (mask: string) => `Name:\tx\nCapInh:\t0000000000000000\nCapEff:\t${mask}\n`;
  assert.equal(hasCapability(status("000001ffffffffff"), 24), true);
  assert.equal(hasCapability(status("000001fffeffffff"), 24), false);
});

test("renderContainerdConfig keeps all of a node's folders apart from the host's", () => {
  const text = renderContainerdConfig({
    root: "/s/n/containerd",
    state: "/run/skiff/x/n/containerd",
    socket: "/run/skiff/x/n/containerd.sock",
    opt: '/s/n/o"pt',
    cniConfDir: "/s/n/cni/net.d",
    cniBinDir: "/usr/lib/cni",
    sandboxImage: "skiff.local/pause:1",
    snapshotter: "native",
    restrictOomScore: true,
  });
  assert.match(text, /path = "\/s\/n\/o\\"pt"/);
  assert.match(text, /restrict_oom_score_adj = true/);
  assert.match(text, /snapshotter = "native"/);
  assert.doesNotMatch(text, /\/var\/lib|\/run\/containerd|\/opt\/containerd/);
});
