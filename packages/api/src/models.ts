// The models of all built-in types, by name: `Pod`, `PodSpec`, `ObjectMeta`.
import generated from "../generated/schemas.json" with { type: "json" };
import type { Model } from "./schema.ts";

// The inferred type of the JSON is far too wide to be useful, so it is narrowed once, here.
const raw: unknown = generated;
const models = new Map(Object.entries(raw as Record<string, Model>));

/** Throws when there is no model of that name: names come from our own tables, never from a request. */
export function modelOf(name: string): Model {
  const model = models.get(name);
  if (!model) throw new Error(`model ${name} is unknown`);
  return model;
}

export function hasModel(name: string): boolean {
  return models.has(name);
}

export function modelNames(): readonly string[] {
  return [...models.keys()];
}
