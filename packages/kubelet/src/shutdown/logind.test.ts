// What is asked of systemd's tools and read from them; the tools here are scripts, for a test must not shut its machine down.
import assert from "node:assert/strict";
import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { realClock } from "@skiff/component-base/clock.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { Logind } from "./logind.ts";

const dir = await mkdtemp(join(tmpdir(), "skiff-logind-"));
after(() => rm(dir, { recursive: true }));
const at = (name: string) => join(dir, name);
const signal = new AbortController().signal;
const logind = new Logind(realClock, { tools: dir, configDir: at("conf.d") });

function script(name: string, text: string): Promise<void> {
  return writeFile(at(name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
}

beforeEach(async () => {
  await writeFile(at("news"), "");
  await writeFile(at("delay"), "t 5000000\n");
  await script(
    "busctl",
    `case "$*" in *get-property*InhibitDelayMaxUSec) cat ${at("delay")};; *PrepareForShutdown*monitor) exec tail -n +1 -f ${at("news")};; esac`,
  );
  await script("systemctl", `echo "$@" > ${at("asked")}; echo "t 30000000" > ${at("delay")}`);
  await script(
    "systemd-inhibit",
    `echo "$@" > ${at("asked")}; while [ "\${1#--}" != "$1" ]; do shift; done; exec "$@"`,
  );
});

test("Logind leaves a delay that is long enough alone, and raises one that is not", async () => {
  await logind.allowDelay(5000, signal);
  await assert.rejects(readFile(at("conf.d/99-kubelet.conf")), /ENOENT/);
  await logind.allowDelay(30_000, signal);
  assert.match(await readFile(at("conf.d/99-kubelet.conf"), "utf8"), /\[Login\]\nInhibitDelayMaxSec=30\n/);
  assert.equal(await readFile(at("asked"), "utf8"), "kill --signal=HUP systemd-logind.service\n");
});

test("Logind says when the delay stays too short, and when there is nobody to ask", async () => {
  await script("systemctl", "true");
  const quick = { ...realClock, sleep: async () => {} };
  const places = { tools: dir, configDir: at("conf.d") };
  await assert.rejects(
    new Logind(quick, places).allowDelay(30_000, signal),
    /unable to update logind InhibitDelayMaxSec to 30s .*current value of InhibitDelayMaxSec \(5s\) is less than requested/,
  );
  await script("busctl", "echo 'no bus' >&2; exit 1");
  await assert.rejects(logind.allowDelay(1000, signal), /no bus/);
});

test("Logind holds its lock until it is released, and notices one that is lost", async () => {
  const lock = await logind.hold(signal);
  assert.match(await readFile(at("asked"), "utf8"), /^--what=shutdown --who=kubelet .*--mode=delay sh -c/);
  await lock.release();
  await lock.lost;
  const stop = new AbortController();
  const other = await logind.hold(stop.signal);
  stop.abort();
  await other.lost;
  await script("systemd-inhibit", "echo 'Access denied' >&2; exit 1");
  await assert.rejects(logind.hold(signal), /systemd-inhibit ended: Access denied/);
});

test("Logind hears of shutdowns and their calling off, until it is told to stop", async () => {
  const stop = new AbortController();
  const heard: boolean[] = [];
  const listening = (async () => {
    for await (const begins of logind.news(stop.signal)) heard.push(begins);
  })();
  const say = (data: boolean) =>
    appendFile(at("news"), `${JSON.stringify({ member: "PrepareForShutdown", payload: { data: [data] } })}\n`);
  await say(true);
  await waitFor("the shutdown", () => heard.length === 1);
  await say(false);
  await waitFor("the calling off", () => heard.length === 2);
  assert.deepEqual(heard, [true, false]);
  stop.abort();
  await listening;
  await script("busctl", "echo 'Failed to connect' >&2; exit 1");
  await assert.rejects(logind.news(signal).next(), /busctl ended: Failed to connect/);
});
