// Bodies of requests and answers as audit events tell them.
import type { Answer } from "../http/endpoint.ts";
import type { Exchange } from "../http/exchange.ts";
import { parseYaml } from "../http/yaml.ts";

/** The body of a write as it came, if anybody read it and it can be read. */
export async function readRequestObject(exchange: Exchange): Promise<unknown> {
  if (!exchange.hasBody) return undefined;
  try {
    const bytes = await exchange.readBytes();
    return bytes.length > 0 ? await exchange.readBody() : undefined;
  } catch {
    // What cannot be parsed was refused, and its refusal is told.
    return undefined;
  }
}

interface RecordedAnswer {
  /** The bounded fields of a Status; empty for any other answer. */
  readonly status: object;
  readonly object: unknown;
}

/** The answer as it can be told: bytes are read back, and those of a long answer only when all were captured. */
export function readAnswer(answer: Answer | undefined, captured: readonly Buffer[], isWhole: boolean): RecordedAnswer {
  const object = answer && objectOf(answer, captured, isWhole);
  if ((object as { kind?: unknown } | undefined)?.kind !== "Status") return { status: {}, object };
  const { status, message, reason, details } = object as Readonly<Record<string, unknown>>;
  return { status: { status, message, reason, details }, object };
}

function objectOf(answer: Answer, captured: readonly Buffer[], isWhole: boolean): unknown {
  if ("object" in answer) return answer.object;
  if ("stream" in answer) {
    return isWhole && captured.length > 0 ? parsed(Buffer.concat(captured).toString(), answer.contentType) : undefined;
  }
  return parsed(Buffer.from(answer.bytes).toString(), answer.contentType);
}

function parsed(text: string, contentType: string): unknown {
  try {
    if (contentType.startsWith("application/json")) return JSON.parse(text);
    return contentType.startsWith("application/yaml") ? parseYaml(text) : undefined;
  } catch {
    return undefined;
  }
}

/** A copy without managedFields, of an object or of every item of a list. */
export function withoutManagedFields(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const { metadata, items, ...rest } = value as { metadata?: unknown; items?: unknown };
  const copy: Record<string, unknown> = { ...rest };
  if (typeof metadata === "object" && metadata !== null) {
    const { managedFields: _omitted, ...kept } = metadata as { managedFields?: unknown };
    copy.metadata = kept;
  }
  if (Array.isArray(items)) copy.items = items.map(withoutManagedFields);
  return copy;
}
