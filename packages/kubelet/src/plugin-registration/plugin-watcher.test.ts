// Real registration sockets under a real folder: taken, refused, withdrawn, taken again.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { RegistrarServer } from "@skiff/testkit/csi/registrar-server.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import type { PluginHandler, PluginInfo } from "./plugin-handler.ts";
import { watchPlugins } from "./plugin-watcher.ts";

/** Remembers what it was told; refuses plugins without versions. */
class RecordingHandler implements PluginHandler {
  readonly calls: string[] = [];
  failures = 0;

  validate(plugin: PluginInfo): void {
    if (plugin.supportedVersions.length === 0) throw new Error("no versions");
  }

  async register(plugin: PluginInfo): Promise<void> {
    this.calls.push(`+${plugin.name} ${plugin.endpoint}`);
    if (this.failures-- > 0) throw new Error("not yet");
  }

  async deregister(name: string): Promise<void> {
    this.calls.push(`-${name}`);
  }
}

async function watching(work: (dir: string, handler: RecordingHandler) => Promise<void>): Promise<void> {
  const rootDir = await mkdtemp(join(tmpdir(), "skiff-plugins-"));
  const dir = join(rootDir, "plugins_registry");
  await mkdir(dir);
  const stop = new AbortController();
  const handler = new RecordingHandler();
  const deps = { handlers: { CSIPlugin: async () => handler }, clock: realClock, log: silentLogger() };
  const watcher = watchPlugins(rootDir, deps, stop.signal);
  try {
    await work(dir, handler);
  } finally {
    stop.abort();
    await watcher;
    await rm(rootDir, { recursive: true, force: true });
  }
}

const info = { type: "CSIPlugin", name: "d.example.org", endpoint: "/run/csi.sock", supportedVersions: ["1.0.0"] };

test("PluginWatcher registers a new socket's plugin, and withdraws it with the socket", () =>
  watching(async (dir, handler) => {
    const path = join(dir, "d.example.org-reg.sock");
    {
      await using registrar = await RegistrarServer.start(path, info);
      assert.deepEqual(await registrar.outcome(), { pluginRegistered: true, error: "" });
      assert.deepEqual(handler.calls, ["+d.example.org /run/csi.sock"]);
    }
    await unlink(path).catch(() => {});
    await waitFor("the withdrawal", async () => handler.calls.at(-1) === "-d.example.org");
    await using again = await RegistrarServer.start(path, { ...info, endpoint: "" });
    assert.equal((await again.outcome()).pluginRegistered, true);
    assert.equal(handler.calls.at(-1), `+d.example.org ${path}`, "the socket itself stands in for an empty endpoint");
  }));

test("PluginWatcher tells a plugin why it is not taken, and tries again", () =>
  watching(async (dir, handler) => {
    handler.failures = 1;
    await using late = await RegistrarServer.start(join(dir, "late.sock"), info);
    assert.deepEqual(await late.outcome(), {
      pluginRegistered: false,
      error: "RegisterPlugin error -- plugin registration failed with err: not yet",
    });
    assert.equal((await late.outcome()).pluginRegistered, true);
    await using odd = await RegistrarServer.start(join(dir, "odd.sock"), { ...info, type: "OddPlugin" });
    assert.match((await odd.outcome()).error, /no handler registered for plugin type: OddPlugin/);
    await using old = await RegistrarServer.start(join(dir, "old.sock"), { ...info, supportedVersions: [] });
    assert.match((await old.outcome()).error, /plugin validation failed with err: no versions/);
  }));
