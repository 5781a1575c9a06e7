// Turns the official client's models into packages/api/generated/: types.ts (what the compiler sees),
// schemas.json (what the schema walk reads) and descriptions.json (what OpenAPI and `kubectl explain` show).
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

interface Attribute {
  name: string;
  baseName: string;
  type: string;
  format: string;
}

interface Declaration {
  description: string;
  fields: Map<string, { required: boolean; description: string }>;
}

type Schema = Record<string, unknown> & { type: string };

// Kept by `require` so that the generator runs from a pnpm tree whatever the working directory is.
const require = createRequire(import.meta.url);
const modelsDir = join(dirname(require.resolve("@kubernetes/client-node")), "gen", "models");
const outDir = join(dirname(fileURLToPath(import.meta.url)), "..", "generated");

// Every object that was read from the API has these, so the types say so; `Unsaved<T>` is what one creates.
const requiredInStored = new Map([["ObjectMeta", new Set(["name", "uid", "resourceVersion", "creationTimestamp"])]]);

const models = await loadModels();
write("schemas.json", JSON.stringify(schemas()));
write("descriptions.json", JSON.stringify(descriptions()));
write("types.ts", types());

async function loadModels(): Promise<Map<string, { attributes: Attribute[]; declaration: Declaration }>> {
  const all: Record<string, { attributeTypeMap?: Attribute[] }> = await import(join(modelsDir, "all.js"));
  const loaded = new Map<string, { attributes: Attribute[]; declaration: Declaration }>();
  for (const [name, model] of Object.entries(all)) {
    if (!model.attributeTypeMap) continue;
    loaded.set(name, { attributes: model.attributeTypeMap, declaration: readDeclaration(name) });
  }
  return loaded;
}

/** Required marks and descriptions stand only in the declaration file: `'field'?: Type;` below a comment. */
function readDeclaration(model: string): Declaration {
  const text = readFileSync(join(modelsDir, `${model}.d.ts`), "utf8");
  const fields: Declaration["fields"] = new Map();
  const body = text.slice(text.indexOf("export declare class"));
  for (const match of body.matchAll(/(?:\/\*\*\n([\s\S]*?)\*\/\n\s*)?'([^']+)'(\?)?: /g)) {
    fields.set(match[2] ?? "", { required: !match[3], description: commentText(match[1] ?? "") });
  }
  const heading = /\/\*\*\n((?:(?!\*\/)[\s\S])*?)\*\/\nexport declare class/.exec(text);
  return { description: commentText(heading?.[1] ?? ""), fields };
}

function commentText(comment: string): string {
  return comment
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, ""))
    .join("\n")
    .trim()
    .replaceAll("\\'", "'")
    .replaceAll('\\"', '"');
}

/** `V1Pod` is Pod; models of other versions, and those that carry a group's name, keep their full name. */
function shortName(model: string): string {
  return model.replace(/^V1(?=[A-Z])/, "");
}

function schemas(): Record<string, { fields: Record<string, Schema>; required: string[] }> {
  const out: ReturnType<typeof schemas> = {};
  for (const [name, { attributes, declaration }] of models) {
    const fields: Record<string, Schema> = {};
    for (const attribute of attributes) fields[attribute.baseName] = schemaOf(attribute.type, attribute.format);
    const required = attributes.filter((a) => declaration.fields.get(a.name)?.required).map((a) => a.baseName);
    out[shortName(name)] = { fields, required };
  }
  return out;
}

function schemaOf(type: string, format: string): Schema {
  const array = /^Array<(.*)>$/.exec(type);
  if (array) return { type: "array", items: schemaOf(array[1] ?? "", format) };
  const map = /^\{ \[key: string\]: (.*); \}$/.exec(type);
  if (map) return { type: "map", values: schemaOf(map[1] ?? "", format) };
  switch (type) {
    case "string":
      return format === "byte" ? { type: "string", format } : { type };
    case "boolean":
    case "any":
      return { type };
    case "number":
      return format === "double" ? { type: "number" } : { type: "integer", format };
    case "Date":
      return { type: "string", format: "date-time" };
    case "IntOrString":
      return { type: "int-or-string" };
    case "V1MicroTime":
      return { type: "string", format: "date-time-micro" };
    default:
      if (!models.has(type)) throw new Error(`model type ${type} is unknown`);
      return { type: "object", ref: shortName(type) };
  }
}

function descriptions(): Record<string, { "": string } & Record<string, string>> {
  const out: ReturnType<typeof descriptions> = {};
  for (const [name, { attributes, declaration }] of models) {
    const own: { "": string } & Record<string, string> = { "": declaration.description };
    for (const { name: field, baseName } of attributes) {
      own[baseName] = declaration.fields.get(field)?.description ?? "";
    }
    out[shortName(name)] = own;
  }
  return out;
}

function types(): string {
  const parts = [
    "// Generated by packages/api/scripts/generate.ts from @kubernetes/client-node; do not edit.",
    "// biome-ignore-all lint: generated",
  ];
  for (const [name, { attributes, declaration }] of models) {
    const isKind = attributes.some((a) => a.name === "apiVersion") && attributes.some((a) => a.name === "kind");
    parts.push(`export interface ${shortName(name)} {`);
    for (const attribute of attributes) {
      const type = typeOf(attribute, isKind);
      const required =
        declaration.fields.get(attribute.name)?.required ||
        (isKind && (attribute.name === "metadata" || attribute.name === "spec")) ||
        requiredInStored.get(shortName(name))?.has(attribute.name);
      parts.push(
        `  ${JSON.stringify(attribute.baseName)}${required ? "" : "?"}: ${type}${required ? "" : " | undefined"};`,
      );
    }
    parts.push("}");
  }
  return `${parts.join("\n")}\n`;
}

function typeOf(attribute: Attribute, inKind: boolean): string {
  if (attribute.type === "V1ObjectMeta" && !inKind) return "Partial<ObjectMeta>";
  return attribute.type
    .replace(/\bDate\b|\bV1MicroTime\b/g, "string")
    .replace(/\bIntOrString\b/g, "number | string")
    .replace(/\bany\b/g, "unknown")
    .replace(/\bV1(?=[A-Z])/g, "")
    .replace(/\{ \[key: string\]: (.*); \}/, "Record<string, $1>");
}

function write(file: string, text: string): void {
  mkdirSync(outDir, { recursive: true });
  writeFileSync(join(outDir, file), text);
}
