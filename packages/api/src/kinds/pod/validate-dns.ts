// A pod's own DNS settings.
import type { PodDNSConfig, PodSpec } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { isDns1123SubdomainWithUnderscore, isValidIp } from "../../validation/names.ts";
import { type FieldPath, invalidAll, invalidValue, itemErrors, required } from "../../validation/path.ts";

// The C library reads three `nameserver` lines of a resolv.conf and no more.
const MAX_NAMESERVERS = 3;
// Kubernetes' own bounds on the search list; they were 6 and 256, the C library's, until it lifted them.
const MAX_SEARCHES = 32;
const MAX_SEARCH_CHARACTERS = 2048;

/** With the policy None a pod has nothing but its own settings, which must then name a server. */
export function validateDns({ dnsPolicy, dnsConfig }: PodSpec, path: FieldPath): FieldError[] {
  const none = dnsPolicy === "None";
  if (!dnsConfig) return none ? [required(path, "must provide `dnsConfig` when `dnsPolicy` is None")] : [];
  const servers = dnsConfig.nameservers ?? [];
  const at = path.child("nameservers");
  const errors: FieldError[] = [];
  if (none && servers.length === 0) {
    errors.push(required(at, "must provide at least one DNS nameserver when `dnsPolicy` is None"));
  }
  if (servers.length > MAX_NAMESERVERS) {
    errors.push(invalidValue(at, servers, `must not have more than ${MAX_NAMESERVERS} nameservers`));
  }
  for (const [i, server] of servers.entries()) errors.push(...invalidAll(at.index(i), server, isValidIp(server)));
  return [...errors, ...validateSearches(dnsConfig, path.child("searches")), ...validateOptions(dnsConfig, path)];
}

function validateSearches({ searches = [] }: PodDNSConfig, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (searches.length > MAX_SEARCHES) {
    errors.push(invalidValue(path, searches, `must not have more than ${MAX_SEARCHES} search paths`));
  }
  if (searches.join(" ").length > MAX_SEARCH_CHARACTERS) {
    const detail = `must not have more than ${MAX_SEARCH_CHARACTERS} characters (including spaces) in the search list`;
    errors.push(invalidValue(path, searches, detail));
  }
  for (const [i, search] of searches.entries()) {
    // A single dot is the root, and one at the end makes a name absolute.
    const name = search.endsWith(".") ? search.slice(0, -1) : search;
    if (search !== ".") errors.push(...invalidAll(path.index(i), search, isDns1123SubdomainWithUnderscore(name)));
  }
  return errors;
}

function validateOptions({ options = [] }: PodDNSConfig, path: FieldPath): FieldError[] {
  return itemErrors(options, ({ name }, i) =>
    name ? [] : [required(path.child("options").index(i), "must not be empty")],
  );
}
