// The models of all built-in types, by name: `Pod`, `PodSpec`, `ObjectMeta`; and those that follow from them.
import generated from "../generated/schemas.json" with { type: "json" };
import { olderModel } from "./older-models.ts";
import type { Model } from "./schema.ts";

// The inferred type of the JSON is far too wide to be useful, so it is narrowed once, here.
const raw: unknown = generated;
const models = new Map(Object.entries(raw as Record<string, Model>));

/** Throws when there is no model of that name: names come from our own tables, never from a request. */
export function modelOf(name: string): Model {
  const model = findModel(name);
  if (!model) throw new Error(`model ${name} is unknown`);
  return model;
}

/** For names that are put together from others, such as those of lists. */
export function hasModel(name: string): boolean {
  return findModel(name) !== undefined;
}

function findModel(name: string): Model | undefined {
  const known = models.get(name);
  if (known) return known;
  const model = olderModel(name, (like) => models.get(like)) ?? listModel(name);
  if (model) models.set(name, model);
  return model;
}

/** Lists are all alike, so those that the client lacks are made here. */
function listModel(name: string): Model | undefined {
  const item = /^(.+)List$/.exec(name)?.[1];
  const fields = item ? findModel(item)?.fields : undefined;
  if (!item || !fields || !("kind" in fields) || !("metadata" in fields)) return undefined;
  return {
    fields: {
      apiVersion: { type: "string" },
      items: { type: "array", items: { type: "object", ref: item } },
      kind: { type: "string" },
      metadata: { type: "object", ref: "ListMeta" },
    },
    required: ["items"],
  };
}
