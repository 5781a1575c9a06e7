// The query parameters of operations, which clients read to learn what a server can do (dryRun, fieldValidation …).

/** One parameter of the query, the same in both dialects. */
export interface QueryParameter {
  readonly name: string;
  readonly type: "string" | "boolean" | "integer";
  readonly description: string;
}

/** Belongs to the path, since every method of it takes it. */
export const PRETTY = text("pretty", "If 'true', then the output is pretty printed.");

const DRY_RUN = text("dryRun", "'All' runs every stage of the request without storing its result.");
const FIELD_MANAGER = text("fieldManager", "The name of the actor or program that makes the changes.");
const FIELD_VALIDATION = text(
  "fieldValidation",
  "What to do with unknown and duplicate fields: Ignore, Warn (default) or Strict, which refuses them.",
);

const SELECTION: readonly QueryParameter[] = [
  text("continue", "The token of an earlier answer, to get the next chunk of a list."),
  text("fieldSelector", "Restricts the objects by their fields."),
  text("labelSelector", "Restricts the objects by their labels."),
  whole("limit", "The largest number of objects in the answer."),
  text("resourceVersion", "Which version of the data may be served."),
  text("resourceVersionMatch", "How resourceVersion is applied to lists."),
  flag("sendInitialEvents", "Lets a watch begin with the objects that exist, ended by a bookmark."),
  whole("timeoutSeconds", "Ends the request after this time, whatever happens."),
];

/** A watch is a GET of the list with `watch`, so that both share one operation. */
export const LIST_PARAMETERS: readonly QueryParameter[] = [
  flag("allowWatchBookmarks", "Asks for BOOKMARK events that carry the newest version."),
  ...SELECTION,
  flag("watch", "Streams changes instead of returning a list."),
];

/** For PUT as well. */
export const CREATE_PARAMETERS: readonly QueryParameter[] = [DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION];

/** For all patches, although only apply knows `force`. */
export const PATCH_PARAMETERS: readonly QueryParameter[] = [
  ...CREATE_PARAMETERS,
  flag("force", "Takes over fields that another manager owns; apply patches only."),
];

/** The same as in the body, which wins where there is one. */
export const DELETE_PARAMETERS: readonly QueryParameter[] = [
  DRY_RUN,
  whole("gracePeriodSeconds", "Seconds until the object is deleted; 0 deletes at once."),
  flag("orphanDependents", "Deprecated in favour of propagationPolicy."),
  text("propagationPolicy", "What becomes of dependents: Orphan, Background or Foreground."),
];

/** What to delete is selected as for a list. */
export const DELETE_COLLECTION_PARAMETERS: readonly QueryParameter[] = [...DELETE_PARAMETERS, ...SELECTION];

function text(name: string, description: string): QueryParameter {
  return { name, type: "string", description };
}

function flag(name: string, description: string): QueryParameter {
  return { name, type: "boolean", description };
}

function whole(name: string, description: string): QueryParameter {
  return { name, type: "integer", description };
}
