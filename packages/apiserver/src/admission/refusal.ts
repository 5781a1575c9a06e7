// How admission says no: upstream's Forbidden error about the object of a request.

import type { ApiError } from "@skiff/api/errors.ts";
import { forbidden } from "@skiff/api/errors.ts";
import type { AdmissionRequest } from "./admission.ts";

/** `pods "web-" is forbidden: …`; an object that is to get a generated name is called by its prefix. */
export function refuse(request: AdmissionRequest, why: string): ApiError {
  const meta = request.object?.metadata;
  return forbidden(request.kind, request.name || meta?.name || meta?.generateName || "", why);
}

/** Whether a request is about this resource of the core group, as `pods` or `pods/status`. */
export function concerns(request: AdmissionRequest, plural: string, subresource = "", group = ""): boolean {
  const { kind } = request;
  return kind.group === group && kind.plural === plural && request.subresource === subresource;
}
