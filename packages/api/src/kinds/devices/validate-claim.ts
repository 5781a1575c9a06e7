// Whether a claim says which devices it wants.
import type {
  DeviceClaim,
  DeviceClassConfiguration,
  DeviceConstraint,
  DeviceRequest,
  DeviceSelector,
  DeviceSubRequest,
  ExactDeviceRequest,
  OpaqueDeviceConfiguration,
  ResourceClaimSpec,
} from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { isDns1123Label, isDns1123Subdomain } from "../../validation/names.ts";
import {
  duplicate,
  type FieldPath,
  invalidAll,
  invalidValue,
  NOT_POSITIVE,
  notSupported,
  required,
  tooLong,
  tooMany,
} from "../../validation/path.ts";

// Upstream's bounds. They keep the search of the scheduler, and the size of the object, finite.
const MAX_ITEMS = 32;
const MAX_OPTIONS = 8;
// Parameters go through the scheduler into each claim's allocation, and to the driver on the node.
const MAX_PARAMETERS_BYTES = 10 * 1024;
const MAX_EXPRESSION = 10 * 1024;

/** Also judges the templates of claims. Expressions are compiled where devices are allocated, not here. */
export function validateClaim(spec: ResourceClaimSpec, path: FieldPath): FieldError[] {
  return validateDevices(spec.devices ?? {}, path.child("devices"));
}

function validateDevices(devices: DeviceClaim, path: FieldPath): FieldError[] {
  const { requests = [], constraints = [], config = [] } = devices;
  const names = requestNames(requests);
  const seen = new Set<string>();
  return [
    ...limit(requests, path.child("requests")),
    ...requests.flatMap((request, i) => {
      const at = path.child("requests").index(i);
      // The index is upstream's path for a request that comes twice.
      const repeated: FieldError[] = seen.has(request.name) ? [duplicate(at, request.name)] : [];
      seen.add(request.name);
      return [...validateRequest(request, at), ...repeated];
    }),
    ...limit(constraints, path.child("constraints")),
    ...constraints.flatMap((one, i) => validateConstraint(one, names, path.child("constraints").index(i))),
    ...limit(config, path.child("config")),
    ...config.flatMap((one, i) => [
      ...validateRequestNames(one.requests ?? [], names, path.child("config").index(i).child("requests")),
      ...validateConfiguration(one, path.child("config").index(i)),
    ]),
  ];
}

/** `name` and `name/option`: what constraints and configurations may refer to. */
function requestNames(requests: readonly DeviceRequest[]): ReadonlySet<string> {
  const options = requests.flatMap(({ name, firstAvailable }) =>
    (firstAvailable ?? []).map((option) => `${name}/${option.name}`),
  );
  return new Set([...requests.map(({ name }) => name), ...options]);
}

function limit(items: readonly unknown[], path: FieldPath, max = MAX_ITEMS): FieldError[] {
  return items.length > max ? [tooMany(path, items.length, max)] : [];
}

/** Either one exact request, or alternatives of which the scheduler takes the first that fits. */
function validateRequest({ name, exactly, firstAvailable = [] }: DeviceRequest, path: FieldPath): FieldError[] {
  const errors = validateLabel(name, path.child("name"));
  // Two answers to one question; neither is looked at further.
  if (exactly && firstAvailable.length > 0) {
    return [
      ...errors,
      invalidValue(path, "", "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set"),
    ];
  }
  if (exactly) return [...errors, ...validateExact(exactly, path.child("exactly"))];
  if (firstAvailable.length === 0) {
    return [...errors, required(path, "exactly one of `exactly` or `firstAvailable` is required")];
  }
  const at = path.child("firstAvailable");
  const seen = new Set<string>();
  return [
    ...errors,
    ...limit(firstAvailable, at, MAX_OPTIONS),
    ...firstAvailable.flatMap((option, i) => {
      const repeated: FieldError[] = seen.has(option.name) ? [duplicate(at.index(i).child("name"), option.name)] : [];
      seen.add(option.name);
      return [
        ...validateLabel(option.name, at.index(i).child("name")),
        ...repeated,
        ...validateExact(option, at.index(i)),
      ];
    }),
  ];
}

/** `ExactCount` asks for a number of devices, `All` for every device of the node that matches. */
function validateExact(request: ExactDeviceRequest | DeviceSubRequest, path: FieldPath): FieldError[] {
  const { deviceClassName, selectors = [], allocationMode, count } = request;
  const at = path.child("deviceClassName");
  const errors = deviceClassName
    ? invalidAll(at, deviceClassName, isDns1123Subdomain(deviceClassName))
    : [required(at)];
  errors.push(...validateSelectors(selectors, path.child("selectors")));
  if (allocationMode === "All") {
    // How many there are decides itself.
    if (count) {
      const detail = "must not be specified when allocationMode is 'All'";
      errors.push(invalidValue(path.child("count"), count, detail));
    }
  } else if (allocationMode === "ExactCount") {
    if ((count ?? 0) <= 0) errors.push(invalidValue(path.child("count"), count ?? 0, NOT_POSITIVE));
  } else {
    errors.push(notSupported(path.child("allocationMode"), allocationMode ?? "", ["All", "ExactCount"]));
  }
  // Devices may be tainted as nodes are, by their drivers and by administrators.
  for (const [i, toleration] of (request.tolerations ?? []).entries()) {
    const where = path.child("tolerations").index(i).child("operator");
    if (toleration.operator !== "Equal" && toleration.operator !== "Exists") {
      errors.push(notSupported(where, toleration.operator ?? "", ["Equal", "Exists"]));
    }
  }
  return errors;
}

/** CEL expressions over one device, all of which must be true for it. */
export function validateSelectors(selectors: readonly DeviceSelector[], path: FieldPath): FieldError[] {
  return [
    ...limit(selectors, path),
    ...selectors.flatMap(({ cel }, i) => {
      const at = path.index(i).child("cel");
      if (!cel) return [required(at)];
      if (!cel.expression?.trim()) return [required(at.child("expression"))];
      return cel.expression.length > MAX_EXPRESSION ? [tooLong(at.child("expression"), MAX_EXPRESSION)] : [];
    }),
  ];
}

/** All devices of the named requests have one value of the attribute in common, or each has another. */
function validateConstraint(constraint: DeviceConstraint, names: ReadonlySet<string>, path: FieldPath): FieldError[] {
  const { requests = [], matchAttribute, distinctAttribute } = constraint;
  const errors = validateRequestNames(requests, names, path.child("requests"));
  if (matchAttribute === undefined && distinctAttribute === undefined) {
    return [...errors, required(path, "exactly one of matchAttribute or distinctAttribute is required")];
  }
  for (const field of ["matchAttribute", "distinctAttribute"] as const) {
    const name = constraint[field];
    if (name !== undefined) errors.push(...validateFullName(name, path.child(field)));
  }
  return errors;
}

/** `domain/identifier` */
function validateFullName(name: string, path: FieldPath): FieldError[] {
  const [domain = "", identifier, ...rest] = name.split("/");
  if (identifier === undefined || rest.length > 0) {
    return [invalidValue(path, name, "a fully qualified name must be a domain and a name separated by a slash")];
  }
  return [
    ...invalidAll(path, domain, isDns1123Subdomain(domain)),
    ...(/^[A-Za-z_][A-Za-z0-9_]{0,31}$/.test(identifier)
      ? []
      : [
          invalidValue(
            path,
            identifier,
            "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')",
          ),
        ]),
  ];
}

/** No names at all stand for every request. */
function validateRequestNames(requests: readonly string[], names: ReadonlySet<string>, path: FieldPath): FieldError[] {
  const seen = new Set<string>();
  const detail =
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
  return requests.flatMap((name, i) => {
    const errors: FieldError[] = names.has(name) ? [] : [invalidValue(path.index(i), name, detail)];
    if (seen.has(name)) errors.push(duplicate(path.index(i), name));
    seen.add(name);
    return errors;
  });
}

/** Settings that only the driver understands; the size is all that Kubernetes judges. */
export function validateConfiguration({ opaque }: DeviceClassConfiguration, path: FieldPath): FieldError[] {
  return opaque
    ? validateOpaque(opaque, path.child("opaque"))
    : [required(path, "exactly one configuration is required")];
}

function validateOpaque({ driver, parameters }: OpaqueDeviceConfiguration, path: FieldPath): FieldError[] {
  const errors = validateDriver(driver, path.child("driver"));
  const at = path.child("parameters");
  if (parameters === undefined || parameters === null) return [...errors, required(at)];
  if (typeof parameters !== "object" || Array.isArray(parameters)) {
    return [...errors, invalidValue(at, "<value omitted>", "parameters must be a valid JSON object")];
  }
  // As they would be stored: how the writer spaced them does not count.
  const bytes = Buffer.byteLength(JSON.stringify(parameters));
  return bytes > MAX_PARAMETERS_BYTES ? [...errors, tooLong(at, MAX_PARAMETERS_BYTES)] : errors;
}

/** A driver is known by a DNS subdomain of its vendor, at most 63 characters long. */
export function validateDriver(driver: string | undefined, path: FieldPath): FieldError[] {
  if (!driver) return [required(path)];
  if (driver.length > 63) return [tooLong(path, 63)];
  return invalidAll(path, driver, isDns1123Subdomain(driver));
}

function validateLabel(name: string | undefined, path: FieldPath): FieldError[] {
  return name ? invalidAll(path, name, isDns1123Label(name)) : [required(path)];
}
