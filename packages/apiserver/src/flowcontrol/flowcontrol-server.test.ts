// Priority and fairness in a real server: built-in objects, headers, waiting, refusals and dumps, while etcd holds still.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { FaultProxy } from "@skiff/testkit/fault-proxy.ts";
import { clientCertificate, RealApiServer } from "@skiff/testkit/real-api-server.ts";
import { RealEtcd } from "@skiff/testkit/real-etcd.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { TestClient } from "../testing/test-client.ts";

const ROOT = "/apis/flowcontrol.apiserver.k8s.io/v1";
const CONFIG_MAPS = "/api/v1/namespaces/default/configmaps";
const stack = new AsyncDisposableStack();
let proxy: FaultProxy;
let server: RealApiServer;
let admin: TestClient;

before(async () => {
  const etcd = stack.use(await RealEtcd.start());
  proxy = stack.use(await FaultProxy.start({ host: "127.0.0.1", port: etcd.port }));
  server = stack.use(await RealApiServer.start(etcd, { etcdEndpoint: `http://127.0.0.1:${proxy.port}` }));
  admin = stack.use(new TestClient(server));
});

after(() => stack.disposeAsync());

test("the built-in objects are there, tell that their levels exist, and answers name them", async () => {
  const names = await waitFor("the schemas", async () => {
    const { body } = await admin.get(`${ROOT}/flowschemas`);
    const conditions = body.items.map(
      (item: { status: { conditions?: { status: string }[] } }) => item.status.conditions?.[0]?.status,
    );
    return conditions.length === 11 && conditions.every((status: string) => status === "False") && body.items;
  });
  const exempt = names.find((item: { metadata: { name: string } }) => item.metadata.name === "exempt");
  const level = await admin.get(`${ROOT}/prioritylevelconfigurations/exempt`);
  await waitFor("the headers", async () => {
    const { headers } = await admin.get("/version");
    return headers["x-kubernetes-pf-flowschema-uid"] === exempt.metadata.uid;
  });
  const { headers } = await admin.get("/version");
  assert.equal(headers["x-kubernetes-pf-prioritylevel-uid"], level.body.metadata.uid);
  const { text } = await admin.get("/metrics");
  assert.match(text, /apiserver_flowcontrol_nominal_limit_seats\{priority_level="workload-low"\} 245/);
  assert.match(
    text,
    /apiserver_flowcontrol_dispatched_requests_total\{flow_schema="exempt",priority_level="exempt"\} \d+/,
  );
});

test("a level's requests wait for its seats, are refused beyond its queues, and leave others alone", async () => {
  const limited = {
    ...{ nominalConcurrencyShares: 1, lendablePercent: 0, borrowingLimitPercent: 0 },
    limitResponse: { type: "Queue", queuing: { queues: 1, handSize: 1, queueLengthLimit: 4 } },
  };
  const level = { metadata: { name: "tiny" }, spec: { type: "Limited", limited } };
  assert.equal((await admin.post(`${ROOT}/prioritylevelconfigurations`, level)).code, 201);
  const rule = {
    subjects: [{ kind: "User", user: { name: "jane" } }],
    resourceRules: [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"], namespaces: ["*"] }],
  };
  const spec = { priorityLevelConfiguration: { name: "tiny" }, matchingPrecedence: 50, rules: [rule] };
  const schema = await admin.post(`${ROOT}/flowschemas`, { metadata: { name: "of-jane" }, spec });
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "view" };
  const subjects = [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "jane" }];
  await admin.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
    metadata: { name: "jane" },
    roleRef,
    subjects,
  });
  const jane = stack.use(new TestClient(server, await clientCertificate(server.pki, "jane")));
  await waitFor("jane's schema and rights", async () => {
    const { code, headers } = await jane.get(CONFIG_MAPS);
    return code === 200 && headers["x-kubernetes-pf-flowschema-uid"] === schema.body.metadata.uid;
  });
  // 1 share of 246 is 3 of 600 seats: while etcd holds still, 3 reads run, 4 wait, and the rest is refused.
  proxy.stall();
  const answers = Array.from({ length: 12 }, () => jane.get(`${CONFIG_MAPS}/kube-root-ca.crt`));
  await waitFor("those who wait", async () => {
    const dump = await admin.get("/debug/api_priority_and_fairness/dump_requests");
    return dump.text.split("\n").filter((line) => /^tiny, +of-jane, +0, +\d, +/.test(line)).length === 4;
  });
  const queues = await admin.get("/debug/api_priority_and_fairness/dump_queues");
  assert.match(queues.text, /^tiny, +0, +4, +0, +0,/m);
  const levels = await admin.get("/debug/api_priority_and_fairness/dump_priority_levels");
  assert.match(levels.text, /^tiny, +1, +false, +false, +4, +3,/m);
  proxy.resume();
  const codes = (await Promise.all(answers)).map(({ code }) => code).sort();
  assert.deepEqual(codes, [404, 404, 404, 404, 404, 404, 404, 429, 429, 429, 429, 429]);
  const one = (await Promise.all(answers)).find(({ code }) => code === 429);
  // 2 where the refusals fell into two seconds.
  assert.match(one?.headers["retry-after"] ?? "", /^[12]$/);
  assert.equal(one?.headers["x-kubernetes-pf-flowschema-uid"], schema.body.metadata.uid);
  const { text } = await admin.get("/metrics");
  assert.match(text, /rejected_requests_total\{flow_schema="of-jane",priority_level="tiny",reason="queue-full"\} 5/);
  assert.match(
    text,
    /request_wait_duration_seconds_count\{flow_schema="of-jane",priority_level="tiny",execute="true"\} 4/,
  );
  assert.match(text, /current_executing_seats\{flow_schema="of-jane",priority_level="tiny"\} 0/);
});

test("a write takes seats for the watchers that it wakes, and metrics tell of it", async () => {
  using watches = new DisposableStack();
  const begun = Array.from({ length: 20 }, () => watches.use(admin.watch(`${CONFIG_MAPS}?watch=1`)));
  await waitFor("the watches", async () => begun.every(({ code }) => code === 200));
  assert.equal((await admin.post(CONFIG_MAPS, { metadata: { name: "woken" } })).code, 201);
  const { text } = await admin.get("/metrics");
  const labels = `flow_schema="exempt",priority_level="exempt"`;
  assert.match(text, new RegExp(`watch_count_samples_bucket\\{${labels},le="100"\\} [1-9]`));
  const seats = (limit: number) =>
    Number(text.match(new RegExp(`work_estimated_seats_bucket\\{${labels},le="${limit}"\\} (\\d+)`))?.[1]);
  assert.equal(seats(2) - seats(1), 1);
  assert.match(text, new RegExp(`request_execution_seconds_count\\{${labels},type="watch"\\} 20`));
  const utilization = /priority_level_seat_utilization_count\{phase="executing",priority_level="exempt"\} (\d+)/;
  assert.ok(Number(text.match(utilization)?.[1]) > 1e6, "in nanoseconds");
  const dump = await admin.get("/debug/api_priority_and_fairness/dump_requests?includeRequestDetails=1");
  assert.match(dump.text, /^exempt, +exempt, +-1, +-1, .*, admin, .*dump_requests, /m, "the asking request itself");
});

test("a built-in object of an earlier release is removed unless a person took it over", async () => {
  const annotations = { "apf.kubernetes.io/autoupdate-spec": "true" };
  const spec = { priorityLevelConfiguration: { name: "exempt" }, matchingPrecedence: 9 };
  await admin.post(`${ROOT}/flowschemas`, { metadata: { name: "mine" }, spec });
  await admin.post(`${ROOT}/flowschemas`, { metadata: { name: "endpoint-controller", annotations }, spec });
  await waitFor("its removal", async () => (await admin.get(`${ROOT}/flowschemas/endpoint-controller`)).code === 404);
  assert.equal((await admin.get(`${ROOT}/flowschemas/mine`)).code, 200);
});

test("a schema whose level is missing says so and sorts nothing", async () => {
  const rule = {
    subjects: [{ kind: "Group", group: { name: "system:masters" } }],
    nonResourceRules: [{ verbs: ["*"], nonResourceURLs: ["*"] }],
  };
  const spec = { priorityLevelConfiguration: { name: "nowhere" }, matchingPrecedence: 3, rules: [rule] };
  await admin.post(`${ROOT}/flowschemas`, { metadata: { name: "lost" }, spec });
  await waitFor("the condition", async () => {
    const { body } = await admin.get(`${ROOT}/flowschemas/lost`);
    return body.status.conditions?.[0]?.reason === "NotFound";
  });
});
