// Which stored kind a URL means.
import type { RequestInfo } from "../http/request-info.ts";
import type { StorageKind } from "../storage/stored-object.ts";

export class ResourceTable {
  private readonly byPlural = new Map<string, StorageKind>();

  constructor(kinds: readonly StorageKind[]) {
    for (const kind of kinds) this.byPlural.set(`${kind.definition.group}/${kind.definition.plural}`, kind);
  }

  /** Undefined for unknown groups, versions and resources. */
  find(info: RequestInfo): StorageKind | undefined {
    const kind = this.byPlural.get(`${info.group}/${info.resource}`);
    return kind?.definition.version === info.version ? kind : undefined;
  }

  require(group: string, plural: string): StorageKind {
    const kind = this.byPlural.get(`${group}/${plural}`);
    if (!kind) throw new Error(`no kind ${group}/${plural}`);
    return kind;
  }
}
