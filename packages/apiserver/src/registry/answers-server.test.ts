// What upstream's apiserver answers to requests that are wrong in themselves: code and message, as clients see them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { serveApi } from "../testing/serve-api.ts";

const { client } = await serveApi();

const CM = "/api/v1/namespaces/default/configmaps";
const CONTINUE = "invalid continue token: continue key is not valid";
const NO_SUCH_RESOURCE = "the server could not find the requested resource";
const NO_SUCH_METHOD = "the server does not allow this method on the requested resource";
const UNRECOGNIZED = "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind";

type Row = readonly [method: string, path: string, body: string | undefined, code: number, message: string];

const ANSWERS: readonly Row[] = [
  ["GET", "/api/v1/nosuch/x", undefined, 404, NO_SUCH_RESOURCE],
  ["GET", `${CM}/a/status`, undefined, 404, NO_SUCH_RESOURCE],
  ["GET", "/apis/apps/v9", undefined, 404, NO_SUCH_RESOURCE],
  ["PUT", CM, "{}", 405, NO_SUCH_METHOD],
  ["POST", `${CM}/a`, "{}", 405, NO_SUCH_METHOD],
  ["POST", "/api/v1/configmaps", "{}", 405, NO_SUCH_METHOD],
  ["DELETE", "/api/v1/namespaces", undefined, 405, NO_SUCH_METHOD],
  ["POST", CM, "", 400, `${UNRECOGNIZED}; json parse error: unexpected end of JSON input (<empty>)`],
  ["POST", CM, "{", 400, `${UNRECOGNIZED}; json parse error: unexpected end of JSON input ({)`],
  ["POST", CM, "null", 422, 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required'],
  [
    "POST",
    CM,
    '{"kind":"Pod","apiVersion":"v1"}',
    400,
    'Pod in version "v1" cannot be handled as a ConfigMap: converting (v1.Pod) to (core.ConfigMap): unknown conversion',
  ],
  [
    "POST",
    CM,
    '{"kind":"ConfigMap","apiVersion":"v2"}',
    400,
    'ConfigMap in version "v2" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version "v2" in scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"',
  ],
  ["PUT", `${CM}/a`, "{}", 400, "the name of the object (a based on URL) was undeterminable: name must be provided"],
  ["GET", `${CM}?continue=x`, undefined, 400, `${CONTINUE}: illegal base64 data at input byte 0`],
  [
    "GET",
    `${CM}?continue=${Buffer.from('{"v":"x"}').toString("base64url")}`,
    undefined,
    400,
    `${CONTINUE}: server does not recognize this encoded version "x"`,
  ],
  [
    "GET",
    `${CM}?fieldSelector=data%3D1`,
    undefined,
    400,
    '"data" is not a known field selector: only "metadata.name", "metadata.namespace"',
  ],
  ["GET", "/api/v1/pods?fieldSelector=spec.foo%3D1", undefined, 400, "field label not supported: spec.foo"],
  [
    "GET",
    "/apis/apps/v1/namespaces/default/deployments/none/scale",
    undefined,
    404,
    'deployments/scale.apps "none" not found',
  ],
  [
    "DELETE",
    "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical",
    undefined,
    403,
    'priorityclasses.scheduling.k8s.io "system-node-critical" is forbidden: this is a system priority class and cannot be deleted',
  ],
];

test("requests that are wrong in themselves get upstream's answers", async () => {
  for (const [method, path, body, code, message] of ANSWERS) {
    const answer = await client.call(method, path, body === undefined ? {} : { body });
    assert.deepEqual([answer.code, answer.body.message], [code, message], `${method} ${path} ${body ?? ""}`);
  }
});

test("an object that is replaced must be the one that was meant", async () => {
  const made = await client.post(CM, { metadata: { name: "meant" } });
  const { uid } = made.body.metadata;
  const put = await client.call("PUT", `${CM}/meant`, { body: { metadata: { name: "meant", uid: "other" } } });
  const why = `Precondition failed: UID in precondition: other, UID in object meta: ${uid}`;
  const stored = "StorageError: invalid object, Code: 4, Key: /registry/configmaps/default/meant, ResourceVersion: 0";
  assert.deepEqual(
    [put.code, put.body.message],
    [409, `Operation cannot be fulfilled on configmaps "meant": ${stored}, AdditionalErrorMsg: ${why}`],
  );
  const type = "application/merge-patch+json";
  const patch = await client.call("PATCH", `${CM}/meant`, { type, body: { metadata: { uid: "other" } } });
  const immutable = 'ConfigMap "meant" is invalid: metadata.uid: Invalid value: "other": field is immutable';
  assert.deepEqual([patch.code, patch.body.message], [422, immutable]);
});

test("a pod that goes at once says when, a namespace has no grace", async () => {
  await client.post("/api/v1/namespaces", { metadata: { name: "short" } });
  await client.post("/api/v1/namespaces/short/serviceaccounts", { metadata: { name: "default" } });
  const pods = "/api/v1/namespaces/short/pods";
  await client.post(pods, { metadata: { name: "p" }, spec: { containers: [{ name: "c", image: "i" }] } });
  const gone = await client.call("DELETE", `${pods}/p`);
  assert.equal(gone.body.metadata.deletionGracePeriodSeconds, 0);
  assert.match(gone.body.metadata.deletionTimestamp, /^\d{4}-/);
  const ending = await client.call("DELETE", "/api/v1/namespaces/short");
  assert.match(ending.body.metadata.deletionTimestamp, /^\d{4}-/);
  assert.equal(ending.body.metadata.deletionGracePeriodSeconds, undefined);
});
