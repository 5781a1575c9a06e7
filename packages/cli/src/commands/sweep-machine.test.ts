// What the sweep unmounts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { mountsBelow } from "./sweep-machine.ts";

test("mountsBelow lists inner mounts first, decodes spaces, and leaves neighbours with a like name alone", () => {
  const info = ["/s/x", "/s/x/in\\040ner", "/s-other/x", "/s"].map(
    (path, index) => `${index} 1 0:1 / ${path} rw - tmpfs t rw`,
  );
  assert.deepEqual(mountsBelow(info.join("\n"), ["/s"]), ["/s/x/in ner", "/s/x"]);
});
