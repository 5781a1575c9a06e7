// What every write needs to know besides the object, and the query parameters that say it.
import { invalid } from "@skiff/api/errors.ts";
import { validateFieldManager } from "@skiff/api/validation/object-meta.ts";
import { root } from "@skiff/api/validation/path.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { AdmissionChain } from "../admission/admission.ts";
import type { UserInfo } from "../authn/authenticator.ts";
import type { ObjectStorage } from "../storage/object-storage.ts";
import type { WriteHooks } from "./object-access.ts";
import type { GroupVersion } from "./served-version.ts";

/** What writes are made of; composed once in server.ts. */
export interface WriteDeps {
  readonly storage: ObjectStorage;
  readonly admission: AdmissionChain;
  /** By directory of the kind. */
  readonly hooks: ReadonlyMap<string, WriteHooks>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Overrides the time to live of Events. */
  readonly eventTtlSeconds: number;
}

/** One write: who makes it, on what part of the object, and how. */
export interface WriteOptions {
  readonly user: UserInfo;
  readonly dryRun: boolean;
  /** Empty for the object itself. */
  readonly subresource: string;
  /** Who owns what the write changes; undefined where the object brings its managedFields with it. */
  readonly fieldManager?: string | undefined;
  /** What the writer speaks, and therefore names its fields in; the stored version where undefined. */
  readonly served?: GroupVersion | undefined;
  readonly signal: AbortSignal;
  /** Between two steps that may each take long; undefined where the object cannot be large. */
  pause?(): Promise<void> | undefined;
  warn(text: string): void;
}

/** What becomes of unknown and duplicate fields: 400, a Warning header, or nothing. */
export type FieldValidation = "Strict" | "Warn" | "Ignore";

/** `?dryRun=All`; anything else is refused as upstream does. */
export function readDryRun(values: readonly string[], optionsKind: string): boolean {
  for (const value of values) {
    if (value === "All") continue;
    throw invalid("meta.k8s.io", optionsKind, "", [
      {
        type: "FieldValueNotSupported",
        field: "dryRun",
        value: values,
        detail: 'supported values: "All"',
      },
    ]);
  }
  return values.length > 0;
}

/** Throws 422 for any word but the three. kubectl sends Strict for `--validate=true`. */
export function readFieldValidation(query: URLSearchParams, optionsKind: string): FieldValidation {
  const value = query.get("fieldValidation") ?? "";
  // Upstream's default for clients that do not ask.
  if (value === "") return "Warn";
  if (value === "Strict" || value === "Warn" || value === "Ignore") return value;
  throw invalid("meta.k8s.io", optionsKind, "", [
    {
      type: "FieldValueNotSupported",
      field: "fieldValidation",
      value,
      detail: 'supported values: "Ignore", "Warn", "Strict"',
    },
  ]);
}

/** Throws 422 for a name that is too long or cannot be printed. */
export function checkFieldManager(query: URLSearchParams, optionsKind: string): void {
  const manager = query.get("fieldManager") ?? "";
  const errors = validateFieldManager(manager, root("fieldManager"));
  if (errors.length > 0) throw invalid("meta.k8s.io", optionsKind, "", errors);
}
