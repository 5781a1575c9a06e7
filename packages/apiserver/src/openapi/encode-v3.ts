// An OpenAPI version 3 document as protocol buffers (gnostic's openapi.v3.Document), which client-go reads faster than JSON.
import { anyValue, extensions, listOf, named, objectOf, textOf, textsOf } from "./gnostic-values.ts";
import type { Json, JsonObject } from "./json-schema.ts";
import { MessageWriter } from "./protobuf-writer.ts";

// Field numbers are those of gnostic's OpenAPIv3.proto. Only what our documents use is written.

/** The bytes of one document of version 3. */
export function encodeVersion3(document: JsonObject): Uint8Array {
  const info = objectOf(document.info);
  const { schemas, securitySchemes } = objectOf(document.components);
  // Field 1 are schemas, 7 security schemes; the other components are not used.
  const components = new MessageWriter()
    .message(1, named(1, objectOf(schemas), schema))
    .message(7, named(1, objectOf(securitySchemes), securityScheme));
  return new MessageWriter()
    .string(1, textOf(document.openapi))
    .message(2, new MessageWriter().string(1, textOf(info.title)).string(6, textOf(info.version)))
    .message(4, named(1, objectOf(document.paths), pathItem))
    .message(5, components)
    .finish();
}

/** Fields of gnostic's PathItem. */
const METHOD_FIELDS: Readonly<Record<string, number>> = {
  get: 4,
  put: 5,
  post: 6,
  delete: 7,
  options: 8,
  head: 9,
  patch: 10,
};

function pathItem(item: JsonObject): MessageWriter {
  const writer = new MessageWriter();
  for (const [method, field] of Object.entries(METHOD_FIELDS)) {
    if (item[method]) writer.message(field, operation(objectOf(item[method])));
  }
  for (const one of listOf(item.parameters)) writer.message(13, parameter(objectOf(one)));
  return writer;
}

/** gnostic's Operation; the vendor extensions carry kind and action. */
function operation(spec: JsonObject): MessageWriter {
  const writer = new MessageWriter()
    .strings(1, textsOf(spec.tags))
    .string(3, textOf(spec.description))
    .string(5, textOf(spec.operationId));
  for (const one of listOf(spec.parameters)) writer.message(6, parameter(objectOf(one)));
  if (spec.requestBody) writer.message(7, requestBody(objectOf(spec.requestBody)));
  writer.message(8, named(2, objectOf(spec.responses), response));
  return extensions(13, spec, writer);
}

/** Parameters, bodies, answers and schemas each stand in a choice between themselves (1) and a reference (2). */
const itself = (writer: MessageWriter) => new MessageWriter().message(1, writer);

function parameter(spec: JsonObject): MessageWriter {
  return itself(
    new MessageWriter()
      .string(1, textOf(spec.name))
      .string(2, textOf(spec.in))
      .string(3, textOf(spec.description))
      .bool(4, spec.required === true)
      .message(10, schema(objectOf(spec.schema))),
  );
}

function requestBody(spec: JsonObject): MessageWriter {
  return itself(new MessageWriter().message(2, content(spec)).bool(3, spec.required === true));
}

function response(spec: JsonObject): MessageWriter {
  const writer = new MessageWriter().string(1, textOf(spec.description));
  return itself(spec.content ? writer.message(3, content(spec)) : writer);
}

function content(spec: JsonObject): MessageWriter {
  return named(1, objectOf(spec.content), (media) => new MessageWriter().message(1, schema(objectOf(media.schema))));
}

/** How clients show who they are. */
function securityScheme(spec: JsonObject): MessageWriter {
  return itself(
    new MessageWriter()
      .string(1, textOf(spec.type))
      .string(2, textOf(spec.description))
      .string(3, textOf(spec.name))
      .string(4, textOf(spec.in)),
  );
}

function schema(spec: JsonObject): MessageWriter {
  const reference = textOf(spec.$ref);
  // A reference stands alone: the other half of the choice would be ignored.
  if (reference) return new MessageWriter().message(2, new MessageWriter().string(1, reference));
  const writer = new MessageWriter()
    .bool(1, spec.nullable === true)
    .bool(20, spec.uniqueItems === true)
    .strings(23, textsOf(spec.required));
  for (const word of listOf(spec.enum)) writer.message(24, anyValue(word));
  writer.string(25, textOf(spec.type));
  for (const [field, list] of [[26, spec.allOf] as const, [27, spec.oneOf] as const, [28, spec.anyOf] as const]) {
    for (const one of listOf(list)) writer.message(field, schema(objectOf(one)));
  }
  if (spec.items) writer.message(30, new MessageWriter().message(1, schema(objectOf(spec.items))));
  if (spec.properties) writer.message(31, named(1, objectOf(spec.properties), schema));
  if (spec.additionalProperties) writer.message(32, itself(schema(objectOf(spec.additionalProperties))));
  writer.message(33, defaultValue(spec.default)).string(34, textOf(spec.description)).string(35, textOf(spec.format));
  return itself(extensions(36, spec, writer));
}

/** gnostic has numbers, booleans and texts; an empty object is there without a value. */
function defaultValue(value: Json | undefined): MessageWriter | undefined {
  if (value === undefined) return undefined;
  return new MessageWriter().string(3, textOf(value));
}
