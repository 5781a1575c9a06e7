// pods/ephemeralcontainers: adds containers to a running pod for a look inside, and changes nothing else.
import type { EphemeralContainer, Pod } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import type { WriteRules } from "../../kind.ts";
import { deepEqual } from "../../validation/deep-equal.ts";
import { allErrors, forbiddenField, root } from "../../validation/path.ts";
import { isMirrorPod } from "./validate-annotations.ts";
import { validatePodSpec } from "./validate-spec.ts";

/** What `kubectl debug` writes through. Answers 422 for all that is not an addition to the list. */
export const ephemeralContainerRules: WriteRules<Pod> = {
  prepareForUpdate(next, previous) {
    const { ephemeralContainers = [] } = next.spec;
    const { name, namespace, resourceVersion } = next.metadata;
    // Name, namespace and version identify the write; all other metadata is the stored one's.
    next.metadata = { ...previous.metadata, name, namespace, resourceVersion };
    if (previous.status) next.status = previous.status;
    // The generation counts changes of the spec, so that an unchanged list must not raise it.
    const changed = !deepEqual(ephemeralContainers, previous.spec.ephemeralContainers ?? []);
    if (!changed) {
      next.spec = previous.spec;
      return;
    }
    next.spec = { ...previous.spec, ephemeralContainers };
    next.metadata.generation = (previous.metadata.generation ?? 0) + 1;
  },
  validateUpdate: (next, previous) =>
    allErrors(validatePodSpec(next.spec, root("spec"), next.metadata), validateAdditions(next, previous)),
};

/** What is there stays as it is: its containers may have run already. */
function validateAdditions(next: Pod, previous: Readonly<Pod>): FieldError[] {
  if (isMirrorPod(next)) return [forbiddenField(root(""), "static pods do not support ephemeral containers")];
  const path = root("spec").child("ephemeralContainers");
  const wanted = new Map((next.spec.ephemeralContainers ?? []).map((container) => [container.name, container]));
  return (previous.spec.ephemeralContainers ?? []).flatMap((before) => {
    const detail = whyRefused(before, wanted.get(before.name));
    return detail ? [forbiddenField(path, detail)] : [];
  });
}

function whyRefused(before: EphemeralContainer, after: EphemeralContainer | undefined): string | undefined {
  const name = JSON.stringify(before.name);
  if (!after) return `existing ephemeral containers ${name} may not be removed\n`;
  return deepEqual(before, after) ? undefined : `existing ephemeral containers ${name} may not be changed\n`;
}
