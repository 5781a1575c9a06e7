// What every write needs to know besides the object, and the query parameters that say it.
import { ApiError, badRequest, invalid } from "@skiff/api/errors.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { AdmissionPlugin } from "../admission/admission.ts";
import type { UserInfo } from "../authn/authenticator.ts";
import type { ObjectStorage } from "../storage/object-storage.ts";
import type { WriteHooks } from "./object-access.ts";

/** What writes are made of; composed once in server.ts. */
export interface WriteDeps {
  readonly storage: ObjectStorage;
  readonly admission: readonly AdmissionPlugin[];
  /** By directory of the kind. */
  readonly hooks: ReadonlyMap<string, WriteHooks>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Overrides the time to live of Events. */
  readonly eventTtlSeconds: number;
}

export interface WriteOptions {
  readonly user: UserInfo;
  readonly dryRun: boolean;
  /** Empty for the object itself. */
  readonly subresource: string;
  readonly signal: AbortSignal;
  warn(text: string): void;
}

export type FieldValidation = "Strict" | "Warn" | "Ignore";

/** `?dryRun=All`; anything else is refused as upstream does. */
export function readDryRun(values: readonly string[], optionsKind: string): boolean {
  const given = values.filter((value) => value !== "");
  for (const value of given) {
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
  return given.length > 0;
}

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

export function checkFieldManager(query: URLSearchParams): void {
  const manager = query.get("fieldManager") ?? "";
  if (manager.length > MAX_MANAGER_LENGTH) throw badRequest("fieldManager: Too long: may not be more than 128 bytes");
  if (/[^\x20-\x7e\u00a0-\uffff]/.test(manager)) {
    throw new ApiError(400, "BadRequest", "fieldManager: Invalid value: should only contain printable characters");
  }
}

const MAX_MANAGER_LENGTH = 128;
