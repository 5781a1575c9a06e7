// EndpointSlice: up to 1000 endpoints of a Service, all of one address type.

import type { DiscoveryV1EndpointPort, Endpoint, EndpointSlice } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { parseIp } from "../ip.ts";
import { endpointSlices } from "../resource-ref.ts";
import { deepEqual } from "../validation/deep-equal.ts";
import { isDns1123Label, isDns1123Subdomain, isLabelValue } from "../validation/names.ts";
import {
  duplicate,
  type FieldPath,
  forbiddenField,
  IMMUTABLE,
  invalidAll,
  invalidValue,
  itemErrors,
  notSupported,
  required,
  root,
  tooMany,
} from "../validation/path.ts";
import { ageColumn, column, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { formatUpToThree, validateNonSpecialIp, validatePortFields } from "./endpoint-rules.ts";
import { endpointSliceBeta } from "./older/endpoint-slice.ts";

// Upstream's bounds. Slices exist because one object for a whole Service grew too large to send on every change.
const MAX_ENDPOINTS = 1000;
const MAX_ADDRESSES = 100;
const MAX_PORTS = 20_000;
const MAX_HINTS = 8;
// FQDN is deprecated and never made by the controllers.
const ADDRESS_TYPES = ["FQDN", "IPv4", "IPv6"];

/** The address type is fixed: a Service of two families has slices of each. */
export const endpointSliceKind = defineKind<EndpointSlice>({
  ref: endpointSlices,
  otherVersions: [endpointSliceBeta],
  applyDefaults(slice) {
    for (const port of slice.ports ?? []) {
      // Two ports without a name would share the empty one, and that is an error.
      port.name ??= "";
      port.protocol ??= "TCP";
    }
  },
  prepareForCreate(slice) {
    slice.metadata.generation = 1;
  },
  // No spec stands apart here, so that the content is compared as a whole.
  prepareForUpdate(next, previous) {
    const before = previous.metadata.generation ?? 0;
    next.metadata.generation = sameContent(next, previous) ? before : before + 1;
  },
  validate: (slice) => [...validateEndpoints(slice), ...validatePorts(slice.ports ?? [], root("ports"))],
  validateUpdate: (next, previous) =>
    next.addressType === previous.addressType ? [] : [invalidValue(root("addressType"), next.addressType, IMMUTABLE)],
  columns: [
    nameColumn,
    column("AddressType", ["EndpointSlice", "addressType"], (slice) => slice.addressType),
    column("Ports", ["EndpointSlice", "ports"], (slice) =>
      formatUpToThree(
        (slice.ports ?? []).map(({ port, name }) => port ?? name ?? "*"),
        "<unset>",
      ),
    ),
    column("Endpoints", ["EndpointSlice", "endpoints"], (slice) =>
      formatUpToThree(
        (slice.endpoints ?? []).flatMap(({ addresses }) => addresses ?? []),
        "<unset>",
      ),
    ),
    ageColumn,
  ],
});

/** Labels count as content here: consumers find slices by them. */
function sameContent(a: EndpointSlice, b: Readonly<EndpointSlice>): boolean {
  return (
    a.addressType === b.addressType &&
    deepEqual(a.endpoints, b.endpoints) &&
    deepEqual(a.ports, b.ports) &&
    deepEqual(a.metadata.labels ?? {}, b.metadata.labels ?? {})
  );
}

/** Addresses are read by the type, so that a wrong type is the only error. */
function validateEndpoints(slice: EndpointSlice): FieldError[] {
  const typePath = root("addressType");
  if (!slice.addressType) return [required(typePath)];
  if (!ADDRESS_TYPES.includes(slice.addressType)) return [notSupported(typePath, slice.addressType, ADDRESS_TYPES)];
  const path = root("endpoints");
  const endpoints = slice.endpoints ?? [];
  if (endpoints.length > MAX_ENDPOINTS) return [tooMany(path, endpoints.length, MAX_ENDPOINTS)];
  return itemErrors(endpoints, (endpoint, i) => validateEndpoint(endpoint, slice.addressType, path.index(i)));
}

/** Consumers use the first address; more than one is left from the beginnings of the kind. */
function validateEndpoint(endpoint: Endpoint, type: string, path: FieldPath): FieldError[] {
  const addresses = endpoint.addresses ?? [];
  const addressPath = path.child("addresses");
  const errors: FieldError[] = [];
  if (addresses.length === 0) errors.push(required(addressPath, "must contain at least 1 address"));
  if (addresses.length > MAX_ADDRESSES) errors.push(tooMany(addressPath, addresses.length, MAX_ADDRESSES));
  else errors.push(...itemErrors(addresses, (address, i) => validateAddress(address, type, addressPath.index(i))));
  const { nodeName, hostname } = endpoint;
  if (nodeName) errors.push(...invalidAll(path.child("nodeName"), nodeName, isDns1123Subdomain(nodeName)));
  if (hostname) errors.push(...invalidAll(path.child("hostname"), hostname, isDns1123Label(hostname)));
  return [...errors, ...validateHints(endpoint, path.child("hints"))];
}

/** The family has to be the slice's own. */
function validateAddress(address: string, type: string, path: FieldPath): FieldError[] {
  if (type === "FQDN") return validateFqdn(address, path);
  const ip = parseIp(address);
  if (ip?.version === (type === "IPv4" ? 4 : 6)) return validateNonSpecialIp(address, path);
  return [invalidValue(path, address, type === "IPv4" ? "must be an IPv4 address" : "must be an IPv6 address")];
}

/** A dot at the end is allowed and not part of the name. */
function validateFqdn(address: string, path: FieldPath): FieldError[] {
  const name = address.endsWith(".") ? address.slice(0, -1) : address;
  const errors = isDns1123Subdomain(name);
  if (errors.length) return [invalidValue(path, name, errors.join(","))];
  if (name.includes(".")) return [];
  return [invalidValue(path, name, "should be a domain with at least two segments separated by dots")];
}

/** Hints name the zones whose nodes should send traffic here; kube-proxy keeps to them where it can. */
function validateHints({ hints }: Endpoint, path: FieldPath): FieldError[] {
  const zones = hints?.forZones ?? [];
  const zonePath = path.child("forZones");
  // Upstream forbids where it elsewhere says "too many".
  if (zones.length > MAX_HINTS) return [forbiddenField(zonePath, `may not contain more than ${MAX_HINTS} zones`)];
  const seen = new Set<string>();
  return itemErrors(zones, ({ name }, i) => {
    const at = zonePath.index(i).child("name");
    const repeated = seen.has(name) ? [duplicate(at, name)] : [];
    seen.add(name);
    return [...repeated, ...invalidAll(at, name, isLabelValue(name))];
  });
}

/** A port without a number stands for all ports. */
function validatePorts(ports: readonly DiscoveryV1EndpointPort[], path: FieldPath): FieldError[] {
  if (ports.length > MAX_PORTS) return [tooMany(path, ports.length, MAX_PORTS)];
  const names = new Set<string>();
  return itemErrors(ports, (port, i) => {
    const at = path.index(i);
    const name = port.name ?? "";
    const errors = name ? invalidAll(at.child("name"), name, isDns1123Label(name)) : [];
    if (names.has(name)) errors.push(duplicate(at.child("name"), name));
    names.add(name);
    return [...errors, ...validatePortFields(port, false, at)];
  });
}
