// The OpenAPI version 2 document as protocol buffers (gnostic's openapi.v2.Document), the only form that old kubectls take.
import { anyValue, extensions, listOf, named, objectOf, textOf, textsOf } from "./gnostic-values.ts";
import type { JsonObject } from "./json-schema.ts";
import { MessageWriter } from "./protobuf-writer.ts";

// Field numbers are those of gnostic's OpenAPIv2.proto. Only what our documents use is written.

/** The bytes of the document; security definitions are left out, as no kubectl reads them. */
export function encodeVersion2(document: JsonObject): Uint8Array {
  const info = objectOf(document.info);
  return new MessageWriter()
    .string(1, textOf(document.swagger))
    .message(2, new MessageWriter().string(1, textOf(info.title)).string(2, textOf(info.version)))
    .message(8, named(2, objectOf(document.paths), pathItem))
    .message(9, named(1, objectOf(document.definitions), schema))
    .finish();
}

/** Fields of gnostic's PathItem. */
const METHOD_FIELDS: Readonly<Record<string, number>> = { get: 2, put: 3, post: 4, delete: 5, patch: 8 };

function pathItem(item: JsonObject): MessageWriter {
  const writer = new MessageWriter();
  for (const [method, field] of Object.entries(METHOD_FIELDS)) {
    if (item[method]) writer.message(field, operation(objectOf(item[method])));
  }
  for (const one of listOf(item.parameters)) writer.message(9, parametersItem(objectOf(one)));
  return writer;
}

function operation(spec: JsonObject): MessageWriter {
  const writer = new MessageWriter()
    .strings(1, textsOf(spec.tags))
    .string(3, textOf(spec.description))
    .string(5, textOf(spec.operationId))
    .strings(6, textsOf(spec.produces))
    .strings(7, textsOf(spec.consumes));
  for (const one of listOf(spec.parameters)) writer.message(8, parametersItem(objectOf(one)));
  writer.message(9, named(1, objectOf(spec.responses), response)).strings(10, textsOf(spec.schemes));
  return extensions(13, spec, writer);
}

/** A choice within a choice: parameter or reference, then body or any other. */
function parametersItem(parameter: JsonObject): MessageWriter {
  const wrapped =
    parameter.in === "body"
      ? new MessageWriter().message(1, bodyParameter(parameter))
      : new MessageWriter().message(2, nonBodyParameter(parameter));
  return new MessageWriter().message(1, wrapped);
}

function bodyParameter(parameter: JsonObject): MessageWriter {
  return new MessageWriter()
    .string(2, textOf(parameter.name))
    .string(3, "body")
    .bool(4, parameter.required === true)
    .message(5, schema(objectOf(parameter.schema)));
}

/** Query parameters have a field more than path parameters, which moves the type. */
function nonBodyParameter(parameter: JsonObject): MessageWriter {
  const isQuery = parameter.in === "query";
  const writer = new MessageWriter()
    .bool(1, parameter.required === true)
    .string(2, textOf(parameter.in))
    .string(3, textOf(parameter.description))
    .string(4, textOf(parameter.name))
    .string(isQuery ? 6 : 5, textOf(parameter.type))
    .bool(isQuery ? 20 : 19, parameter.uniqueItems === true);
  return new MessageWriter().message(isQuery ? 3 : 4, writer);
}

function response(spec: JsonObject): MessageWriter {
  const body = spec.schema ? new MessageWriter().message(1, schema(objectOf(spec.schema))) : undefined;
  const writer = new MessageWriter().string(1, textOf(spec.description)).message(2, body);
  return new MessageWriter().message(1, writer);
}

function schema(spec: JsonObject): MessageWriter {
  const type = textOf(spec.type);
  const writer = new MessageWriter()
    .string(1, textOf(spec.$ref))
    .string(2, textOf(spec.format))
    .string(4, textOf(spec.description))
    .strings(19, textsOf(spec.required));
  for (const word of textsOf(spec.enum)) writer.message(20, anyValue(word));
  if (spec.additionalProperties) {
    writer.message(21, new MessageWriter().message(1, schema(objectOf(spec.additionalProperties))));
  }
  if (type) writer.message(22, new MessageWriter().string(1, type));
  if (spec.items) writer.message(23, new MessageWriter().message(1, schema(objectOf(spec.items))));
  if (spec.properties) writer.message(25, named(1, objectOf(spec.properties), schema));
  return extensions(31, spec, writer);
}
