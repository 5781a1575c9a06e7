// The numbers of fields in protobuf messages of the kinds that extend the API; written as in field-numbers.ts.

const NAMES = "plural singular shortNames kind listKind categories";
const CONDITION = "type status lastTransitionTime reason message";

/** By model. These kinds have Go types of their own upstream, outside k8s.io/api, and so messages of their own. */
export const FIELD_NUMBERS_OF_EXTENSIONS: Readonly<Record<string, string>> = {
  APIService: "metadata spec status",
  APIServiceCondition: CONDITION,
  APIServiceSpec: "service group version insecureSkipTLSVerify caBundle 7:groupPriorityMinimum versionPriority",
  APIServiceStatus: "conditions",
  ApiextensionsV1ServiceReference: "namespace name path port",
  ApiextensionsV1WebhookClientConfig: "service caBundle url",
  ApiregistrationV1ServiceReference: "namespace name port",
  CustomResourceColumnDefinition: "name type format description priority jsonPath",
  CustomResourceConversion: "strategy webhook",
  CustomResourceDefinition: "metadata spec status",
  CustomResourceDefinitionCondition: `${CONDITION} observedGeneration`,
  CustomResourceDefinitionNames: NAMES,
  CustomResourceDefinitionSpec: "group 3:names scope 7:versions 9:conversion preserveUnknownFields",
  CustomResourceDefinitionStatus: "conditions acceptedNames storedVersions observedGeneration",
  CustomResourceDefinitionVersion:
    "name served storage schema subresources additionalPrinterColumns deprecated deprecationWarning selectableFields",
  CustomResourceSubresourceScale: "specReplicasPath statusReplicasPath labelSelectorPath",
  CustomResourceSubresources: "status scale",
  CustomResourceValidation: "openAPIV3Schema",
  ExternalDocumentation: "description url",
  JSONSchemaProps:
    "id $schema $ref description type format title default maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength " +
    "pattern maxItems minItems uniqueItems multipleOf enum maxProperties minProperties required items allOf oneOf anyOf not " +
    "properties additionalProperties patternProperties dependencies additionalItems definitions externalDocs example nullable " +
    "x-kubernetes-preserve-unknown-fields x-kubernetes-embedded-resource x-kubernetes-int-or-string x-kubernetes-list-map-keys " +
    "x-kubernetes-list-type x-kubernetes-map-type x-kubernetes-validations",
  SelectableField: "jsonPath",
  ValidationRule: "rule message messageExpression reason fieldPath optionalOldSelf",
  WebhookConversion: "2:clientConfig conversionReviewVersions",
};
