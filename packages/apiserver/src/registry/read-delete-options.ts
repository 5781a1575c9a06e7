// DeleteOptions: from the body where there is one, else from the query string.

import { decode } from "@skiff/api/decode.ts";
import { badRequest } from "@skiff/api/errors.ts";
import type { DeleteOptions as WireOptions } from "@skiff/api/types.ts";
import type { Exchange } from "../http/exchange.ts";
import { isTrue } from "../http/parse-request-info.ts";
import { type DeleteOptions, type PropagationPolicy, validateDeleteOptions } from "./deletion-rules.ts";
import { readDryRun } from "./write-options.ts";

/** What a DELETE asks for besides the object. */
export interface ReadDeleteOptions {
  readonly deletion: DeleteOptions;
  readonly dryRun: boolean;
}

/** Throws 400 for options that cannot be read and 422 for those that make no sense. */
export async function readDeleteOptions(exchange: Exchange): Promise<ReadDeleteOptions> {
  const body = (await exchange.readBytes()).length > 0 ? await exchange.readBody() : undefined;
  const wire = body === undefined ? fromQuery(exchange.query) : fromBody(body);
  const dryRun = readDryRun([...(wire.dryRun ?? []), ...exchange.query.getAll("dryRun")], "DeleteOptions");
  return { deletion: judgeDeleteOptions(wire), dryRun };
}

/** Throws 422 for options that contradict themselves. */
export function judgeDeleteOptions(wire: WireOptions): DeleteOptions {
  const deletion: DeleteOptions = {
    gracePeriodSeconds: wire.gracePeriodSeconds,
    propagationPolicy: wire.propagationPolicy as PropagationPolicy | undefined,
    orphanDependents: wire.orphanDependents,
    uid: wire.preconditions?.uid,
    resourceVersion: wire.preconditions?.resourceVersion,
  };
  validateDeleteOptions(deletion);
  return deletion;
}

/** The body may be DeleteOptions of any version that a client still sends: the fields are the same. */
function fromBody(body: unknown): WireOptions {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw badRequest("the body of a delete must be DeleteOptions");
  }
  return decode<WireOptions>("DeleteOptions", body, { strict: false }).object;
}

function fromQuery(query: URLSearchParams): WireOptions {
  const grace = query.get("gracePeriodSeconds");
  // The message is Go's, since clients of upstream have seen no other.
  if (grace !== null && grace !== "" && !/^-?\d{1,15}$/.test(grace)) {
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(grace)}: invalid syntax`);
  }
  const policy = query.get("propagationPolicy");
  const orphan = query.get("orphanDependents");
  return {
    ...(grace ? { gracePeriodSeconds: Number(grace) } : {}),
    ...(policy ? { propagationPolicy: policy } : {}),
    ...(orphan ? { orphanDependents: isTrue(orphan) } : {}),
  };
}
