// The files that the table of programs makes: committed as they are made, accepted by systemd, with no key too many.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runCommand } from "@skiff/component-base/command.ts";
import { parse } from "yaml";
import { PROGRAMS } from "../programs.ts";
import { CONTAINERS, containerNamed, credentialsOf } from "./compose-cluster.ts";
import { generatedFiles } from "./generated-files.ts";
import { systemdFiles } from "./systemd-units.ts";

const ROOT = join(import.meta.dirname, "../../../..");

test("the committed compose file and units are those that the table makes", () => {
  for (const [path, text] of generatedFiles()) {
    const hint = `${path} is old: run node packages/cli/scripts/generate-deploy.ts`;
    assert.equal(readFileSync(join(ROOT, path), "utf8"), text, hint);
  }
});

test("systemd accepts every unit", async () => {
  const folder = mkdtempSync(join(tmpdir(), "skiff-units-"));
  try {
    const units = [...systemdFiles()].filter(([name]) => name.endsWith(".service"));
    assert.equal(units.length, PROGRAMS.length - 1, "containerd has its own unit, all others one of ours");
    // Whether the command exists is judged too, and Node need not be where the units have it.
    for (const [name, text] of units)
      writeFileSync(join(folder, name), text.replace("/usr/bin/node", process.execPath));
    const files = units.map(([name]) => join(folder, name));
    const { code, stderr } = await runCommand("systemd-analyze", ["verify", "--man=no", ...files]);
    const complaints = stderr.split("\n").filter((line) => line.includes(folder) || /unknown|invalid/i.test(line));
    assert.deepEqual({ code, complaints }, { code: 0, complaints: [] }, stderr);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("every program of the table runs in a container, and in one place only, but for the nodes' own", () => {
  for (const { name, scope } of PROGRAMS) {
    const count = CONTAINERS.filter((container) => container.programs.includes(name)).length;
    assert.equal(count, scope === "node" ? 2 : 1, name);
  }
});

test("a container gets the credentials of its own programs and nobody else's", () => {
  assert.deepEqual(credentialsOf(containerNamed("worker-1")), [
    "kubeconfigs/kube-proxy.conf",
    "kubeconfigs/kubelet-worker-1.conf",
    "kubeconfigs/node-network.conf",
    "pki/ca.crt",
    "pki/kubelet-worker-1.crt",
    "pki/kubelet-worker-1.key",
  ]);
  for (const container of CONTAINERS) {
    const files = credentialsOf(container);
    assert.ok(files.length > 0, container.name);
    // The controller manager signs kubelets' certificates, as upstream.
    const foreign = files.filter((file) => file.endsWith("ca.key") || file.includes("admin"));
    assert.deepEqual(foreign, container.programs.includes("kube-controller-manager") ? ["pki/ca.key"] : []);
  }
});

test("the compose file starts a program when those before it are healthy, and only nodes are privileged", () => {
  interface Service {
    readonly image: string;
    readonly privileged?: boolean;
    readonly depends_on?: Record<string, { condition: string }>;
  }
  const { services } = parse(generatedFiles().get("docker-compose.yml") ?? "") as { services: Record<string, Service> };
  assert.deepEqual(services["worker-2"]?.depends_on, {
    init: { condition: "service_completed_successfully" },
    "kube-apiserver": { condition: "service_healthy" },
  });
  const privileged = Object.keys(services).filter((name) => services[name]?.privileged);
  assert.deepEqual(privileged, ["worker-1", "worker-2"]);
  assert.equal(new Set(Object.values(services).map(({ image }) => image)).size, 1);
});
