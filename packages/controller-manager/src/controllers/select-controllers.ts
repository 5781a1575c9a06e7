// Which controllers `--controllers` asks for.
import { UsageError } from "@skiff/component-base/flags.ts";
import type { ControllerDefinition } from "./controller-definition.ts";

/** `*` stands for all; `foo` and `-foo` win over it. Old names are taken. Throws for unknown and for duplicate names. */
export function selectControllers(
  all: readonly ControllerDefinition[],
  wanted: readonly string[],
): readonly ControllerDefinition[] {
  const byName = new Map<string, ControllerDefinition>();
  for (const controller of all) {
    for (const name of [controller.name, ...controller.aliases]) {
      if (byName.has(name)) throw new Error(`two controllers are named ${name}`);
      byName.set(name, controller);
    }
  }
  const verdicts = new Map<ControllerDefinition, boolean>();
  for (const entry of wanted.filter((name) => name !== "*")) {
    const name = entry.replace(/^-/, "");
    const controller = byName.get(name);
    if (!controller) throw new UsageError(`--controllers: "${name}" is not in the list of known controllers`);
    // The first word on a controller counts, as upstream has it.
    if (!verdicts.has(controller)) verdicts.set(controller, !entry.startsWith("-"));
  }
  const rest = wanted.includes("*");
  return all.filter((controller) => verdicts.get(controller) ?? rest);
}
