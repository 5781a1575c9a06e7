// What Endpoints and EndpointSlice share: which addresses and ports may be routed to.
import type { FieldError } from "../errors.ts";
import { cidrContains, parseCidr, parseIp } from "../ip.ts";
import { isDns1123Label, isPortNumber, isQualifiedName, isValidIp } from "../validation/names.ts";
import { type FieldPath, invalidAll, invalidValue, notSupported, required } from "../validation/path.ts";

/** The protocols that Services carry, sorted as in upstream's messages. */
export const PROTOCOLS = ["SCTP", "TCP", "UDP"];

// An endpoint in one of these would let a tenant reach the node, or a cloud's metadata server, through kube-proxy.
const SPECIAL_RANGES: readonly (readonly [string, readonly string[]])[] = [
  ["may not be unspecified (0.0.0.0 or ::)", ["0.0.0.0/32", "::/128"]],
  ["may not be in the loopback range (127.0.0.0/8, ::1/128)", ["127.0.0.0/8", "::1/128"]],
  ["may not be in the link-local range (169.254.0.0/16, fe80::/10)", ["169.254.0.0/16", "fe80::/10"]],
  ["may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)", ["224.0.0.0/24", "ff02::/10"]],
];
const SPECIAL = SPECIAL_RANGES.map(([message, ranges]) => ({
  message,
  ranges: ranges.map((range) => parseCidr(range)).filter((range) => range !== undefined),
}));

/** Endpoints may not point at the node itself or at what no packet can reach. */
export function validateNonSpecialIp(address: string, path: FieldPath): FieldError[] {
  const ip = parseIp(address);
  if (!ip)
    return [
      ...invalidAll(path, address, isValidIp(address)),
      invalidValue(path, address, "must be a valid IP address"),
    ];
  return SPECIAL.filter(({ ranges }) => ranges.some((range) => cidrContains(range, ip))).map(({ message }) =>
    invalidValue(path, address, message),
  );
}

/** What ports of Endpoints and of EndpointSlices have in common. */
export interface NamedPort {
  readonly name?: string | undefined;
  readonly port?: number | undefined;
  readonly protocol?: string | undefined;
  readonly appProtocol?: string | undefined;
}

/** A name is needed where there are several ports, to tell which Service port each belongs to. */
export function validatePortName(port: NamedPort, requireName: boolean, path: FieldPath): FieldError[] {
  if (!port.name) return requireName ? [required(path.child("name"))] : [];
  return invalidAll(path.child("name"), port.name, isDns1123Label(port.name));
}

/** Number, protocol and application protocol; `port` may be absent where `requirePort` is false. */
export function validatePortFields(port: NamedPort, requirePort: boolean, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (requirePort || port.port !== undefined) {
    errors.push(...invalidAll(path.child("port"), port.port ?? 0, isPortNumber(port.port ?? 0)));
  }
  errors.push(...validateProtocol(port.protocol, path.child("protocol")));
  if (port.appProtocol !== undefined) {
    errors.push(...invalidAll(path.child("appProtocol"), port.appProtocol, isQualifiedName(port.appProtocol)));
  }
  return errors;
}

/** Defaults have been filled in by now, so that an absent protocol is an error. */
export function validateProtocol(protocol: string | undefined, path: FieldPath): FieldError[] {
  if (!protocol) return [required(path)];
  return PROTOCOLS.includes(protocol) ? [] : [notSupported(path, protocol, PROTOCOLS)];
}

/** `a,b,c + 2 more...`: the cell that Endpoints and EndpointSlices show. */
export function formatUpToThree(items: readonly (string | number)[], none: string): string {
  if (items.length === 0) return none;
  const shown = items.slice(0, 3).join(",");
  return items.length > 3 ? `${shown} + ${items.length - 3} more...` : shown;
}
