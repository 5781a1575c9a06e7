// AppArmor's annotations of old, as fields.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod, PodSpec } from "../../../generated/types.ts";
import { applyAppArmorAnnotations } from "./apparmor-annotations.ts";

function profilesOf(annotation: string, spec: Partial<PodSpec> = {}): unknown[] {
  const annotations = { "container.apparmor.security.beta.kubernetes.io/a": annotation };
  const pod = {
    metadata: { name: "p", uid: "u", resourceVersion: "1", creationTimestamp: "", annotations },
    spec: { containers: [{ name: "a" }, { name: "b" }], ...spec },
  } as Pod;
  applyAppArmorAnnotations(pod);
  return pod.spec.containers.map(({ securityContext }) => securityContext?.appArmorProfile);
}

test("applyAppArmorAnnotations turns each form of an annotation into its container's field", () => {
  assert.deepEqual(profilesOf("runtime/default"), [{ type: "RuntimeDefault" }, undefined]);
  assert.deepEqual(profilesOf("unconfined"), [{ type: "Unconfined" }, undefined]);
  assert.deepEqual(profilesOf("localhost/x"), [{ type: "Localhost", localhostProfile: "x" }, undefined]);
  for (const bad of ["", "localhost/", "localhost/ x", "other"])
    assert.deepEqual(profilesOf(bad), [undefined, undefined]);
});

test("applyAppArmorAnnotations leaves fields, and what the pod says already, as they are", () => {
  const own = { name: "a", securityContext: { appArmorProfile: { type: "Unconfined" } } };
  assert.deepEqual(profilesOf("runtime/default", { containers: [own] }), [{ type: "Unconfined" }]);
  const securityContext = { appArmorProfile: { type: "RuntimeDefault" } };
  assert.deepEqual(profilesOf("runtime/default", { securityContext }), [undefined, undefined]);
  assert.deepEqual(profilesOf("unconfined", { securityContext }), [{ type: "Unconfined" }, undefined]);
  assert.deepEqual(profilesOf("unconfined", { os: { name: "windows" } }), [undefined, undefined]);
});
