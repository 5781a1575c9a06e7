// Models of versions that the generated ones no longer have: each is like one that is there, but for some fields.
import type { Model, Schema } from "./schema.ts";

interface OlderModel {
  /** The generated model that it resembles. */
  readonly like: string;
  /** Fields that it has beside, or in place of, those of the other. */
  readonly fields?: Readonly<Record<string, Schema>>;
  /** Fields of the other that it has not. */
  readonly without?: readonly string[];
  readonly required?: readonly string[];
}

const text: Schema = { type: "string" };
const object = (ref: string): Schema => ({ type: "object", ref });
const list = (ref: string): Schema => ({ type: "array", items: object(ref) });

/** Beta versions that said the same as the stable ones do now. */
const SAME =
  "ClusterRole ClusterRoleBinding CronJob CSIDriver CSINode CSIStorageCapacity IngressClass Lease " +
  "PodDisruptionBudget PriorityClass Role RoleBinding RuntimeClass StorageClass VolumeAttachment";

const OLDER: ReadonlyMap<string, OlderModel> = new Map<string, OlderModel>([
  ...SAME.split(" ").map((like): [string, OlderModel] => [`V1beta1${like}`, { like }]),
  ...["Mutating", "Validating"].flatMap((what): [string, OlderModel][] => [
    [
      `V1beta1${what}WebhookConfiguration`,
      { like: `${what}WebhookConfiguration`, fields: { webhooks: list(`V1beta1${what}Webhook`) } },
    ],
    [`V1beta1${what}Webhook`, { like: `${what}Webhook`, required: ["clientConfig", "name"] }],
  ]),
  ["V1beta1Event", { like: "EventsV1Event" }],
  ["V2beta2HorizontalPodAutoscaler", { like: "V2HorizontalPodAutoscaler" }],
  ["V1beta1EndpointSlice", { like: "EndpointSlice", fields: { endpoints: list("V1beta1Endpoint") } }],
  [
    "V1beta1Endpoint",
    {
      like: "Endpoint",
      fields: { topology: { type: "map", values: text } },
      without: ["deprecatedTopology", "zone"],
    },
  ],
  ["V1beta1Ingress", { like: "Ingress", fields: { spec: object("V1beta1IngressSpec") } }],
  [
    "V1beta1IngressSpec",
    {
      like: "IngressSpec",
      fields: { backend: object("V1beta1IngressBackend"), rules: list("V1beta1IngressRule") },
      without: ["defaultBackend"],
    },
  ],
  [
    "V1beta1IngressBackend",
    {
      like: "IngressBackend",
      fields: { serviceName: text, servicePort: { type: "int-or-string" } },
      without: ["service"],
    },
  ],
  ["V1beta1IngressRule", { like: "IngressRule", fields: { http: object("V1beta1HTTPIngressRuleValue") } }],
  ["V1beta1HTTPIngressRuleValue", { like: "HTTPIngressRuleValue", fields: { paths: list("V1beta1HTTPIngressPath") } }],
  [
    "V1beta1HTTPIngressPath",
    { like: "HTTPIngressPath", fields: { backend: object("V1beta1IngressBackend") }, required: ["backend"] },
  ],
  [
    "V1beta1CustomResourceDefinition",
    { like: "CustomResourceDefinition", fields: { spec: object("V1beta1CustomResourceDefinitionSpec") } },
  ],
  [
    "V1beta1CustomResourceDefinitionSpec",
    {
      like: "CustomResourceDefinitionSpec",
      fields: {
        version: text,
        validation: object("CustomResourceValidation"),
        subresources: object("CustomResourceSubresources"),
        additionalPrinterColumns: list("V1beta1CustomResourceColumnDefinition"),
        versions: list("V1beta1CustomResourceDefinitionVersion"),
        conversion: object("V1beta1CustomResourceConversion"),
      },
      required: ["group", "names", "scope"],
    },
  ],
  [
    "V1beta1CustomResourceDefinitionVersion",
    {
      like: "CustomResourceDefinitionVersion",
      fields: { additionalPrinterColumns: list("V1beta1CustomResourceColumnDefinition") },
    },
  ],
  [
    "V1beta1CustomResourceColumnDefinition",
    {
      like: "CustomResourceColumnDefinition",
      fields: { JSONPath: text },
      without: ["jsonPath"],
      required: ["JSONPath", "name", "type"],
    },
  ],
  [
    "V1beta1CustomResourceConversion",
    {
      like: "CustomResourceConversion",
      fields: {
        webhookClientConfig: object("ApiextensionsV1WebhookClientConfig"),
        conversionReviewVersions: { type: "array", items: text },
      },
      without: ["webhook"],
    },
  ],
]);

/** The model of an older version; `find` gives the generated ones. */
export function olderModel(name: string, find: (name: string) => Model | undefined): Model | undefined {
  const older = OLDER.get(name);
  const like = older && find(older.like);
  if (!older || !like) return undefined;
  const kept = Object.entries(like.fields).filter(([field]) => !older.without?.includes(field));
  const fields = { ...Object.fromEntries(kept), ...older.fields };
  const required = older.required ?? like.required.filter((field) => field in fields);
  return { fields, required };
}

/** The model whose documentation an older one shares. */
export function documentedAs(name: string): string {
  return OLDER.get(name)?.like ?? name;
}
