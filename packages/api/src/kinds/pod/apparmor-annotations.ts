// AppArmor profiles were annotations before v1.30; here they become the fields that kubelets look at.
import type { AppArmorProfile, Pod } from "../../../generated/types.ts";
import { deepEqual } from "../../validation/deep-equal.ts";

/** With a container's name behind it. */
const PREFIX = "container.apparmor.security.beta.kubernetes.io/";
const LOCAL = "localhost/";

/** Changes containers in place. A field wins over its annotation, and a malformed annotation is passed over. */
export function applyAppArmorAnnotations(pod: Pod): void {
  const { metadata, spec } = pod;
  if (spec.os?.name === "windows") return;
  for (const container of [...(spec.initContainers ?? []), ...spec.containers]) {
    const annotation = metadata.annotations?.[PREFIX + container.name];
    const profile = annotation === undefined ? undefined : profileOf(annotation);
    // What all containers of the pod have needs no saying again.
    if (!profile || deepEqual(profile, spec.securityContext?.appArmorProfile)) continue;
    if (container.securityContext?.appArmorProfile) continue;
    container.securityContext = { ...container.securityContext, appArmorProfile: profile };
  }
}

function profileOf(annotation: string): AppArmorProfile | undefined {
  if (annotation === "unconfined") return { type: "Unconfined" };
  if (annotation === "runtime/default") return { type: "RuntimeDefault" };
  const name = annotation.startsWith(LOCAL) ? annotation.slice(LOCAL.length) : "";
  return name && name.trim() === name ? { type: "Localhost", localhostProfile: name } : undefined;
}
