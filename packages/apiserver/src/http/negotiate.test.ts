// Content negotiation, clause by clause.
import assert from "node:assert/strict";
import { test } from "node:test";
import { negotiate } from "./negotiate.ts";

const query = new URLSearchParams();
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";

test("negotiate takes the client's first acceptable clause", () => {
  const both = negotiate({ accept: `${TABLE},application/json` }, query, ["Table"]);
  assert.deepEqual(both.view, { kind: "Table", version: "v1" });
  assert.equal(negotiate({ accept: `${TABLE},application/json` }, query, []).view, undefined);
  const protobuf = "application/vnd.kubernetes.protobuf,application/json";
  assert.deepEqual(negotiate({ accept: protobuf }, query, []), { media: "json", view: undefined, pretty: false });
  assert.equal(negotiate({ accept: "application/json;q=0.5,application/yaml" }, query, []).media, "yaml");
});

test("negotiate refuses with 406 when nothing is acceptable", () => {
  const code = 406;
  assert.throws(() => negotiate({ accept: "application/vnd.kubernetes.protobuf" }, query, []), { code });
  assert.throws(() => negotiate({ accept: "text/html" }, query, []), { code });
  assert.throws(() => negotiate({ accept: TABLE }, query, []), { code });
});

test("negotiate is pretty for people and for those who ask", () => {
  assert.equal(negotiate({ "user-agent": "curl/8.0" }, query, []).pretty, true);
  assert.equal(negotiate({ "user-agent": "curl/8.0" }, new URLSearchParams("pretty=false"), []).pretty, false);
  assert.equal(negotiate({}, new URLSearchParams("pretty=1"), []).pretty, true);
});
