// Which kinds the server serves: all that are stable, and those beta ones that --runtime-config turns on.
import type { KindDefinition } from "@skiff/api/kind.ts";
import { KINDS, OPTIONAL_KINDS } from "@skiff/api/kinds/index.ts";
import { UsageError } from "@skiff/component-base/flags.ts";

/**
 * `api/all`, `api/beta`, a group version or a resource of one, each true or false; the narrowest wins. What is stable
 * cannot be turned off here, and what is not there cannot be turned on.
 */
export function servedKinds(settings: Readonly<Record<string, string>>): readonly KindDefinition[] {
  for (const [key, value] of Object.entries(settings)) {
    if (!["true", "false", ""].includes(value))
      throw new UsageError(`--runtime-config: invalid value of ${key}=${value}, should be true or false`);
    if (!OPTIONAL_KINDS.some((kind) => keysOf(kind).includes(key)))
      throw new UsageError(`--runtime-config: nothing that this server can turn on or off is called ${key}`);
  }
  const isOn = (kind: KindDefinition) => {
    const key = keysOf(kind).find((one) => one in settings);
    return key !== undefined && settings[key] !== "false";
  };
  return [...KINDS, ...OPTIONAL_KINDS.filter(isOn)];
}

/** The narrowest first. */
function keysOf({ group, version, plural }: KindDefinition): string[] {
  return [`${group}/${version}/${plural}`, `${group}/${version}`, "api/beta", "api/all"];
}
