// Admission: what may change or refuse a write after it was authorized and before it is stored.
import type { KindDefinition } from "@skiff/api/kind.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import type { UserInfo } from "../authn/authenticator.ts";

/** PATCH is an UPDATE, or a CREATE where apply makes the object. */
export type AdmissionOperation = "CREATE" | "UPDATE" | "DELETE" | "CONNECT";

/** One write as plug-ins see it. */
export interface AdmissionRequest {
  readonly operation: AdmissionOperation;
  /** The kind of the resource written to (of the Pod, for pods/binding). */
  readonly kind: KindDefinition;
  /** Empty for the resource itself; else `status`, `binding`, `token`, `scale` … */
  readonly subresource: string;
  readonly namespace: string;
  /** Empty while generateName has not been resolved. */
  readonly name: string;
  /** What will be stored (or the body of a subresource that has its own kind); plug-ins change it in place. Absent on DELETE. */
  readonly object: KubeObject | undefined;
  readonly oldObject: Readonly<KubeObject> | undefined;
  readonly user: UserInfo;
  readonly dryRun: boolean;
  warn(text: string): void;
}

/** Plug-ins in their order, and who wants to know how long each half of them took. */
export type AdmissionChain = readonly AdmissionPlugin[] & {
  readonly observeStep?: (
    type: "admit" | "validate",
    request: AdmissionRequest,
    startMs: number,
    rejected: boolean,
  ) => void;
  /** Monotonic. */
  readonly nowMs?: () => number;
};

/** Throws ApiError to refuse. `admit` runs for all plug-ins in order, then `validate` for all in order. */
export interface AdmissionPlugin {
  readonly name: string;
  admit?(request: AdmissionRequest, signal: AbortSignal): void | Promise<void>;
  validate?(request: AdmissionRequest, signal: AbortSignal): void | Promise<void>;
}
