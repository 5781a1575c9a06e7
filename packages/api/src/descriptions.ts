// What every type and field is for, as OpenAPI and `kubectl explain` show it.
import { documentedAs } from "./older-models.ts";

type Descriptions = Readonly<Record<string, Readonly<Record<string, string>>>>;

let loaded: Descriptions | undefined;

/**
 * Reads the texts (800 KB), which must be done before `describe`. A second call is free.
 * A dynamic import keeps them out of the programs' bundles and out of memory until somebody asks.
 */
export async function loadDescriptions(): Promise<void> {
  const module = await import("../generated/descriptions.json", { with: { type: "json" } });
  loaded = module.default;
}

/** The text of a model, or of one of its fields; "" where upstream has none, and before `loadDescriptions`. */
export function describe(model: string, field = ""): string {
  if (!loaded) return "";
  const name = Object.hasOwn(loaded, model) ? model : documentedAs(model);
  const texts = Object.hasOwn(loaded, name) ? loaded[name] : undefined;
  return texts && Object.hasOwn(texts, field) ? (texts[field] ?? "") : "";
}
