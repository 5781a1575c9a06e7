// A short notation for RBAC rules, so that upstream's long tables of roles can be read and compared at a glance.
import type { PolicyRule } from "@skiff/api/types.ts";

/**
 * `groups : resources : verbs`, each a list of words. `core` is the group without a name, `read` and `write` are sets of
 * verbs, and names in brackets narrow the rule to these objects: `core : configmaps[cluster-info] : update`.
 */
export function rule(text: string): PolicyRule {
  const [groups = "", resources = "", verbs = ""] = text.split(" : ");
  const names = /\[(.*)\]/.exec(resources)?.[1];
  return {
    apiGroups: words(groups).map((group) => (group === "core" ? "" : group)),
    resources: words(resources.replace(/\[.*\]/, "")),
    ...(names ? { resourceNames: names.split(",") } : {}),
    verbs: words(verbs).flatMap((verb) => VERB_SETS[verb] ?? [verb]),
  };
}

/** A rule about plain paths that may be read. */
export function getUrls(...paths: string[]): PolicyRule {
  return { nonResourceURLs: paths, verbs: ["get"] };
}

/** Upstream's sets Read and Write. */
const VERB_SETS: Readonly<Record<string, readonly string[]>> = {
  read: ["get", "list", "watch"],
  write: ["create", "delete", "deletecollection", "patch", "update"],
};

/** What every program that records events may do. */
export const EVENTS = "core events.k8s.io : events : create patch update";

function words(text: string): string[] {
  return text.split(" ").filter(Boolean);
}
