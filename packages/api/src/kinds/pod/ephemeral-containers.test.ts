// Containers that are added for a look inside.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "../../../generated/types.ts";
import { created } from "../judge.ts";
import { ephemeralContainerRules } from "./ephemeral-containers.ts";
import { podKind } from "./pod.ts";

const container = (name: string, extra: object = {}) => ({ name, image: "i:1", ...extra });

function update(previous: Pod, change: (next: Pod) => void): { pod: Pod; errors: string[] } {
  const pod = structuredClone(previous);
  change(pod);
  podKind.applyDefaults(pod);
  ephemeralContainerRules.prepareForUpdate(pod, previous, "2026-01-01T00:00:01Z");
  const errors = ephemeralContainerRules.validateUpdate(pod, previous);
  return { pod, errors: errors.map(({ field, detail }) => `${field}: ${detail}`) };
}

test("ephemeral containers are added and count as a change; nothing else of the pod changes", () => {
  const plain = created(podKind, { spec: { containers: [container("c")] } });
  const { pod, errors } = update(plain, (next) => {
    next.spec.ephemeralContainers = [container("debug", { targetContainerName: "c" })];
    next.spec.containers[0]!.image = "other:1";
    next.metadata.labels = { a: "b" };
  });
  assert.deepEqual(errors, []);
  assert.deepEqual(pod.spec.containers, plain.spec.containers);
  assert.equal(pod.metadata.labels, undefined);
  assert.equal(pod.metadata.generation, 2);
  assert.equal(pod.spec.ephemeralContainers?.[0]?.terminationMessagePolicy, "File");
});

test("ephemeral containers that exist stay as they are", () => {
  const plain = created(podKind, { spec: { containers: [container("c")] } });
  const { pod } = update(plain, (next) => {
    next.spec.ephemeralContainers = [container("debug")];
  });
  const removed = update(pod, (next) => {
    next.spec.ephemeralContainers = [];
  });
  assert.deepEqual(removed.errors, [
    'spec.ephemeralContainers: existing ephemeral containers "debug" may not be removed\n',
  ]);
  const changed = update(pod, (next) => {
    next.spec.ephemeralContainers = [container("debug", { image: "other:1" })];
  });
  assert.match(changed.errors.join(), /"debug" may not be changed/);
});
