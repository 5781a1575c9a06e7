// Which UDP flows the kernel must forget when endpoints come and go.
import assert from "node:assert/strict";
import { test } from "node:test";
import { conntrackArguments, planFlowDeletions } from "./conntrack.ts";
import type { ServicePort } from "./service-ports.ts";

function dns(endpointIps: string[], change: Partial<ServicePort> = {}): ServicePort {
  return {
    name: "kube-system/dns:dns",
    protocol: "udp",
    clusterIp: "10.96.0.10",
    port: 53,
    nodePort: 0,
    externalIps: [],
    loadBalancerIps: [],
    sourceRanges: [],
    affinitySeconds: 0,
    internalLocal: false,
    externalLocal: false,
    endpoints: endpointIps.map((ip) => ({ ip, port: 53, isLocal: false })),
    ...change,
  };
}

test("planFlowDeletions forgets the flows of an endpoint that is gone, and no others", () => {
  assert.deepEqual(planFlowDeletions([dns(["10.0.0.1", "10.0.0.2"])], [dns(["10.0.0.2"])]), [
    { destination: "10.96.0.10", port: 53, endpoint: "10.0.0.1" },
  ]);
});

test("planFlowDeletions forgets flows made while there was no endpoint, at every door of the Service", () => {
  const after = dns(["10.0.0.1"], { nodePort: 30053, externalIps: ["192.0.2.9"] });
  assert.deepEqual(planFlowDeletions([dns([])], [after]), [
    { destination: "10.96.0.10", port: 53, endpoint: undefined },
    { destination: "192.0.2.9", port: 53, endpoint: undefined },
    { destination: "", port: 30053, endpoint: undefined },
  ]);
});

test("planFlowDeletions leaves TCP alone", () => {
  assert.deepEqual(planFlowDeletions([dns(["10.0.0.1"], { protocol: "tcp" })], []), []);
});

test("conntrackArguments names the node port without an address", () => {
  const words = conntrackArguments({ destination: "", port: 30053, endpoint: "10.0.0.1" }).join(" ");
  assert.equal(words, "-D -p udp --orig-port-dst 30053 --dst-nat 10.0.0.1");
});
