// What a kind is. Routes, discovery, OpenAPI, storage strategy, tables and informers all follow from this definition.
import type { FieldError } from "./errors.ts";
import type { KubeObject } from "./object.ts";
import type { ResourceRef } from "./resource-ref.ts";

/** One column of `kubectl get`. Priority 0 is always shown, 1 with `-o wide`. */
export interface Column<T> {
  readonly name: string;
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  /** Marks the column with the object's name, so that clients find it whatever its heading. */
  readonly format?: "name";
  readonly description: string;
  readonly priority: 0 | 1;
  /** `nowMs` is for ages. */
  value(object: Readonly<T>, nowMs: number): string | number | boolean | null;
}

/** A served version other than the stored one, and the way to and from it. Conversion may reuse its argument. */
export interface ServedVersion {
  readonly version: string;
  /** Where the kind is served in another group too, as Events are. */
  readonly group?: string;
  /** Model name in the generated schemas, or in our own tables of older versions. */
  readonly model: string;
  /** The releases that deprecated the version and that dropped it upstream: `["v1.21", "v1.25"]`. */
  readonly deprecated?: readonly [since: string, gone: string];
  /** The stored name of each field that can be selected by, where they differ. */
  readonly fieldLabels?: Readonly<Record<string, string>>;
  toStored(object: KubeObject): KubeObject;
  fromStored(object: KubeObject): KubeObject;
  /** What only writers of this version are held to. Both get stored objects and come after the kind's own rules. */
  validateCreate?(object: Readonly<KubeObject>): FieldError[];
  validateUpdate?(next: Readonly<KubeObject>, previous: Readonly<KubeObject>): FieldError[];
}

/** How writes through a subresource (or to the object itself) are shaped and judged. */
export interface WriteRules<T> {
  /** Puts back what this way of writing may not change, and counts the generation. May change `next` only. `now` is an API time. */
  prepareForUpdate(next: T, previous: Readonly<T>, now: string): void;
  validateUpdate(next: T, previous: Readonly<T>): FieldError[];
}

/** Upstream's answer to "how long may deletion take": pods say seconds, everything else is deleted at once. */
export type DeletionGrace<T> = (object: Readonly<T>, requestedSeconds: number | undefined) => number;

/** For `kubectl scale` and autoscalers, which know no kind but Scale. */
export interface ScaleRules<T> {
  /** The replica count and selector (as text) that the Scale object shows. */
  read(object: Readonly<T>): { specReplicas: number; statusReplicas: number; selector: string };
  write(object: T, replicas: number): void;
}

/** A kind kept in etcd: its names, rules and views. All functions are pure. */
export interface KindDefinition<T extends KubeObject = KubeObject> extends ResourceRef<T>, WriteRules<T> {
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  /** Model name of the stored version in the generated schemas: `Pod`. */
  readonly model: string;
  readonly otherVersions?: readonly ServedVersion[];
  /** Whether the generation counts from 1; kinds without a spec of their own have none. */
  readonly hasGeneration: boolean;
  /** Errors of a wrong `metadata.name`, as upstream words them; empty when fine. */
  validateName(name: string): string[];
  /** Fills what the writer left out. Idempotent; called after decoding and before admission. */
  applyDefaults(object: T): void;
  /** Drops what a creator may not set (usually status). */
  prepareForCreate(object: T): void;
  /** Everything but metadata, which the registry checks for all kinds alike. */
  validate(object: T): FieldError[];
  /** The `status` subresource; absent where the kind has none. */
  readonly status?: WriteRules<T>;
  readonly scale?: ScaleRules<T>;
  /** Further subresources, served by handlers in the apiserver: `binding`, `log`, `token` … with their verbs. */
  readonly subresources: readonly SubresourceDefinition[];
  readonly deletionGrace?: DeletionGrace<T>;
  /** A delete that does not say what becomes of dependents leaves them: so it was before there was a garbage collector. */
  readonly orphansDependents?: boolean;
  /** Beside metadata.name and metadata.namespace, which every kind has. */
  readonly selectableFields: Readonly<Record<string, (object: Readonly<T>) => string>>;
  readonly columns: readonly Column<T>[];
  /** Row conditions of a Table, which let `kubectl get --watch` and dashboards grey out finished pods. */
  rowConditions?(object: Readonly<T>): { type: string; status: string; reason: string; message: string }[];
  /** What is allowed and yet likely a mistake, for the writer to be told; `previous` is absent on creation. */
  warnings?(object: Readonly<T>, previous?: Readonly<T>): string[];
  /** Seconds after which an object of this kind vanishes (Events); it gets an etcd lease. */
  readonly ttlSeconds?: number;
  /** Verbs on the resource itself, where they are not the usual eight. */
  readonly verbs?: readonly Verb[];
}

/** One path below an object: `pods/NAME/log`. */
export interface SubresourceDefinition {
  readonly name: string;
  /** Kind of its body: `Binding`, `TokenRequest`, `Eviction`; the group and version where they are not the kind's own. */
  readonly kind: string;
  readonly group?: string;
  readonly version?: string;
  readonly verbs: readonly Verb[];
  /** Where the subresource is another way of writing the object itself (namespaces/finalize), which the registry serves. */
  readonly rules?: WriteRules<KubeObject>;
}

/** Verbs as RBAC rules and discovery spell them. */
export type Verb = "create" | "delete" | "deletecollection" | "get" | "list" | "patch" | "update" | "watch";

/** What a stored resource can do unless its kind says otherwise. */
export const ALL_VERBS: readonly Verb[] = [
  "create",
  "delete",
  "deletecollection",
  "get",
  "list",
  "patch",
  "update",
  "watch",
];
