// The protobuf form of version 3 documents, read back by a library that knows gnostic's field numbers from this file alone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { KINDS } from "@skiff/api/kinds/index.ts";
import { VIRTUAL_KINDS } from "@skiff/api/kinds/virtual-kinds.ts";
import protobuf from "protobufjs";
import { parse } from "yaml";
import { DocumentBuilder } from "./documents.ts";
import { encodeVersion3 } from "./encode-v3.ts";

// biome-ignore lint/suspicious/noExplicitAny: documents are walked by path here
type Loose = any;

const PROTO = `syntax = "proto3";
message Any { string yaml = 2; }
message NamedAny { string name = 1; Any value = 2; }
message Document { string openapi = 1; Info info = 2; Paths paths = 4; Components components = 5; }
message Info { string title = 1; string version = 6; }
message Paths { repeated NamedPathItem path = 1; }
message NamedPathItem { string name = 1; PathItem value = 2; }
message PathItem {
  Operation get = 4; Operation put = 5; Operation post = 6; Operation delete = 7; Operation options = 8; Operation head = 9;
  Operation patch = 10; repeated ParameterOrReference parameters = 13;
}
message Operation {
  repeated string tags = 1; string description = 3; string operation_id = 5; repeated ParameterOrReference parameters = 6;
  RequestBodyOrReference request_body = 7; Responses responses = 8; repeated NamedAny extension = 13;
}
message ParameterOrReference { Parameter parameter = 1; }
message Parameter { string name = 1; string in = 2; string description = 3; bool required = 4; SchemaOrReference schema = 10; }
message RequestBodyOrReference { RequestBody request_body = 1; }
message RequestBody { MediaTypes content = 2; bool required = 3; }
message MediaTypes { repeated NamedMediaType additional_properties = 1; }
message NamedMediaType { string name = 1; MediaType value = 2; }
message MediaType { SchemaOrReference schema = 1; }
message Responses { repeated NamedResponse response_or_reference = 2; }
message NamedResponse { string name = 1; ResponseOrReference value = 2; }
message ResponseOrReference { Response response = 1; }
message Response { string description = 1; MediaTypes content = 3; }
message Components { Schemas schemas = 1; SecuritySchemes security_schemes = 7; }
message Schemas { repeated NamedSchema additional_properties = 1; }
message NamedSchema { string name = 1; SchemaOrReference value = 2; }
message SecuritySchemes { repeated NamedSecurityScheme additional_properties = 1; }
message NamedSecurityScheme { string name = 1; SecuritySchemeOrReference value = 2; }
message SecuritySchemeOrReference { SecurityScheme security_scheme = 1; }
message SecurityScheme { string type = 1; string description = 2; string name = 3; string in = 4; }
message SchemaOrReference { oneof oneof { Schema schema = 1; Reference reference = 2; } }
message Reference { string ref = 1; }
message ItemsItem { repeated SchemaOrReference schema_or_reference = 1; }
message AdditionalPropertiesItem { SchemaOrReference schema_or_reference = 1; }
message DefaultType { string string = 3; }
message Schema {
  bool nullable = 1; bool unique_items = 20; repeated string required = 23; repeated Any enum = 24; string type = 25;
  repeated SchemaOrReference all_of = 26; repeated SchemaOrReference one_of = 27; ItemsItem items = 30; Schemas properties = 31;
  AdditionalPropertiesItem additional_properties = 32; DefaultType default = 33; string description = 34; string format = 35;
  repeated NamedAny extension = 36;
}`;

const map = (pairs: Loose, read: (value: Loose) => Loose) =>
  Object.fromEntries((pairs ?? []).map(({ name, value }: Loose) => [name, read(value)]));
const given = (object: Loose) =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined && value !== false));
const extensions = (spec: Loose) => map(spec.extension, ({ yaml }) => parse(yaml));

function schema({ reference, schema: spec }: Loose): Loose {
  if (reference) return { $ref: reference.ref };
  return given({
    ...{ nullable: spec.nullable, uniqueItems: spec.uniqueItems, type: spec.type, required: spec.required },
    ...{ description: spec.description, format: spec.format, default: spec.default && {} },
    enum: spec.enum?.map(({ yaml }: Loose) => parse(yaml)),
    allOf: spec.allOf?.map(schema),
    oneOf: spec.oneOf?.map(schema),
    items: spec.items && schema(spec.items.schemaOrReference[0]),
    properties: spec.properties && map(spec.properties.additionalProperties, schema),
    additionalProperties: spec.additionalProperties && schema(spec.additionalProperties.schemaOrReference),
    ...extensions(spec),
  });
}

const content = (spec: Loose) =>
  spec.content && map(spec.content.additionalProperties, (media) => ({ schema: schema(media.schema) }));
const parameter = ({ parameter: spec }: Loose) => given({ ...spec, schema: schema(spec.schema) });

function operation({ operationId, tags, description, parameters, requestBody, responses, ...rest }: Loose): Loose {
  const body = requestBody?.requestBody;
  return given({
    ...{ operationId, tags, description, parameters: parameters?.map(parameter) },
    requestBody: body && given({ content: content(body), required: body.required }),
    responses: map(responses.responseOrReference, ({ response }) =>
      given({ description: response.description ?? "", content: content(response) }),
    ),
    ...extensions(rest),
  });
}

function pathItem({ parameters, ...methods }: Loose): Loose {
  const operations = Object.entries(methods).map(([method, spec]) => [method, operation(spec)]);
  return { ...Object.fromEntries(operations), parameters: parameters.map(parameter) };
}

test("encodeVersion3 loses nothing of a document", () => {
  const type = protobuf.parse(PROTO).root.lookupType("Document");
  const builder = new DocumentBuilder(KINDS, VIRTUAL_KINDS);
  for (const name of ["api/v1", "apis/apps/v1", "apis/apiextensions.k8s.io/v1"]) {
    const document: Loose = JSON.parse(JSON.stringify(builder.version3(name)));
    const read: Loose = type.toObject(type.decode(encodeVersion3(document)));
    const { schemas, securitySchemes } = read.components;
    const back = {
      ...{ openapi: read.openapi, info: read.info },
      paths: map(read.paths.path, pathItem),
      components: {
        schemas: map(schemas.additionalProperties, schema),
        securitySchemes: map(securitySchemes.additionalProperties, ({ securityScheme }) => ({ ...securityScheme })),
      },
    };
    assert.deepEqual(back, document, name);
  }
});
