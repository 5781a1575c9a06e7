// Gives a kind the rules that most kinds share, so that its own file holds only what is particular to it.
import type { FieldError } from "../errors.ts";
import type { Column, KindDefinition, SubresourceDefinition, Verb, WriteRules } from "../kind.ts";
import type { KubeObject } from "../object.ts";
import type { ResourceRef } from "../resource-ref.ts";
import { deepEqual } from "../validation/deep-equal.ts";
import { isDns1123Subdomain } from "../validation/names.ts";
import { ageColumn, nameColumn } from "./columns.ts";

/** What a kind says of itself. Everything but `ref` has a default. */
export interface KindSpec<T extends KubeObject>
  extends Partial<Omit<KindDefinition<T>, keyof ResourceRef | "status" | "prepareForUpdate" | "validateUpdate">> {
  readonly ref: ResourceRef<T>;
  /** Whether spec and status are written apart; the generation then counts changes of the spec. */
  readonly hasStatus?: boolean;
  /** What the generation counts the changes of, where that is not the spec. Kinds that say it have a generation. */
  generationOf?(object: Readonly<T>): unknown;
  /** Whether a creator may say the status, as kubelets do of their Node. */
  readonly createsStatus?: boolean;
  /** Judges what only creation is held to, beside `validate`. */
  validateCreate?(object: T): FieldError[];
  /** Judges the whole object on update; `validate` has run already. */
  validateUpdate?(next: T, previous: Readonly<T>): FieldError[];
  /** Whether upstream tells what may not change before what is wrong in itself. */
  readonly changesFirst?: boolean;
  /** Puts back what updates may not change, beyond status and generation. */
  prepareForUpdate?(next: T, previous: Readonly<T>): void;
  /** Judges a write of the status. */
  validateStatusUpdate?(next: T, previous: Readonly<T>): FieldError[];
  /** Puts back what status writes may not change, beyond the spec. */
  prepareForStatusUpdate?(next: T, previous: Readonly<T>, now: string): void;
}

/**
 * Completes a kind. Every write then runs `applyDefaults`, admission, `prepareFor…` and `validate…`, in this order.
 * What is optional in a definition stays absent, not undefined.
 */
export function defineKind<T extends KubeObject>(spec: KindSpec<T>): KindDefinition<T> {
  const { ref, hasStatus = false } = spec;
  const hasGeneration = spec.hasGeneration ?? (hasStatus || spec.generationOf !== undefined);
  return {
    ...ref,
    singular: spec.singular ?? ref.kind.toLowerCase(),
    shortNames: spec.shortNames ?? [],
    categories: spec.categories ?? [],
    model: spec.model ?? ref.kind,
    hasGeneration,
    validateName: spec.validateName ?? isDns1123Subdomain,
    applyDefaults: spec.applyDefaults ?? nothing,
    prepareForCreate: createRule(spec, hasGeneration),
    validate: (object) => [...(spec.validate?.(object) ?? []), ...(spec.validateCreate?.(object) ?? [])],
    ...updateRules(spec, hasStatus, hasGeneration),
    ...(hasStatus ? { status: statusRules(spec) } : {}),
    subresources: spec.subresources ?? [],
    selectableFields: spec.selectableFields ?? {},
    columns: spec.columns ?? defaultColumns,
    ...optionalParts(spec),
  };
}

/** Some fields of an object that its generic type does not show. */
type Parts = KubeObject & { spec?: unknown; status?: unknown };

const nothing = () => {};
const noErrors = (): FieldError[] => [];
const defaultColumns: readonly Column<KubeObject>[] = [nameColumn, ageColumn];

function createRule<T extends KubeObject>(spec: KindSpec<T>, hasGeneration: boolean) {
  return (object: T) => {
    // A creator does not say how its object fares: upstream drops that in silence, and so do we.
    if (spec.hasStatus && !spec.createsStatus) (object as Parts).status = {};
    if (hasGeneration) object.metadata.generation = 1;
    spec.prepareForCreate?.(object);
  };
}

function updateRules<T extends KubeObject>(spec: KindSpec<T>, hasStatus: boolean, hasGeneration: boolean) {
  const rules: WriteRules<T> = {
    prepareForUpdate(next, previous) {
      // Whoever writes the object leaves its status, and the other way round: the two have different writers.
      if (hasStatus) copyPart(next, previous, "status");
      spec.prepareForUpdate?.(next, previous);
      if (hasGeneration) countGeneration(next, previous, spec.generationOf ?? specOf);
    },
    validateUpdate(next, previous) {
      const own = spec.validate?.(next) ?? [];
      const changes = spec.validateUpdate?.(next, previous) ?? [];
      return spec.changesFirst ? [...changes, ...own] : [...own, ...changes];
    },
  };
  return rules;
}

/** Controllers write here. The generation does not change, so that they can note which one they have seen. */
function statusRules<T extends KubeObject>(spec: KindSpec<T>): WriteRules<T> {
  return {
    prepareForUpdate(next, previous, now) {
      copyPart(next, previous, "spec");
      spec.prepareForStatusUpdate?.(next, previous, now);
    },
    validateUpdate: spec.validateStatusUpdate ?? noErrors,
  };
}

/** Sets `spec` or `status` to what it was. */
export function copyPart<T extends KubeObject>(next: T, previous: Readonly<T>, part: "spec" | "status"): void {
  const before = (previous as Parts)[part];
  if (before === undefined) delete (next as Parts)[part];
  else (next as Parts)[part] = before;
}

function specOf(object: Readonly<KubeObject>): unknown {
  return (object as Parts).spec;
}

/** The generation grows with each change of the spec and with nothing else. */
function countGeneration<T extends KubeObject>(
  next: T,
  previous: Readonly<T>,
  contentOf: (object: Readonly<T>) => unknown,
): void {
  const generation = previous.metadata.generation ?? 0;
  const changed = !deepEqual(contentOf(next), contentOf(previous));
  // Objects stored before their kind had a generation keep to none until they change.
  if (changed || generation > 0) next.metadata.generation = changed ? generation + 1 : generation;
  else delete next.metadata.generation;
}

function optionalParts<T extends KubeObject>(spec: KindSpec<T>) {
  return {
    ...(spec.otherVersions ? { otherVersions: spec.otherVersions } : {}),
    ...(spec.scale ? { scale: spec.scale } : {}),
    ...(spec.deletionGrace ? { deletionGrace: spec.deletionGrace } : {}),
    ...(spec.orphansDependents ? { orphansDependents: true } : {}),
    ...(spec.warnings ? { warnings: spec.warnings } : {}),
    ...(spec.rowConditions ? { rowConditions: spec.rowConditions } : {}),
    ...(spec.ttlSeconds ? { ttlSeconds: spec.ttlSeconds } : {}),
    ...(spec.verbs ? { verbs: spec.verbs } : {}),
  };
}

// One for each HTTP method, so that RBAC can tell them apart.
const PROXY_VERBS: readonly Verb[] = ["create", "delete", "get", "patch", "update"];

/** The `proxy` subresource, which passes any method on. */
export function proxySubresource(kind: string): SubresourceDefinition {
  return { name: "proxy", kind, verbs: PROXY_VERBS };
}
