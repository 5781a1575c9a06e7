// apiextensions.k8s.io/v1beta1: schema, columns and subresources stood beside the versions, and schemas were optional.
import type {
  ApiextensionsV1WebhookClientConfig,
  CustomResourceColumnDefinition,
  CustomResourceDefinition,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
  CustomResourceValidation,
  JSONSchemaProps,
} from "../../../generated/types.ts";
import type { ServedVersion } from "../../kind.ts";
import type { KubeObject } from "../../object.ts";
import { deepEqual } from "../../validation/deep-equal.ts";

// `jsonPath` was `JSONPath` then.
type OlderColumn = Omit<CustomResourceColumnDefinition, "jsonPath"> & { JSONPath: string };
type OlderVersion = Omit<CustomResourceDefinitionVersion, "additionalPrinterColumns"> & {
  additionalPrinterColumns?: OlderColumn[];
};

interface OlderConversion {
  strategy: string;
  webhookClientConfig?: ApiextensionsV1WebhookClientConfig;
  conversionReviewVersions?: string[];
}

type OlderSpec = Omit<CustomResourceDefinitionSpec, "versions" | "conversion"> & {
  version?: string;
  versions?: OlderVersion[];
  validation?: CustomResourceValidation | undefined;
  subresources?: CustomResourceDefinitionVersion["subresources"];
  additionalPrinterColumns?: OlderColumn[] | undefined;
  conversion?: OlderConversion;
};

type OlderDefinition = Omit<CustomResourceDefinition, "spec"> & { spec: OlderSpec };

/** Reads and writes v1beta1, of which v1 is stored. A definition without schemas gets one that keeps all fields. */
export const customResourceDefinitionBeta: ServedVersion = {
  version: "v1beta1",
  model: "V1beta1CustomResourceDefinition",
  deprecated: ["v1.16", "v1.22"],
  toStored(object) {
    const definition = object as OlderDefinition;
    return { ...definition, spec: specToStored(definition.spec) } as KubeObject;
  },
  fromStored(object) {
    const definition = object as CustomResourceDefinition;
    return { ...definition, spec: specFromStored(definition.spec) } as KubeObject;
  },
};

/** What stood at the top goes into every version that has none of its own. */
function specToStored(spec: OlderSpec): CustomResourceDefinitionSpec {
  const { version, versions = [], validation, subresources, additionalPrinterColumns, conversion, ...rest } = spec;
  // Keeping unknown fields was the default before v1.
  const preserve = spec.preserveUnknownFields ?? true;
  // A definition of one version could name it by `version` alone.
  const all = versions.length > 0 || !version ? versions : [{ name: version, served: true, storage: true }];
  const { preserveUnknownFields: _said, ...kept } = rest;
  return {
    ...kept,
    // v1 wants it said.
    scope: kept.scope || "Namespaced",
    versions: all.map((one) => versionToStored(one, { validation, subresources, additionalPrinterColumns, preserve })),
    ...(conversion ? { conversion: conversionToStored(conversion) } : {}),
  };
}

// The parts of the older spec that hold for all of its versions.
interface Shared extends Pick<OlderSpec, "validation" | "subresources" | "additionalPrinterColumns"> {
  readonly preserve: boolean;
}

function versionToStored(version: OlderVersion, shared: Shared): CustomResourceDefinitionVersion {
  const { additionalPrinterColumns: own, ...rest } = version;
  const columns = own ?? shared.additionalPrinterColumns;
  const subresources = version.subresources ?? shared.subresources;
  const schema = structural((version.schema ?? shared.validation)?.openAPIV3Schema, shared.preserve);
  return {
    ...rest,
    schema: { openAPIV3Schema: schema },
    ...(subresources ? { subresources } : {}),
    ...(columns ? { additionalPrinterColumns: columns.map(columnToStored) } : {}),
  };
}

/** A definition that kept unknown fields says so in its schema, which every version now has. */
function structural(schema: JSONSchemaProps | undefined, preserve: boolean): JSONSchemaProps {
  const typed = { type: "object", ...schema };
  return preserve || !schema ? { ...typed, "x-kubernetes-preserve-unknown-fields": true } : typed;
}

function columnToStored({ JSONPath, ...column }: OlderColumn): CustomResourceColumnDefinition {
  return { ...column, jsonPath: JSONPath };
}

function columnFromStored({ jsonPath, ...column }: CustomResourceColumnDefinition): OlderColumn {
  return { ...column, JSONPath: jsonPath };
}

/** v1 moved the webhook's settings into one field. */
function conversionToStored(conversion: OlderConversion): NonNullable<CustomResourceDefinitionSpec["conversion"]> {
  const { strategy, webhookClientConfig, conversionReviewVersions } = conversion;
  if (!webhookClientConfig && !conversionReviewVersions) return { strategy };
  return {
    strategy,
    webhook: {
      ...(webhookClientConfig ? { clientConfig: webhookClientConfig } : {}),
      // v1 wants them named; servers of that time spoke this one.
      conversionReviewVersions: conversionReviewVersions ?? ["v1beta1"],
    },
  };
}

/** What all versions share stands at the top, as it had to be. */
function specFromStored(spec: CustomResourceDefinitionSpec): OlderSpec {
  const { versions = [], conversion, ...rest } = spec;
  const [first, ...others] = versions;
  const shares = (field: "schema" | "subresources" | "additionalPrinterColumns") =>
    others.every((version) => deepEqual(version[field], first?.[field]));
  const top = { schema: shares("schema"), sub: shares("subresources"), columns: shares("additionalPrinterColumns") };
  return {
    ...rest,
    // The schemas say it now, so that reading back must not assume the older default.
    preserveUnknownFields: false,
    ...(first ? { version: first.name } : {}),
    versions: versions.map((version) => versionFromStored(version, top)),
    ...(top.schema && first?.schema ? { validation: first.schema } : {}),
    ...(top.sub && first?.subresources ? { subresources: first.subresources } : {}),
    ...(top.columns && first?.additionalPrinterColumns
      ? { additionalPrinterColumns: first.additionalPrinterColumns.map(columnFromStored) }
      : {}),
    ...(conversion ? { conversion: conversionFromStored(conversion) } : {}),
  };
}

function versionFromStored(
  version: CustomResourceDefinitionVersion,
  top: { schema: boolean; sub: boolean; columns: boolean },
): OlderVersion {
  const { schema, subresources, additionalPrinterColumns: columns, ...rest } = version;
  return {
    ...rest,
    ...(schema && !top.schema ? { schema } : {}),
    ...(subresources && !top.sub ? { subresources } : {}),
    ...(columns && !top.columns ? { additionalPrinterColumns: columns.map(columnFromStored) } : {}),
  };
}

function conversionFromStored(conversion: NonNullable<CustomResourceDefinitionSpec["conversion"]>): OlderConversion {
  const { strategy, webhook } = conversion;
  return {
    strategy,
    ...(webhook?.clientConfig ? { webhookClientConfig: webhook.clientConfig } : {}),
    ...(webhook ? { conversionReviewVersions: webhook.conversionReviewVersions } : {}),
  };
}
