// Where in an object an error is, and the constructors of field errors in upstream's words.
import type { FieldError } from "../errors.ts";

/** A path such as `spec.containers[0].name`. Cheap to extend: the text is only built when an error needs it. */
export class FieldPath {
  readonly #parent: FieldPath | undefined;
  readonly #segment: string;

  constructor(segment: string, parent?: FieldPath) {
    this.#segment = segment;
    this.#parent = parent;
  }

  /** The path of a field below this one, or of a field further down. */
  child(name: string, second?: string, third?: string): FieldPath {
    const isFirst = this.#segment === "" && !this.#parent;
    const path = new FieldPath(isFirst ? name : `.${name}`, this);
    const below = second === undefined ? path : path.child(second);
    return third === undefined ? below : below.child(third);
  }

  /** The path of another member of the same object. */
  sibling(name: string): FieldPath {
    return (this.#parent ?? new FieldPath("")).child(name);
  }

  /** `[0]`: an item of a list. */
  index(at: number): FieldPath {
    return new FieldPath(`[${at}]`, this);
  }

  /** `[name]`: an entry of a map. */
  key(name: string): FieldPath {
    return new FieldPath(`[${name}]`, this);
  }

  toString(): string {
    let text = this.#segment;
    for (let at = this.#parent; at; at = at.#parent) text = at.#segment + text;
    // The object as a whole, in upstream's notation.
    return text || "[]";
  }
}

/** The start of a path: `root("spec").child("replicas")`; `root()` is the object itself. */
export function root(name = ""): FieldPath {
  return new FieldPath(name);
}

/** The errors of several checks, in their order. Nearly every list is empty: then nothing is copied. */
export function allErrors(...lists: readonly FieldError[][]): FieldError[] {
  let all: FieldError[] | undefined;
  for (const list of lists) if (list.length > 0) all = all ? all.concat(list) : list;
  return all ?? [];
}

/** Details that many checks share, in upstream's words. */
export const IMMUTABLE = "field is immutable";
/** Also said of fields that are absent and count as zero. */
export const NOT_NEGATIVE = "must be greater than or equal to 0";
/** Where zero would make no sense, such as a period. */
export const NOT_POSITIVE = "must be greater than zero";

/** "Required value": the field is absent or empty. */
export function required(path: FieldPath, detail = ""): FieldError {
  return { type: "FieldValueRequired", field: path.toString(), value: "", detail };
}

/** "Invalid value": `value` is shown as JSON, so give it in the form in which its writer wrote it. */
export function invalidValue(path: FieldPath, value: unknown, detail: string): FieldError {
  return { type: "FieldValueInvalid", field: path.toString(), value, detail };
}

/** "Not found": the value refers to something else in the object that is not there. */
export function notFoundValue(path: FieldPath, value: unknown): FieldError {
  return { type: "FieldValueNotFound", field: path.toString(), value, detail: "" };
}

/** `valid` is listed as given: pass it sorted where upstream sorts. */
export function notSupported(path: FieldPath, value: unknown, valid: readonly string[]): FieldError {
  const detail = valid.length ? `supported values: ${valid.map((v) => JSON.stringify(v)).join(", ")}` : "";
  return { type: "FieldValueNotSupported", field: path.toString(), value, detail };
}

/** "Duplicate value": the list has it already. */
export function duplicate(path: FieldPath, value: unknown): FieldError {
  return { type: "FieldValueDuplicate", field: path.toString(), value, detail: "" };
}

/** "Forbidden": no value would do here, or no change. The value is not shown. */
export function forbiddenField(path: FieldPath, detail: string): FieldError {
  return { type: "FieldValueForbidden", field: path.toString(), value: "", detail };
}

/** "Too long", in bytes. The value is not shown, as it is long. */
export function tooLong(path: FieldPath, maxBytes: number): FieldError {
  const detail = `may not be more than ${maxBytes} ${maxBytes === 1 ? "byte" : "bytes"}`;
  return { type: "FieldValueTooLong", field: path.toString(), value: "", detail };
}

/** "Too many": the number of items is shown. */
export function tooMany(path: FieldPath, actual: number, max: number): FieldError {
  const detail = `must have at most ${max} ${max === 1 ? "item" : "items"}`;
  return { type: "FieldValueTooMany", field: path.toString(), value: actual, detail };
}

/** One "Invalid value" per message of a name check. */
export function invalidAll(path: FieldPath, value: unknown, messages: readonly string[]): FieldError[] {
  return messages.map((message) => invalidValue(path, value, message));
}

/**
 * The errors of a list's items, until they are more than an answer can tell: a body may hold a million wrong items, whose
 * errors would take seconds and hundreds of megabytes.
 */
export function itemErrors<T>(
  items: readonly T[],
  validate: (item: T, index: number) => readonly FieldError[],
): FieldError[] {
  const errors: FieldError[] = [];
  for (let i = 0; i < items.length && errors.length < ENOUGH_ERRORS; i++) {
    for (const error of validate(items[i] as T, i)) errors.push(error);
  }
  return errors;
}

const ENOUGH_ERRORS = 10_000;
