// The OpenAPI documents as plain objects: version 2 for everything, version 3 for one group and version.
import type { KindDefinition } from "@skiff/api/kind.ts";
import type { VirtualKind } from "@skiff/api/kinds/virtual-kinds.ts";
import { hasModel } from "@skiff/api/models.ts";
import { GIT_VERSION } from "@skiff/component-base/version.ts";
import { DefinitionNames, listModelOf, PATCH } from "./definition-names.ts";
import type { Dialect, Json, JsonObject } from "./json-schema.ts";
import { modelSchema, primitiveDefinitions, refPath } from "./json-schema.ts";
import type { GroupVersionKind, OperationSpec, PathSpec } from "./operations.ts";
import { allPaths, groupWords } from "./operations.ts";
import type { QueryParameter } from "./parameters.ts";
import { PRETTY } from "./parameters.ts";

/** What every object can be answered as. */
const MEDIA_TYPES = ["application/json", "application/yaml"];
const PATCH_TYPES = [
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
  "application/apply-patch+yaml",
];
/** The version is the one that `kubectl version` shows. */
const INFO = { title: "Kubernetes", version: GIT_VERSION };

/** What the documents are made from; dropped once they are encoded. */
export class DocumentBuilder {
  private readonly paths: readonly PathSpec[];
  private readonly names: DefinitionNames;
  private readonly gvks: ReadonlyMap<string, readonly GroupVersionKind[]>;

  constructor(kinds: readonly KindDefinition[], virtualKinds: readonly VirtualKind[]) {
    this.paths = allPaths(kinds, virtualKinds);
    const kindModels = [...modelsOf(kinds), ...virtualKinds.map((kind) => ({ ...kind, model: kind.model }))].filter(
      ({ model }) => hasModel(model),
    );
    this.names = new DefinitionNames(kindModels);
    const versions = [...new Set(this.paths.map(({ group, version }) => `${group} ${version}`))];
    // Every group version has the kind.
    const everywhere = (kind: string) =>
      versions.map((text) => {
        const [group = "", version = ""] = text.split(" ");
        return { group, version, kind };
      });
    this.gvks = new Map<string, readonly GroupVersionKind[]>([
      ...kindModels.map(({ group, version, kind, model }) => [model, [{ group, version, kind }]] as const),
      // Both are part of every group version, and kubectl looks them up by any of them.
      ["DeleteOptions", everywhere("DeleteOptions")],
      ["WatchEvent", everywhere("WatchEvent")],
    ]);
  }

  /** `api/v1`, `apis/apps/v1`: the documents of version 3. */
  get groupVersions(): readonly string[] {
    return [...new Set(this.paths.map(documentOf))];
  }

  /** All of the API in one document, which kubectl before 1.27 reads to validate and explain. */
  version2(): JsonObject {
    const paths: JsonObject = {};
    for (const path of this.sorted(this.paths)) paths[path.path] = this.pathItem(path, "v2");
    return {
      swagger: "2.0",
      info: INFO,
      paths,
      definitions: this.schemas("v2", undefined),
      securityDefinitions: {
        BearerToken: {
          description: "Bearer Token authentication",
          type: "apiKey",
          name: "authorization",
          in: "header",
        },
      },
      security: [{ BearerToken: [] }],
    };
  }

  /** One group version with the types that it needs, so that a client loads only what it is asked about. */
  version3(document: string): JsonObject {
    const own = this.sorted(this.paths.filter((path) => documentOf(path) === document));
    const paths: JsonObject = {};
    for (const path of own) paths[path.path] = this.pathItem(path, "v3");
    const securitySchemes = {
      BearerToken: { description: "Bearer Token authentication", type: "apiKey", name: "authorization", in: "header" },
    };
    const schemas = this.schemas("v3", JSON.stringify(paths));
    return { openapi: "3.0.0", info: INFO, paths, components: { schemas, securitySchemes } };
  }

  /** A fixed order gives one content one hash, whichever apiserver makes it. */
  private sorted(paths: readonly PathSpec[]): PathSpec[] {
    return paths.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** All definitions, or those that `text` refers to, directly or not. */
  private schemas(dialect: Dialect, text: string | undefined): JsonObject {
    const all = new Map<string, JsonObject>(Object.entries(primitiveDefinitions(dialect)));
    for (const [model, name] of this.names) {
      const gvk = this.gvks.get(model);
      const extension = gvk ? { "x-kubernetes-group-version-kind": gvk.map((one) => ({ ...one })) } : {};
      all.set(name, { ...modelSchema(model, this.names, dialect), ...extension });
    }
    const wanted = text === undefined ? [...all.keys()] : reachable(text, all);
    return Object.fromEntries([...wanted].sort().map((name) => [name, all.get(name) ?? {}]));
  }

  /** Parameters in the path belong to all its methods, so they are said once. */
  private pathItem(path: PathSpec, dialect: Dialect): JsonObject {
    const item: JsonObject = {};
    for (const operation of path.operations) item[operation.method] = this.operation(path, operation, dialect);
    item.parameters = [
      ...path.placeholders.map((name) => pathParameter(name, dialect)),
      queryParameter(PRETTY, dialect),
    ];
    return item;
  }

  private operation(path: PathSpec, operation: OperationSpec, dialect: Dialect): JsonObject {
    const { body, bodyRequired = false, answer, codes, action, gvk, method } = operation;
    const group = groupWords(path.group);
    // The media type is what tells one kind of patch from another.
    const consumes = method === "patch" ? PATCH_TYPES : ["*/*"];
    const bodySchema = body && { $ref: refPath(dialect, body === "patch" ? PATCH : this.names.nameOf(body)) };
    const parameters: Json[] = operation.parameters.map((parameter) => queryParameter(parameter, dialect));
    const head: JsonObject = {
      description: operation.description,
      tags: [`${group.charAt(0).toLowerCase()}${group.slice(1)}_${path.version}`],
      operationId: operation.id,
    };
    const tail: JsonObject = { "x-kubernetes-action": action, "x-kubernetes-group-version-kind": { ...gvk } };
    const responses = this.responses(codes, answer, dialect);
    if (dialect === "v3") {
      const content = Object.fromEntries(consumes.map((type) => [type, { schema: bodySchema }]));
      const requestBody = bodySchema ? { requestBody: { content, ...(bodyRequired ? { required: true } : {}) } } : {};
      return { ...head, ...(parameters.length > 0 ? { parameters } : {}), ...requestBody, responses, ...tail };
    }
    if (bodySchema)
      parameters.unshift({ name: "body", in: "body", ...(bodyRequired ? { required: true } : {}), schema: bodySchema });
    const withParameters = parameters.length > 0 ? { parameters } : {};
    return { ...head, consumes, produces: MEDIA_TYPES, schemes: ["https"], ...withParameters, responses, ...tail };
  }

  /** Every code has the same body. 401 is told of all operations, since any may be asked without credentials. */
  private responses(codes: readonly number[], answer: string | undefined, dialect: Dialect): JsonObject {
    const schema: JsonObject = answer ? { $ref: refPath(dialect, this.names.nameOf(answer)) } : { type: "string" };
    const types = answer ? MEDIA_TYPES : ["text/plain"];
    const body =
      dialect === "v2" ? { schema } : { content: Object.fromEntries(types.map((type) => [type, { schema }])) };
    const texts: Readonly<Record<number, string>> = { 200: "OK", 201: "Created", 202: "Accepted" };
    const answers = codes.map((code) => [String(code), { description: texts[code] ?? "", ...body }]);
    return { ...Object.fromEntries(answers), "401": { description: "Unauthorized" } };
  }
}

/** The name of a path's document, which is also the start of the path. */
function documentOf({ group, version }: PathSpec): string {
  return group ? `apis/${group}/${version}` : `api/${version}`;
}

/** The kinds and their lists in every version served. */
function modelsOf(kinds: readonly KindDefinition[]): (GroupVersionKind & { readonly model: string })[] {
  return kinds.flatMap((kind) => {
    const versions: readonly { version: string; model: string; group?: string }[] = [
      { version: kind.version, model: kind.model },
      ...(kind.otherVersions ?? []),
    ];
    return versions.flatMap(({ version, model, group = kind.group }) => [
      { group, version, kind: kind.kind, model },
      { group, version, kind: `${kind.kind}List`, model: listModelOf(model, kind.kind) },
    ]);
  });
}

function pathParameter(name: string, dialect: Dialect): JsonObject {
  const descriptions: Readonly<Record<string, string>> = {
    namespace: "object name and auth scope, such as for teams and projects",
    path: "path to the resource",
  };
  const base = { name, in: "path", description: descriptions[name] ?? "name of the object", required: true };
  const type = { type: "string", uniqueItems: true };
  return dialect === "v2" ? { ...base, ...type } : { ...base, schema: type };
}

/** Version 2 says a type beside the name, version 3 in a schema. */
function queryParameter({ name, type, description }: QueryParameter, dialect: Dialect): JsonObject {
  const base = { name, in: "query", description };
  return dialect === "v2" ? { ...base, type, uniqueItems: true } : { ...base, schema: { type, uniqueItems: true } };
}

/** Names of definitions that are referred to, starting from `text`. */
function reachable(text: string, all: ReadonlyMap<string, JsonObject>): ReadonlySet<string> {
  const found = new Set<string>();
  const pending = [text];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const [, name = ""] of next.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (found.has(name)) continue;
      found.add(name);
      pending.push(JSON.stringify(all.get(name) ?? {}));
    }
  }
  return found;
}
