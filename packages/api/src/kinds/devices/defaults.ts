// What requests for devices get when their writer says nothing.
import type { DeviceToleration, ExactDeviceRequest, ResourceClaimSpec } from "../../../generated/types.ts";

/** One device where no number is given. An absent spec is left to the validation. */
export function defaultClaim(spec: ResourceClaimSpec | undefined): void {
  for (const { exactly, firstAvailable } of spec?.devices?.requests ?? []) {
    if (exactly) defaultRequest(exactly);
    for (const option of firstAvailable ?? []) defaultRequest(option);
  }
}

type Request = Pick<ExactDeviceRequest, "allocationMode" | "count" | "tolerations">;

function defaultRequest(request: Request): void {
  request.allocationMode ||= "ExactCount";
  if (request.allocationMode === "ExactCount") request.count ||= 1;
  request.tolerations?.forEach(defaultToleration);
}

function defaultToleration(toleration: DeviceToleration): void {
  toleration.operator ||= "Equal";
}
