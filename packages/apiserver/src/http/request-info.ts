// What a URL asks for: upstream's RequestInfo.

/** Resource requests name a resource under /api or /apis; everything else is a plain path such as /healthz. */
export interface RequestInfo {
  readonly isResourceRequest: boolean;
  readonly path: string;
  /** get, list, watch, create, update, patch, delete, deletecollection, "" for other methods; or the lower-case method of a plain path. */
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly namespace: string;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
  /** What follows the subresource (proxy paths), without leading slash. */
  readonly rest: string;
}
