// Probes and lifecycle hooks: one handler each, and sane figures.
import type {
  Container,
  GRPCAction,
  HTTPGetAction,
  Lifecycle,
  LifecycleHandler,
  Probe,
  SleepAction,
} from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { isHttpHeaderName, isPortName, isPortNumber } from "../../validation/names.ts";
import {
  allErrors,
  type FieldPath,
  forbiddenField,
  invalidAll,
  invalidValue,
  notSupported,
  required,
} from "../../validation/path.ts";
import { nonNegative } from "../numbers.ts";

/** Checks the three probes of a container; each sort has one rule of its own. */
export function validateProbes(container: Container, path: FieldPath): FieldError[] {
  const { livenessProbe, readinessProbe, startupProbe } = container;
  return allErrors(
    validateProbe(livenessProbe, path.child("livenessProbe")),
    validateSingleSuccess(livenessProbe, path.child("livenessProbe")),
    validateProbe(readinessProbe, path.child("readinessProbe")),
    validateNoGrace(readinessProbe, path.child("readinessProbe")),
    validateProbe(startupProbe, path.child("startupProbe")),
    validateSingleSuccess(startupProbe, path.child("startupProbe")),
  );
}

/** Figures are seconds and counts; zeros have been replaced by defaults. */
function validateProbe(probe: Probe | undefined, path: FieldPath): FieldError[] {
  if (!probe) return [];
  const figures = [
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
  ] as const;
  const errors = [...validateHandler(probe, 0, path), ...nonNegative(probe, figures, path)];
  const grace = probe.terminationGracePeriodSeconds;
  if (grace !== undefined && grace <= 0) {
    errors.push(invalidValue(path.child("terminationGracePeriodSeconds"), grace, "must be greater than 0"));
  }
  return errors;
}

/** A container that failed to live does not come back by succeeding twice. */
function validateSingleSuccess(probe: Probe | undefined, path: FieldPath): FieldError[] {
  if (!probe || probe.successThreshold === 1) return [];
  return [invalidValue(path.child("successThreshold"), probe.successThreshold ?? 0, "must be 1")];
}

/** Its grace period would never be used: a container that is not ready is taken out of Services, not killed. */
function validateNoGrace(probe: Probe | undefined, path: FieldPath): FieldError[] {
  const grace = probe?.terminationGracePeriodSeconds;
  if (grace === undefined) return [];
  return [invalidValue(path.child("terminationGracePeriodSeconds"), grace, "must not be set for readinessProbes")];
}

/** Hooks run in the container's life and count against `graceSeconds`, the pod's termination grace period. */
export function validateLifecycle(
  lifecycle: Lifecycle | undefined,
  graceSeconds: number,
  path: FieldPath,
): FieldError[] {
  const { postStart, preStop } = lifecycle ?? {};
  return allErrors(
    postStart ? validateHandler(postStart, graceSeconds, path.child("postStart")) : [],
    preStop ? validateHandler(preStop, graceSeconds, path.child("preStop")) : [],
  );
}

// Hooks know `sleep` and probes do not; probes know `grpc` and hooks do not. The decoder drops what is unknown.
type Handler = Pick<Probe, "exec" | "httpGet" | "tcpSocket" | "grpc"> & Pick<LifecycleHandler, "sleep">;

/** The first of several handlers is checked for itself, the others are refused. */
function validateHandler(handler: Handler, graceSeconds: number, path: FieldPath): FieldError[] {
  const given = (["exec", "httpGet", "tcpSocket", "grpc", "sleep"] as const).filter((name) => handler[name]);
  const [first, ...more] = given;
  if (!first) return [required(path, "must specify a handler type")];
  const errors = validateAction(handler, first, graceSeconds, path.child(first));
  for (const name of more) errors.push(forbiddenField(path.child(name), "may not specify more than 1 handler type"));
  return errors;
}

function validateAction(handler: Handler, name: keyof Handler, graceSeconds: number, path: FieldPath): FieldError[] {
  switch (name) {
    case "exec":
      return handler.exec?.command?.length ? [] : [required(path.child("command"))];
    case "httpGet":
      return handler.httpGet ? validateHttpGet(handler.httpGet, path) : [];
    // Being accepted is success; nothing is sent.
    case "tcpSocket":
      return validatePortNumberOrName(handler.tcpSocket?.port, path.child("port"));
    case "grpc":
      return handler.grpc ? validateGrpc(handler.grpc, path) : [];
    default:
      return handler.sleep ? validateSleep(handler.sleep, graceSeconds, path) : [];
  }
}

// A kubelet does not verify the certificate of an HTTPS probe.
const SCHEMES = ["HTTP", "HTTPS"];

function validateHttpGet(action: HTTPGetAction, path: FieldPath): FieldError[] {
  // Defaults have made the path "/" where it was left out.
  const errors = action.path ? [] : [required(path.child("path"))];
  errors.push(...validatePortNumberOrName(action.port, path.child("port")));
  if (!SCHEMES.includes(action.scheme ?? "")) {
    errors.push(notSupported(path.child("scheme"), action.scheme ?? "", SCHEMES));
  }
  for (const { name } of action.httpHeaders ?? []) {
    errors.push(...invalidAll(path.child("httpHeaders"), name ?? "", isHttpHeaderName(name ?? "")));
  }
  return errors;
}

function validateGrpc({ port }: GRPCAction, path: FieldPath): FieldError[] {
  return invalidAll(path.child("port"), port ?? 0, isPortNumber(port ?? 0));
}

function validateSleep({ seconds = 0 }: SleepAction, graceSeconds: number, path: FieldPath): FieldError[] {
  if (seconds >= 0 && seconds <= graceSeconds) return [];
  const detail = `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`;
  return [invalidValue(path, seconds, detail)];
}

/** A port's number, or the name of one of the container's ports. */
export function validatePortNumberOrName(port: number | string | undefined, path: FieldPath): FieldError[] {
  if (typeof port === "string") return invalidAll(path, port, isPortName(port));
  return invalidAll(path, port ?? 0, isPortNumber(port ?? 0));
}
