// LimitRange: bounds and defaults of what pods, containers and claims of a namespace may ask for.
import type { LimitRange } from "../../generated/types.ts";
import { limitRanges } from "../resource-ref.ts";
import { createdAtColumn, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";

export const limitRangeKind = defineKind<LimitRange>({
  ref: limitRanges,
  shortNames: ["limits"],
  columns: [nameColumn, createdAtColumn],
});
