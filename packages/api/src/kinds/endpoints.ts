// Endpoints: the older form of EndpointSlice, one object per Service.
import type { EndpointAddress, EndpointSubset, Endpoints } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { parseIp } from "../ip.ts";
import { endpoints } from "../resource-ref.ts";
import { isDns1123Label, isDns1123Subdomain } from "../validation/names.ts";
import { type FieldPath, invalidAll, invalidValue, itemErrors, required, root } from "../validation/path.ts";
import { ageColumn, column, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { formatUpToThree, validateNonSpecialIp, validatePortFields, validatePortName } from "./endpoint-rules.ts";

/** Deprecated upstream since v1.33 and still written for every Service that has a selector. */
export const endpointsKind = defineKind<Endpoints>({
  ref: endpoints,
  singular: "endpoints",
  shortNames: ["ep"],
  applyDefaults(object) {
    for (const subset of object.subsets ?? []) for (const port of subset.ports ?? []) port.protocol ||= "TCP";
  },
  validate: (object) =>
    itemErrors(object.subsets ?? [], (subset, i) => validateSubset(subset, root("subsets").index(i))),
  columns: [
    nameColumn,
    column("Endpoints", ["Endpoints", "subsets"], (o) => formatUpToThree((o.subsets ?? []).flatMap(targets), "<none>")),
    ageColumn,
  ],
});

/** Every address of a subset has every port of it. */
function validateSubset(subset: EndpointSubset, path: FieldPath): FieldError[] {
  const { addresses = [], notReadyAddresses = [], ports = [] } = subset;
  const none = addresses.length + notReadyAddresses.length === 0;
  return [
    ...(none ? [required(path, "must specify `addresses` or `notReadyAddresses`")] : []),
    ...itemErrors(addresses, (address, i) => validateAddress(address, path.child("addresses").index(i))),
    ...itemErrors(notReadyAddresses, (address, i) =>
      validateAddress(address, path.child("notReadyAddresses").index(i)),
    ),
    ...itemErrors(ports, (port, i) => {
      const at = path.child("ports").index(i);
      return [...validatePortName(port, ports.length > 1, at), ...validatePortFields(port, true, at)];
    }),
  ];
}

function validateAddress(address: EndpointAddress, path: FieldPath): FieldError[] {
  const ip = address.ip ?? "";
  const errors = validateNonSpecialIp(ip, path.child("ip"));
  // Upstream looks a second time for addresses that may not be routed to, and says so in other words.
  if (!parseIp(ip)) errors.push(invalidValue(path.child("ip"), ip, "must be a valid IP address"));
  const { hostname, nodeName } = address;
  if (hostname) errors.push(...invalidAll(path.child("hostname"), hostname, isDns1123Label(hostname)));
  if (nodeName !== undefined)
    errors.push(...invalidAll(path.child("nodeName"), nodeName, isDns1123Subdomain(nodeName)));
  return errors;
}

/** `address:port` for each pair, or addresses alone where a headless Service has no ports. */
function targets(subset: EndpointSubset): string[] {
  const addresses = (subset.addresses ?? []).map(({ ip }) => ip);
  if (!subset.ports?.length) return addresses;
  return subset.ports.flatMap(({ port }) =>
    addresses.map((ip) => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`)),
  );
}
