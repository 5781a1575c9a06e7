// Which container of a pod is meant, in upstream's words when that is not clear.
import { badRequest } from "@skiff/api/errors.ts";
import type { Pod } from "@skiff/api/types.ts";

/** `wanted` may be empty where the pod has one container only. */
export function chooseContainer(pod: Readonly<Pod>, wanted: string): string {
  const { spec, metadata } = pod;
  const names = spec.containers.map(({ name }) => name);
  const initNames = (spec.initContainers ?? []).map(({ name }) => name);
  const all = [...names, ...initNames, ...(spec.ephemeralContainers ?? []).map(({ name }) => name)];
  if (wanted) {
    if (all.includes(wanted)) return wanted;
    throw badRequest(`container ${wanted} is not valid for pod ${metadata.name}`);
  }
  if (names.length === 1 && names[0]) return names[0];
  const init = initNames.length > 0 ? ` or one of the init containers: [${initNames.join(" ")}]` : "";
  const choices = names.length > 0 ? `, choose one of: [${names.join(" ")}]${init}` : "";
  throw badRequest(`a container name must be specified for pod ${metadata.name}${choices}`);
}
