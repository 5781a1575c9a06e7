// Which stored kind a URL means.
import type { RequestInfo } from "../http/request-info.ts";
import type { StorageKind } from "../storage/stored-object.ts";
import { inVersion } from "./served-version.ts";

/** Whether the URL names a namespace exactly where the kind has one; lists may leave it out. */
function isPlaced({ definition }: StorageKind, { namespace, name, verb }: RequestInfo): boolean {
  if (!definition.namespaced) return namespace === "" || definition.plural === "namespaces";
  return namespace !== "" || name === "" || verb === "list" || verb === "watch";
}

/** By group and plural; a kind that has moved to another group is found by both. */
export class ResourceTable {
  private readonly byPlural = new Map<string, StorageKind>();

  constructor(kinds: readonly StorageKind[]) {
    for (const kind of kinds) {
      const { group, plural, otherVersions = [] } = kind.definition;
      for (const name of [group, ...otherVersions.map((other) => other.group ?? group)]) {
        this.byPlural.set(`${name}/${plural}`, kind);
      }
    }
  }

  /** Undefined for unknown groups, versions and resources. */
  find(info: RequestInfo): StorageKind | undefined {
    const kind = this.byPlural.get(`${info.group}/${info.resource}`);
    return kind && inVersion(kind, info) && isPlaced(kind, info) ? kind : undefined;
  }

  /** For the apiserver's own parts: throws for a kind that is not stored, which is a mistake of the program. */
  require(group: string, plural: string): StorageKind {
    const kind = this.byPlural.get(`${group}/${plural}`);
    if (!kind) throw new Error(`no kind ${group}/${plural}`);
    return kind;
  }
}
