import assert from "node:assert/strict";
import { test } from "node:test";
import { endpointChain, planRules, serviceChain } from "./plan-rules.ts";
import type { Endpoint, ServicePort } from "./service-ports.ts";

const options = {
  clusterCidr: "10.244.0.0/16",
  masqueradeAll: false,
  masqueradeMark: "0x4000",
  localhostNodePorts: true,
};

function endpoint(ip: string, isLocal = false): Endpoint {
  return { ip, port: 80, isLocal };
}

function port(change: Partial<ServicePort> = {}): ServicePort {
  return {
    name: "default/web:http",
    protocol: "tcp",
    clusterIp: "10.96.0.10",
    port: 80,
    nodePort: 0,
    externalIps: [],
    loadBalancerIps: [],
    sourceRanges: [],
    affinitySeconds: 0,
    internalLocal: false,
    externalLocal: false,
    endpoints: [],
    ...change,
  };
}

function natRules(p: ServicePort, chain: string): readonly string[] | undefined {
  return planRules([p], options).nat.chains.get(chain);
}

test("planRules names chains as upstream does", () => {
  // Upstream's own documented example of the hash: the same input must give the same chain on every node.
  const name = serviceChain("SVC", port({ name: "default/kubernetes:https" }));
  assert.equal(name, "KUBE-SVC-NPX46M4PTMTKRN6Y");
});

test("planRules balances evenly: each rule takes its share of what the earlier ones left", () => {
  const three = port({ endpoints: ["10.244.0.2", "10.244.0.3", "10.244.1.2"].map((ip) => endpoint(ip)) });
  const rules = natRules(three, serviceChain("SVC", three)) ?? [];
  const chances = rules.filter((r) => r.includes("KUBE-SEP")).map((r) => /--probability (\S+)/.exec(r)?.[1]);
  assert.deepEqual(chances, ["0.3333333333", "0.5000000000", undefined]);
});

test("planRules refuses a ClusterIP without endpoints and leaves no chain behind", () => {
  const { nat, filter } = planRules([port()], options);
  assert.match(
    filter.chains.get("KUBE-SERVICES")?.[0] ?? "",
    /has no endpoints" -m tcp -p tcp -d 10.96.0.10 --dport 80 -j REJECT/,
  );
  assert.equal(nat.chains.get(serviceChain("SVC", port())), undefined);
});

test("planRules masquerades a pod that reaches itself through its Service", () => {
  const one = port({ endpoints: [endpoint("10.244.0.2")] });
  const rules = natRules(one, endpointChain(one, endpoint("10.244.0.2"))) ?? [];
  assert.match(rules[0] ?? "", /-s 10.244.0.2 -j KUBE-MARK-MASQ/);
  assert.match(rules[1] ?? "", /-j DNAT --to-destination 10.244.0.2:80$/);
});

test("planRules with externalTrafficPolicy Local sends outsiders to local endpoints only", () => {
  const local = port({
    nodePort: 30080,
    externalLocal: true,
    endpoints: [endpoint("10.244.0.2", true), endpoint("10.244.1.2")],
  });
  const svl = natRules(local, serviceChain("SVL", local)) ?? [];
  assert.equal(svl.filter((rule) => rule.includes("10.244.1.2")).length, 0);
  assert.equal(natRules(local, serviceChain("EXT", local))?.at(-1), `-j ${serviceChain("SVL", local)}`);
});

test("planRules drops outsiders where the Local policy finds no endpoint", () => {
  const remote = port({ nodePort: 30080, externalLocal: true, endpoints: [endpoint("10.244.1.2")] });
  const refused = planRules([remote], options).filter.chains.get("KUBE-EXTERNAL-SERVICES") ?? [];
  assert.match(refused[0] ?? "", /--dport 30080 -j DROP$/);
});

test("planRules keeps a client at its endpoint with ClientIP affinity", () => {
  const sticky = port({ affinitySeconds: 10800, endpoints: [endpoint("10.244.0.2")] });
  const chain = endpointChain(sticky, endpoint("10.244.0.2"));
  const rules = natRules(sticky, serviceChain("SVC", sticky)) ?? [];
  assert.ok(rules.some((r) => r.includes(`-m recent --name ${chain} --rcheck --seconds 10800 --reap -j ${chain}`)));
  assert.match(natRules(sticky, chain)?.[1] ?? "", /-m recent --name \S+ --set/);
});

test("planRules ends KUBE-SERVICES with the NodePort rule", () => {
  const rules = natRules(port({ nodePort: 30080, endpoints: [endpoint("10.244.0.2")] }), "KUBE-SERVICES") ?? [];
  assert.match(rules.at(-1) ?? "", /--dst-type LOCAL -j KUBE-NODEPORTS$/);
});
