// What carries audit events away: the bounded queue, the rotating file, the webhook.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { realClock } from "@skiff/component-base/clock.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { BatchQueue } from "./batch-queue.ts";
import { backupName, LogFile } from "./log-file.ts";
import { Webhook } from "./webhook.ts";

test("BatchQueue sends whole batches at once, the rest after its wait, one at a time, and refuses what is too much", async () => {
  const clock = new FakeClock();
  const sent: string[][] = [];
  let finish = () => {};
  const send = (batch: readonly string[]) => {
    sent.push([...batch]);
    return new Promise<void>((resolve) => {
      finish = resolve;
    });
  };
  const queue = new BatchQueue({ maxBatch: 2, maxWaitMs: 100, capacity: 3, maxChars: 10 }, send, clock);
  queue.push("a");
  assert.deepEqual(sent, [], "it waits for company");
  await clock.advance(100);
  assert.deepEqual(sent, [["a"]]);
  assert.deepEqual(
    ["b", "c", "d"].map((item) => queue.push(item)),
    [true, true, true],
  );
  assert.equal(queue.push("e"), false, "three wait already");
  assert.equal(sent.length, 1, "the first batch is still on its way");
  finish();
  await clock.advance(0);
  assert.deepEqual(sent[1], ["b", "c"]);
  assert.equal(queue.push("x".repeat(9)), false, "too many characters");
  const closed = queue.close();
  assert.equal(queue.push("f"), false, "closed");
  finish();
  await clock.advance(0);
  finish();
  await closed;
  assert.deepEqual(sent, [["a"], ["b", "c"], ["d"]]);
});

test("LogFile puts a full file aside and removes the oldest and the old", async () => {
  const folder = mkdtempSync(join(tmpdir(), "skiff-audit-"));
  const path = join(folder, "audit.log");
  let now = Date.parse("2026-01-02T03:04:05.678Z");
  const clock = { ...realClock, now: () => now };
  const file = new LogFile({ path, maxBytes: 20, maxBackups: 2, maxAgeDays: 1, compress: false }, clock);
  writeFileSync(join(folder, "audit-other.log"), "not ours");
  await file.open();
  for (const line of ["first line", "second line", "third line", "fourth line", "fifth line"]) {
    await file.write([line]);
    now += 1000;
  }
  await file.close();
  const name = (second: string) => `audit-2026-01-02T03-04-${second}.678.log`;
  assert.deepEqual(readdirSync(folder).sort(), [name("08"), name("09"), "audit-other.log", "audit.log"]);
  assert.equal(readFileSync(path, "utf8"), "fifth line\n");
  assert.equal(backupName(path, now - 2000), join(folder, name("08")));
  // A file of last week goes with the next rotation.
  utimesSync(join(folder, name("08")), (now - 7 * 86_400_000) / 1000, (now - 7 * 86_400_000) / 1000);
  await file.open();
  await file.write(["sixth line, long"]);
  await file.close();
  assert.ok(!readdirSync(folder).includes(name("08")));
  rmSync(folder, { recursive: true });
});

test("Webhook sends an EventList, tries again after 429 and 5xx, and gives up on 4xx and after five times", async () => {
  const answers = [429, 503, 200, 400, 500, 500, 500, 500, 500];
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      bodies.push(body);
      response.writeHead(answers[bodies.length - 1] ?? 200).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/audit`;
  using webhook = new Webhook({ url, insecure: false }, 1, realClock);
  const { signal } = new AbortController();
  await webhook.send(['{"a":1}', '{"b":2}'], signal);
  assert.equal(bodies.length, 3);
  const list = JSON.parse(bodies[2] ?? "");
  assert.deepEqual([list.kind, list.apiVersion, list.items], ["EventList", "audit.k8s.io/v1", [{ a: 1 }, { b: 2 }]]);
  await assert.rejects(webhook.send(["{}"], signal), /answered 400/);
  assert.equal(bodies.length, 4);
  await assert.rejects(webhook.send(["{}"], signal), /answered 500/);
  assert.equal(bodies.length, 9);
  server.close();
});
