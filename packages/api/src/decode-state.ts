// What one decoding carries along: where it stands, what it dropped, and the error that ends it.
import { formatPath, type PathPart } from "./field-path.ts";
import { MAX_STRICT_ERRORS } from "./json-syntax.ts";

/** One per document; the walk changes it as it goes. */
export interface DecodeState {
  /** From the root to where the walk is. */
  readonly path: PathPart[];
  /** `spec.foo`; at most as many as upstream tells of. */
  readonly unknownFields: string[];
}

/** A value that its type cannot hold; the message is upstream's, without the sentence around it. */
export class DecodeError extends Error {}

/** Notes a field that is dropped, at the place where the walk is. */
export function reportUnknown(state: DecodeState, field: string): void {
  if (state.unknownFields.length < MAX_STRICT_ERRORS) state.unknownFields.push(formatPath([...state.path, field]));
}
