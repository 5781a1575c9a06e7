// What mount(8) is told of an NFS volume. Pure.
import { isIPv6 } from "node:net";
import type { NFSVolumeSource } from "@skiff/api/types.ts";

/** Read-only where the volume is, or the claim wants it so; then what the volume's owner adds. */
export function nfsMount(
  { server, path, readOnly = false }: NFSVolumeSource,
  { options = [], isReadOnly = false }: { readonly options?: readonly string[]; readonly isReadOnly?: boolean } = {},
): { readonly from: string; readonly options: readonly string[] } {
  // Its colons would end the server's name.
  const host = isIPv6(server) ? `[${server}]` : server;
  return { from: `${host}:${path}`, options: [...(readOnly || isReadOnly ? ["ro"] : []), ...options] };
}
