import assert from "node:assert/strict";
import { test } from "node:test";
import type { RequestContext } from "./endpoint.ts";
import { versionHandler } from "./health-paths.ts";

test("the version has the shape that clients read", async () => {
  const answer = await versionHandler().handle({} as RequestContext);
  assert.ok("object" in answer);
  const { major, minor, gitVersion, gitCommit, buildDate } = answer.object as Readonly<Record<string, string>>;
  assert.match(`${major}.${minor}`, /^\d\.\d+$/);
  assert.match(gitVersion ?? "", /^v\d\.\d+\.[\w\-.+]+$/);
  assert.match(gitCommit ?? "", /^[0-9a-f]{40}$/);
  assert.ok(Number.isFinite(Date.parse(buildDate ?? "")));
});
