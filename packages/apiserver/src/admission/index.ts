// The admission plug-ins in the order in which they run.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { createRbacEscalationCheck } from "../authz/escalation.ts";
import type { ChainAuthorizer } from "../authz/index.ts";
import type { ObjectReader } from "../registry/object-access.ts";
import type { AdmissionChain, AdmissionPlugin } from "./admission.ts";
import { certificateRequestIdentity } from "./certificate-request-identity.ts";
import { createCertificateApproval, createCertificateSigning, createTrustBundleAttest } from "./certificate-signers.ts";
import { certificateSubjectRestriction } from "./certificate-subject-restriction.ts";
import { defaultTolerationSeconds } from "./default-toleration-seconds.ts";
import { measureAdmission } from "./measure-admission.ts";
import { createNamespaceLifecycle } from "./namespace-lifecycle.ts";
import { createNodeRestriction } from "./node-restriction.ts";
import { createPodCertificateCheck } from "./pod-certificate-requests.ts";
import { createPriorityPlugin } from "./priority.ts";
import { createRuntimeClassPlugin } from "./runtime-class.ts";
import { createServiceAccountPlugin } from "./service-account.ts";
import { storageObjectInUseProtection } from "./storage-object-in-use-protection.ts";
import { systemPriorityClasses } from "./system-priority-classes.ts";
import { taintNodesByCondition } from "./taint-nodes-by-condition.ts";

/** Names of plug-ins to leave out, as --disable-admission-plugins says. */
export interface AdmissionConfig {
  readonly disabled?: readonly string[];
}

/**
 * Upstream's default plug-ins in upstream's order, as far as they are here. Mutating goes before judging, in that order
 * each.
 */
export function createAdmissionPlugins(
  config: AdmissionConfig,
  deps: {
    readonly reader: ObjectReader;
    readonly authorizer: ChainAuthorizer;
    readonly clock: Clock;
    readonly log: Logger;
    readonly metrics: MetricsRegistry;
  },
): AdmissionChain {
  const plugins: readonly AdmissionPlugin[] = [
    createNamespaceLifecycle(deps.reader),
    createServiceAccountPlugin(deps),
    createNodeRestriction(deps.reader, deps.authorizer),
    taintNodesByCondition,
    createPriorityPlugin(deps.reader),
    defaultTolerationSeconds,
    storageObjectInUseProtection,
    createRuntimeClassPlugin(deps.reader),
    createCertificateApproval(deps.authorizer),
    createCertificateSigning(deps.authorizer),
    createTrustBundleAttest(deps.authorizer),
    certificateSubjectRestriction,
  ];
  const duplicate = plugins.find(({ name }, at) => plugins.findIndex((other) => other.name === name) !== at);
  if (duplicate) throw new Error(`admission plug-in ${duplicate.name} is listed twice`);
  const enabled = plugins.filter(({ name }) => !config.disabled?.includes(name));
  // Not plug-ins upstream but part of storing these kinds, so nobody may turn them off.
  const { authorizer, clock } = deps;
  const podCertificates = createPodCertificateCheck(authorizer, clock);
  const parts = [
    createRbacEscalationCheck(authorizer),
    certificateRequestIdentity,
    podCertificates,
    systemPriorityClasses,
  ];
  return measureAdmission([...parts, ...enabled], deps);
}
