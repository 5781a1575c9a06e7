// Bodies in memory: never more than the budget, users in turn, and over real connections too.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { ByteBudget, type Room } from "./byte-budget.ts";
import { Exchange } from "./exchange.ts";

const never = new AbortController().signal;

test("ByteBudget lets users in by turns, keeps one from taking all, and forgets who left", async () => {
  const budget = new ByteBudget({ total: 100, perOwner: 50, maxWaiting: 4 });
  const order: string[] = [];
  const rooms: Room[] = [];
  const take = async (owner: string, bytes: number, signal = never) => {
    const room = await budget.take(owner, bytes, () => signal);
    order.push(owner);
    rooms.push(room);
  };
  await take("a", 50);
  const second = take("a", 30);
  await take("b", 30);
  assert.deepEqual([order, budget.state], [["a", "b"], { used: 80, waiting: 1 }], "a has his part");
  const gone = new AbortController();
  const left = take("c", 40, gone.signal);
  const third = take("d", 30);
  const fourth = take("a", 5);
  await assert.rejects(take("e", 1), /429|please try again later/);
  gone.abort(new Error("gone"));
  await assert.rejects(left, /gone/);
  rooms[0]?.shrink(10);
  await Promise.all([second, third]);
  rooms[0]?.release();
  await fourth;
  assert.deepEqual(order, ["a", "b", "a", "d", "a"]);
  for (const room of rooms) room.release();
  assert.deepEqual(budget.state, { used: 0, waiting: 0 });
  // What is larger than all goes alone.
  (await budget.take("a", 1000, () => never)).release();
});

test("bodies that find no room are not read until others are done with theirs", { timeout: 30_000 }, async (t) => {
  const budget = new ByteBudget({ total: 1_000_000, perOwner: 1_000_000, maxWaiting: 100 });
  const held: (() => void)[] = [];
  let done = 0;
  const server = createServer(async (raw, response) => {
    const exchange = new Exchange(raw, budget);
    response.once("close", () => exchange.releaseBody());
    await exchange.readBytes();
    held.push(() => response.end());
  }).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const body = Buffer.alloc(300_000, "x");
  for (let i = 0; i < 10; i++) {
    const outgoing = request({ port, host: "127.0.0.1", method: "POST", agent: false });
    outgoing.on("response", (response) => response.resume().on("end", () => (done += 1)));
    outgoing.end(body);
  }
  await waitFor("three to be read and seven to wait", () => held.length === 3 && budget.state.waiting === 7);
  assert.equal(budget.state.used, 900_000);
  // Each that goes lets one in.
  held[0]?.();
  await waitFor("the fourth", () => held.length === 4 && done === 1);
  assert.ok(budget.state.used <= 1_000_000);
  for (let i = 1; i < 10; i++) {
    await waitFor("the next", () => held.length > i);
    held[i]?.();
  }
  await waitFor("all", () => done === 10 && budget.state.used === 0);
});
