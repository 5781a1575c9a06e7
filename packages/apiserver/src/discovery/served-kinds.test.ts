// What --runtime-config turns on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { servedKinds } from "./served-kinds.ts";

test("servedKinds leaves beta kinds out unless they are asked for, and the narrowest word counts", () => {
  const has = (settings: Record<string, string>) =>
    servedKinds(settings).some(({ plural }) => plural === "clustertrustbundles");
  assert.equal(has({}), false);
  assert.equal(has({ "certificates.k8s.io/v1beta1/clustertrustbundles": "true" }), true);
  assert.equal(has({ "certificates.k8s.io/v1beta1": "true" }), true);
  assert.equal(has({ "api/beta": "true" }), true);
  assert.equal(has({ "api/all": "true", "certificates.k8s.io/v1beta1": "false" }), false);
  assert.throws(() => servedKinds({ "api/beta": "yes" }), /should be true or false/);
  assert.throws(
    () => servedKinds({ "apps/v1": "false" }),
    /nothing that this server can turn on or off is called apps\/v1/,
  );
});
