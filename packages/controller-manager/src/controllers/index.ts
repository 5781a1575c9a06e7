// All controllers of this program, in the order in which they start.
import { csrApprovingController } from "./certificates/csr-approving.ts";
import { csrCleaner } from "./certificates/csr-cleaner.ts";
import { csrSigningController } from "./certificates/csr-signing.ts";
import type { ControllerDefinition } from "./controller-definition.ts";
import { deploymentController } from "./deployment/deployment-controller.ts";
import { disruptionController } from "./disruption/disruption-controller.ts";
import { endpointSliceController } from "./endpoint-slice/endpoint-slice-controller.ts";
import { endpointsController } from "./endpoints/endpoints-controller.ts";
import { garbageCollectorController } from "./garbage-collector/garbage-collector-controller.ts";
import { namespaceController } from "./namespace/namespace-controller.ts";
import { nodeIpamController } from "./node-ipam/node-ipam-controller.ts";
import { nodeLifecycleController } from "./node-lifecycle/node-lifecycle-controller.ts";
import { podGarbageCollector } from "./pod-gc.ts";
import { replicaSetController } from "./replica-set/replica-set-controller.ts";
import { replicationController } from "./replication-controller.ts";
import { rootCaPublisher } from "./root-ca-publisher.ts";
import { serviceAccountController } from "./service-account.ts";
import { serviceCidrController } from "./service-cidr/service-cidr-controller.ts";
import { taintEvictionController } from "./taint-eviction.ts";

/** Names and aliases are unique; a duplicate stops the program at start. */
export const CONTROLLERS: readonly ControllerDefinition[] = [
  serviceAccountController,
  rootCaPublisher,
  nodeIpamController,
  nodeLifecycleController,
  taintEvictionController,
  deploymentController,
  replicaSetController,
  replicationController,
  serviceCidrController,
  endpointsController,
  endpointSliceController,
  disruptionController,
  namespaceController,
  podGarbageCollector,
  garbageCollectorController,
  csrApprovingController,
  csrSigningController,
  csrCleaner,
];
