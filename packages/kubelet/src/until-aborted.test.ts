import assert from "node:assert/strict";
import { test } from "node:test";
import { untilAborted } from "./until-aborted.ts";

test("untilAborted gives what the work gives, and leaves when the signal says so", async () => {
  const stop = new AbortController();
  assert.equal(await untilAborted(Promise.resolve(1), stop.signal), 1);
  await assert.rejects(untilAborted(Promise.reject(new Error("no")), stop.signal), /no/);
  const work = Promise.withResolvers<number>();
  const waiting = untilAborted(work.promise, stop.signal);
  stop.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
  await assert.rejects(untilAborted(work.promise, stop.signal), /enough/);
});
