import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { GrpcError } from "@skiff/grpc/grpc-error.ts";
import { CriError } from "../cri/cri-client.ts";
import { NO_QUOTA } from "./cpu-quotas.ts";
import { chooseDriver } from "./open-cgroups.ts";
import { SystemdSlices, sliceProperties } from "./systemd-slices.ts";

const SLICE = "/kubepods.slice/kubepods-podx.slice";

/** Tools that write down how they were called; `busctl` refuses in the given words. */
async function fakeTools(refusal: string) {
  const folder = await mkdtemp(join(tmpdir(), "skiff-slices-"));
  const log = join(folder, "calls");
  const tool = (body: string) => `#!/bin/sh\necho "\${0##*/} $*" >> ${log}\n${body}`;
  const refuse = refusal ? `case "$*" in *StartTransientUnit*) echo "${refusal}" >&2; exit 1;; esac` : "";
  await writeFile(join(folder, "busctl"), tool(refuse));
  await writeFile(join(folder, "systemctl"), tool(""));
  for (const name of ["busctl", "systemctl"]) await chmod(join(folder, name), 0o755);
  const done: string[] = [];
  const fs = {
    isUnified: true,
    create: async (path: string) => void done.push(`create ${path}`),
    apply: async (path: string) => void done.push(`apply ${path}`),
    kill: async (path: string) => void done.push(`kill ${path}`),
    remove: async (path: string) => void done.push(`remove ${path}`),
    children: async () => new Set<string>(),
  };
  const slices = new SystemdSlices(fs, { tools: folder, booted: folder });
  const calls = async () => (await readFile(log, "utf8")).trim().split("\n");
  return { slices, calls, done, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

test("SystemdSlices starts a transient slice with its limits, and waits until it is there", async () => {
  await using bed = await fakeTools("");
  await bed.slices.create(SLICE, { cpuShares: 1024, memoryBytes: 4096 });
  const [start = "", wait] = await bed.calls();
  assert.match(start, /StartTransientUnit ssa\(sv\)a\(sa\(sv\)\) kubepods-podx\.slice replace 8 /);
  assert.match(start, / CPUWeight t 100 MemoryMax t 4096 0$/);
  assert.equal(wait, "systemctl --system --quiet start kubepods-podx.slice");
  assert.deepEqual(bed.done, [`create ${SLICE}`]);
});

test("SystemdSlices gives a slice that is there its limits", async () => {
  await using bed = await fakeTools("Unit kubepods-podx.slice was already loaded or has a fragment file.");
  await bed.slices.create(SLICE, { pids: 10 });
  assert.match(
    (await bed.calls()).at(-1) ?? "",
    /SetUnitProperties sba\(sv\) kubepods-podx.slice true 1 TasksMax t 10$/,
  );
});

test("SystemdSlices passes on what systemd refuses", async () => {
  await using bed = await fakeTools("Access denied");
  await assert.rejects(bed.slices.create(SLICE, {}), /Access denied/);
  assert.deepEqual(bed.done, []);
});

test("SystemdSlices kills, stops the slice, and removes what systemd left", async () => {
  await using bed = await fakeTools("");
  await bed.slices.remove(SLICE);
  assert.deepEqual(await bed.calls(), ["systemctl --system --quiet stop kubepods-podx.slice"]);
  assert.deepEqual(bed.done, [`kill ${SLICE}`, `remove ${SLICE}`]);
});

test("sliceProperties speaks either version's language, and counts quotas per second", () => {
  const limits = { cpuShares: 512, cpuQuotaUs: 1234, memoryBytes: 1 };
  assert.deepEqual(sliceProperties(limits, false), [
    ["CPUShares", "t", "512"],
    ["CPUQuotaPerSecUSec", "t", "20000"],
    ["MemoryLimit", "t", "1"],
  ]);
  assert.equal(sliceProperties(limits, true)[0]?.[0], "CPUWeight");
  const free = [["CPUQuotaPerSecUSec", "t", String(2n ** 64n - 1n)]];
  assert.deepEqual(sliceProperties({ cpuQuotaUs: NO_QUOTA }, true), free, "infinity, as systemd writes it");
});

test("chooseDriver takes the runtime's word, the configured one where it has none, and waits while it is away", async () => {
  const refusal = (code: number) => new CriError("RuntimeConfig", new GrpcError(code, ""));
  const log = silentLogger();
  const { signal } = new AbortController();
  let pauses = 0;
  const clock = { sleep: async () => void pauses++ };
  const choose = (answers: (() => "systemd")[]) => {
    const cgroupDriver = async () => {
      const next = answers.shift();
      assert.ok(next, "asked once too often");
      return next();
    };
    return chooseDriver("cgroupfs", { cri: { cgroupDriver }, clock, log, signal });
  };
  const fail = (code: number) => () => {
    throw refusal(code);
  };
  assert.equal(await choose([() => "systemd"]), "systemd");
  assert.equal(await choose([fail(12)]), "cgroupfs");
  assert.equal(await choose([fail(14), fail(14), () => "systemd"]), "systemd");
  assert.equal(pauses, 2);
});
