// What an administrator says of a driver in its CSIDriver object.
import { isNotFound } from "@skiff/api/errors.ts";
import { csiDrivers } from "@skiff/api/resource-ref.ts";
import type { CSIDriverSpec } from "@skiff/api/types.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";

/** Undefined for a driver that has no object: it is optional. */
export async function readDriverSpec(
  driver: string,
  client: Pick<RestClient, "of">,
  signal: AbortSignal,
): Promise<CSIDriverSpec | undefined> {
  const found = await client
    .of(csiDrivers)
    .get("", driver, { signal })
    .catch((error) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
  return found?.spec;
}
