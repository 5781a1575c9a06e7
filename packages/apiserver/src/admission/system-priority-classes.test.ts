// The system's own PriorityClasses cannot be deleted.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AdmissionRequest } from "./admission.ts";
import { systemPriorityClasses } from "./system-priority-classes.ts";

test("SystemPriorityClasses keeps the two and lets others go", () => {
  const deletion = (name: string) =>
    ({
      operation: "DELETE",
      kind: { group: "scheduling.k8s.io", plural: "priorityclasses" },
      subresource: "",
      name,
    }) as AdmissionRequest;
  assert.throws(() => systemPriorityClasses.validate(deletion("system-node-critical")), {
    code: 403,
    message:
      'priorityclasses.scheduling.k8s.io "system-node-critical" is forbidden: this is a system priority class and cannot be deleted',
  });
  systemPriorityClasses.validate(deletion("mine"));
});
