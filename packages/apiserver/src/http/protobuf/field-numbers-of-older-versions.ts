// The numbers of fields in protobuf messages of older versions, where they differ from the current ones'; written as in field-numbers.ts.

/** All other messages of older versions are laid out as those of the models that they resemble. */
export const FIELD_NUMBERS_OF_OLDER_VERSIONS: Readonly<Record<string, string>> = {
  V1beta1ClusterTrustBundle: "metadata spec",
  V1beta1ClusterTrustBundleSpec: "signerName trustBundle",
  V1beta1CustomResourceColumnDefinition: "name type format description priority JSONPath",
  V1beta1CustomResourceConversion: "strategy webhookClientConfig conversionReviewVersions",
  V1beta1CustomResourceDefinitionSpec:
    "group version names scope validation subresources versions additionalPrinterColumns conversion preserveUnknownFields",
  V1beta1Endpoint: "addresses conditions hostname targetRef topology nodeName hints",
  V1beta1HTTPIngressPath: "path backend pathType",
  V1beta1HTTPIngressRuleValue: "paths",
  V1beta1IngressBackend: "serviceName servicePort resource",
  V1beta1IngressRule: "host >V1beta1IngressRuleValue",
  V1beta1IngressRuleValue: "http",
  V1beta1IngressSpec: "backend tls rules ingressClassName",
  V1beta1PodCertificateRequest: "metadata spec status",
  V1beta1PodCertificateRequestSpec:
    "signerName podName podUID serviceAccountName serviceAccountUID nodeName nodeUID maxExpirationSeconds pkixPublicKey proofOfPossession unverifiedUserAnnotations stubPKCS10Request",
  V1beta1PodCertificateRequestStatus: "conditions certificateChain 4:notBefore beginRefreshAt notAfter",
};
